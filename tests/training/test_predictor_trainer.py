"""From recorded play to a world that expects what comes next."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from typer.testing import CliRunner

from dreamcade.cli import app
from dreamcade.core.errors import BadInputError
from dreamcade.core.types import Episode
from dreamcade.dataset.format import DatasetMeta
from dreamcade.dataset.reader import Dataset
from dreamcade.dataset.writer import DatasetWriter
from dreamcade.training.predict import parse_levels, target_folder
from dreamcade.training.predictor_trainer import (
    UNKNOWN,
    PredictorSettings,
    measure_predictor,
    prediction_loss,
    train_predictor,
)
from dreamcade.world import World

TICKS = 60


def silent(what: str, done: int, total: int) -> None:
    pass


@pytest.fixture
def rhythm(tiny_world: World, tmp_path: Path) -> Dataset:
    """Three episodes of a rhythm of eight ticks on an axis and a button, begun anywhere in it; the last is held out."""
    steer = np.array([0, 0.5, 1, 1, 0, -0.5, -1, -1], np.float32)
    jump = np.array([0, 0, 0, 1, 1, 0, 0, 0], np.float32)
    meta = DatasetMeta("toy:square", tiny_world.controls, tiny_world.frame_size, 50.0, "CC0-1.0", "a test")
    writer = DatasetWriter(tmp_path / "data", meta)
    width, height = tiny_world.frame_size
    frames = np.zeros((TICKS, height, width, 3), np.uint8)
    for seed in range(3):
        actions = np.stack([steer, jump], 1)[(np.arange(TICKS) + 3 * seed) % 8]
        writer.write(Episode(seed, frames, actions, {}), "heldout" if seed == 2 else "train")
    return Dataset.open(tmp_path / "data")


def test_a_rhythm_is_learnt(rhythm: Dataset) -> None:
    settings = PredictorSettings(steps=80, batch=8, length=32, rate=1e-2, keyed=0.0)
    predictor = train_predictor(rhythm, (2, 1), settings, torch.device("cpu"), silent)
    rates = measure_predictor(predictor, rhythm, silent)
    assert rates["as recorded"].hits[0] > 0.9 > 0.2 > rates["as recorded"].same
    assert rates["as recorded"].hits_on_changes[0] > 0.9
    assert rates["as recorded"].unknown == 0
    assert set(rates) == {"as recorded", "as if on keys"}  # no second of it is on keys
    again = train_predictor(rhythm, (2, 1), settings, torch.device("cpu"), silent)
    assert all(torch.equal(a, b) for a, b in zip(predictor.parameters(), again.parameters(), strict=True))


def test_a_change_counts_more_and_staying_is_not_bent() -> None:
    logits = torch.randn(2, 5, 7)
    now, comes = torch.randint(7, (2, 5)), torch.randint(7, (2, 5))
    plain = F.cross_entropy(logits.flatten(0, 1), comes.flatten())
    torch.testing.assert_close(prediction_loss(logits, comes, now, 0.0), plain)
    torch.testing.assert_close(prediction_loss(logits, now, now, 3.0), prediction_loss(logits, now, now, 0.0))
    # Moving all weight between "the same" and the others in proportion changes nothing of what changes are worth.
    moved = logits.clone().requires_grad_()
    extra = prediction_loss(moved, comes, now, 1.0) - prediction_loss(moved, comes, now, 0.0)
    (slope,) = torch.autograd.grad(extra, moved)
    torch.testing.assert_close(slope.gather(-1, now[..., None]), torch.zeros(2, 5, 1), atol=1e-6, rtol=0)


def test_actions_outside_of_the_vocabulary_are_left_out() -> None:
    logits = torch.randn(1, 3, 4)
    comes, now = torch.tensor([[UNKNOWN, 1, 2]]), torch.tensor([[0, UNKNOWN, 1]])
    expected = F.cross_entropy(logits[0, 1:], comes[0, 1:])
    torch.testing.assert_close(prediction_loss(logits, comes, now, 0.0), expected)
    assert bool(torch.isfinite(prediction_loss(logits, torch.full((1, 3), UNKNOWN), now, 1.0)))


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_the_command_puts_it_into_the_world(rhythm: Dataset, tiny_world: World, tmp_path: Path) -> None:
    folder, figures = tmp_path / "toy", tmp_path / "figures.json"
    tiny_world.save(folder)
    train = ["train", "predictor", str(rhythm.path), "--world", str(folder), "--steps", "4", "--device", "cpu"]
    said = run(*train, "--json", str(figures))
    world = World.load(folder)
    assert world.predictor is not None and world.identity == World.load(folder).identity
    assert world.predictor.config.levels[1] == 1  # a button
    table = world.manifest.card["predictor"]
    assert [row["held-out play"] for row in table] == ["as recorded", "as if on keys"]
    assert table[0]["ticks"] == TICKS - 1 and table[0]["4 drafts"].endswith(" %")
    assert world.manifest.card["data"] == "6 frames of a square"  # what it said before
    assert "as if on keys" in (folder / "README.md").read_text()
    written = json.loads(figures.read_text())
    assert written["training"]["steps"] == 4 and written["grids tried"][0]["control"] == "steer"
    assert "same again" in said

    run(*train, "--levels", "4,1", "--out", str(tmp_path / "other"))
    other = World.load(tmp_path / "other").predictor
    assert other is not None and other.config.levels == (4, 1)


def test_a_shipped_world_needs_another_folder(tiny_world: World, tmp_path: Path) -> None:
    folder = tmp_path / "toy"
    saved = tiny_world.save(folder)
    assert target_folder(str(folder), saved, None) == folder
    assert target_folder("toy", saved, tmp_path / "new") == tmp_path / "new"
    with pytest.raises(BadInputError, match="toy is no folder of yours; name one for the new world with --out"):
        target_folder("toy", saved, None)
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "thesis.tex").write_text("years of work")
    with pytest.raises(BadInputError, match=r"holds other things \(thesis\.tex\)"):
        target_folder(str(folder), saved, tmp_path / "thesis")


def test_levels_by_hand(tiny_world: World) -> None:
    assert parse_levels("8,1", tiny_world.controls) == (8, 1)
    for wrong in ("8", "8,1,1", "8,x", "0,1", ""):
        with pytest.raises(BadInputError, match="--levels must be 2 whole numbers, one for each of steer, jump; got"):
            parse_levels(wrong, tiny_world.controls)


def test_recordings_of_another_game_are_refused(rhythm: Dataset, tiny_world: World, tmp_path: Path) -> None:
    axis = dataclasses.replace(tiny_world.controls.axes[0], name="turn")
    controls = dataclasses.replace(tiny_world.controls, axes=(axis,))
    world = World(dataclasses.replace(tiny_world.manifest, controls=controls), *_parts(tiny_world))
    world.save(tmp_path / "toy")
    with pytest.raises(BadInputError, match="the world has the controls turn, jump, the recordings steer, jump"):
        run("train", "predictor", str(rhythm.path), "--world", str(tmp_path / "toy"))


def _parts(world: World) -> tuple[object, ...]:
    return world.codec, world.dynamics, world.starts
