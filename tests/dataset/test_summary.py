from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dreamcade.core.controls import Axis, Button, Controls
from dreamcade.core.errors import DatasetError
from dreamcade.core.types import Episode
from dreamcade.dataset.coverage import coverage, place_map
from dreamcade.dataset.format import DatasetMeta
from dreamcade.dataset.reader import Dataset
from dreamcade.dataset.summary import contact_sheet, summarize, summary_text
from dreamcade.dataset.writer import DatasetWriter


def test_figures_agree_with_the_episodes(stored: Path) -> None:
    dataset = Dataset.open(stored)
    summary = summarize(dataset)
    actions = np.concatenate([dataset.actions(e) for e in dataset.episodes()])
    assert (summary.episodes, summary.heldout_episodes, summary.frames) == (3, 1, 120)
    assert summary.seconds == pytest.approx(120 / 25)
    assert summary.used_share["jump"] == pytest.approx(float(actions[:, 1].mean()), abs=1e-3)
    for histogram in summary.histograms.values():
        assert sum(histogram["shares"]) == pytest.approx(1.0, abs=1e-3)
    assert 0.3 < summary.coverage["on_track_share"] < 0.9
    assert set(summary.styles) == {"calm", "wild"}
    assert json.loads(json.dumps(summary.to_json()))["frames"] == 120


def test_places_are_counted_and_drawn() -> None:
    x, y = np.array([0.0, 10.0, 480.0, 480.0]), np.array([0.0, 0.0, 0.0, 240.0])
    columns = {"x": x, "y": y, "won": np.array([0, 0, 0, 1])}
    found = coverage(columns)
    assert (found["places"], found["places_for_half"], found["won"]) == (4, 2, 1)
    leveled = {**columns, "level": np.array([1, 1, 1, 2])}
    assert coverage(leveled)["rarest_level"] == 0.25
    assert len(place_map(leveled)) == 1, "the second level is not drawn over the first"
    assert "places" not in coverage({**columns, "track_index": x}) and not place_map({**columns, "track_index": x})
    lines = place_map(columns)
    assert lines[0].strip() and lines[0].index(lines[0].strip()) == len(lines[-1]) - 1, "north is up, east is right"
    assert lines[-1][0] != " " and not lines[1].strip()
    assert place_map({"speed": x}) == []
    still = place_map({"x": np.ones(3), "y": np.ones(3)})
    assert len(still) == 1 and len(still[0]) == 1


def test_the_text_names_what_is_damaged(stored: Path) -> None:
    (stored / "episodes" / "episode-000000000001" / "video.mp4").unlink()
    path = stored / "episodes" / "episode-000000000000" / "columns.parquet"
    path.write_bytes(bytes(path.stat().st_size))
    summary = summarize(Dataset.open(stored))
    text = summary_text(summary)
    assert summary.episodes == 1
    assert "damaged: episode-000000000001" in text
    assert "damaged: episode-000000000000" in text
    assert "steer" in text
    assert "█" in text


def test_rewards_and_ends_are_counted_for_any_game() -> None:
    columns = {
        "reward": np.array([0, 1.5, -1, 0]),
        "ended": np.array([0, 1, 0, 0]),
        "terminated": np.array([0, 1, 0, 1]),
    }
    assert coverage(columns) == {"ended": 2, "reward": 0.5}
    assert coverage({"lost": np.array([1, 0]), "terminated": np.array([False, False])})["ended"] == 1
    assert not {"ended", "reward"} & set(coverage({"speed": np.ones(3)}))


def test_combinations_of_buttons_and_rest_are_shared_out(tmp_path: Path, meta: DatasetMeta) -> None:
    buttons = Controls(axes=(Axis("steer"),), buttons=(Button("left"), Button("fire")))
    pressed = np.array([[0, 0, 0]] * 5 + [[0, 1, 1]] * 3 + [[1, 0, 0]] * 2, np.float32)
    writer = DatasetWriter(tmp_path / "data", replace(meta, controls=buttons))
    writer.write(Episode(0, np.zeros((10, 32, 48, 3), np.uint8), pressed, {}), "train")
    summary = summarize(Dataset.open(tmp_path / "data"))
    assert summary.rest_share == 0.5
    assert summary.combinations == {"": 0.7, "left + fire": 0.3}
    text = summary_text(summary)
    assert "at rest in 50% of frames" in text
    assert "70.0%  (none)" in text and "30.0%  left + fire" in text


def test_the_text_and_the_figures_say_how_many_pictures_there_are(stored: Path) -> None:
    summary = summarize(Dataset.open(stored))
    assert summary.pictures["looked_at"] == 120
    assert summary.pictures["different"] > 10
    assert f"{summary.pictures['different']:g} different pictures among 120 looked at" in summary_text(summary)
    assert json.loads(json.dumps(summary.to_json()))["pictures"] == summary.pictures


def test_a_contact_sheet_shows_frames(stored: Path) -> None:
    sheet = contact_sheet(Dataset.open(stored), columns=3, rows=2, width=48)
    assert sheet.shape == (2 * 32, 3 * 48, 3)
    assert sheet.dtype == np.uint8
    assert (sheet.reshape(2, 32, 3, 48, 3).std(axis=(1, 3, 4)) > 5).all()


def test_an_empty_dataset_is_refused(tmp_path: Path, meta: DatasetMeta) -> None:
    DatasetWriter(tmp_path / "data", meta)
    with pytest.raises(DatasetError, match="no whole episode"):
        summarize(Dataset.open(tmp_path / "data"))
