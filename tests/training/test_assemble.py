"""What of a world outlives its being made anew."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import torch

from dreamcade.core.controls import Controls
from dreamcade.dynamics import ActionPredictor, PredictorConfig
from dreamcade.training.assemble import keep_predictor
from dreamcade.world import World


def predicting(world: World, levels: tuple[int, ...] = (4, 1)) -> World:
    card = {**world.manifest.card, "predictor": ["It expects a jump."]}
    said = dataclasses.replace(world, manifest=dataclasses.replace(world.manifest, card=card))
    return said.with_predictor(ActionPredictor(PredictorConfig(levels, 6, width=8)))


def test_a_predictor_outlives_new_weights(tiny_world: World, tmp_path: Path) -> None:
    assert keep_predictor(tiny_world, tmp_path / "toy") is tiny_world
    before = predicting(tiny_world).save(tmp_path / "toy", half=False)
    kept = keep_predictor(tiny_world, tmp_path / "toy")
    assert kept.predictor is not None and before.predictor is not None
    assert torch.equal(kept.predictor.choose.weight, before.predictor.choose.weight)
    assert kept.manifest.card["predictor"] == ["It expects a jump."]
    assert kept.save(tmp_path / "toy").manifest.predictor == before.manifest.predictor


def test_a_predictor_of_other_controls_does_not(tiny_world: World, tmp_path: Path) -> None:
    predicting(tiny_world).save(tmp_path / "toy")
    axis, button = tiny_world.controls.axes[0], tiny_world.controls.buttons[0]
    controls = Controls((axis,), (dataclasses.replace(button, name="fire"),))
    other = dataclasses.replace(tiny_world, manifest=dataclasses.replace(tiny_world.manifest, controls=controls))
    assert keep_predictor(other, tmp_path / "toy").predictor is None


def test_a_damaged_one_is_given_up(tiny_world: World, tmp_path: Path) -> None:
    predicting(tiny_world).save(tmp_path / "toy")
    (tmp_path / "toy" / "predictor.safetensors").write_bytes(b"")
    assert keep_predictor(tiny_world, tmp_path / "toy") is tiny_world
