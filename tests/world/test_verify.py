from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch

from dreamcade.core.errors import WorldError
from dreamcade.dynamics import ActionPredictor, PredictorConfig
from dreamcade.world import World, verify_world


def test_a_whole_world(tiny_world: World, tmp_path: Path) -> None:
    tiny_world.save(tmp_path / "toy")
    checks = verify_world(tmp_path / "toy")
    assert checks[0] == "4 files match their hashes"
    assert checks[-1] == "start 'right': 4 frames of context, and the next one was made"


def test_a_predictor_is_asked_what_follows_nothing(tiny_world: World, tmp_path: Path) -> None:
    predictor = ActionPredictor(PredictorConfig((4, 1), 6, width=8))
    tiny_world.with_predictor(predictor).save(tmp_path / "toy")
    assert "the predictor chooses from 6 actions, on 4, 1 levels" in verify_world(tmp_path / "toy")
    with torch.no_grad():
        predictor.choose.weight.fill_(3e38)
        predictor.choose.bias.fill_(-3e38)
        predictor.remember.bias_hh_l0.fill_(9.0)
    tiny_world.with_predictor(predictor).save(tmp_path / "toy", half=False)
    with pytest.raises(WorldError, match="predictor makes values that are not finite"):
        verify_world(tmp_path / "toy")


def test_a_world_without_starts(tiny_world: World, tmp_path: Path) -> None:
    World(tiny_world.manifest, tiny_world.codec, tiny_world.dynamics, ()).save(tmp_path / "toy")
    with pytest.raises(WorldError, match="no starts"):
        verify_world(tmp_path / "toy")


def test_a_thumbnail_that_is_no_picture(tiny_world: World, tmp_path: Path) -> None:
    starts = (dataclasses.replace(tiny_world.starts[0], thumbnail=b"<html>"),)
    World(tiny_world.manifest, tiny_world.codec, tiny_world.dynamics, starts).save(tmp_path / "toy")
    with pytest.raises(WorldError, match="thumbnail of start 'left' is damaged"):
        verify_world(tmp_path / "toy")


def test_two_starts_of_one_name(tiny_world: World, tmp_path: Path) -> None:
    starts = (tiny_world.starts[0], tiny_world.starts[0])
    World(tiny_world.manifest, tiny_world.codec, tiny_world.dynamics, starts).save(tmp_path / "toy")
    with pytest.raises(WorldError, match="two starts of one name"):
        verify_world(tmp_path / "toy")
