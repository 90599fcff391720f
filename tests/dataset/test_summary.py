from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from dreamcade.core.errors import DatasetError
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


def test_a_contact_sheet_shows_frames(stored: Path) -> None:
    sheet = contact_sheet(Dataset.open(stored), columns=3, rows=2, width=48)
    assert sheet.shape == (2 * 32, 3 * 48, 3)
    assert sheet.dtype == np.uint8
    assert (sheet.reshape(2, 32, 3, 48, 3).std(axis=(1, 3, 4)) > 5).all()


def test_an_empty_dataset_is_refused(tmp_path: Path, meta: DatasetMeta) -> None:
    DatasetWriter(tmp_path / "data", meta)
    with pytest.raises(DatasetError, match="no whole episode"):
        summarize(Dataset.open(tmp_path / "data"))
