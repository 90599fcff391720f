from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dreamcade.cli.record import record
from dreamcade.core.errors import DatasetError
from dreamcade.dataset.reader import Dataset
from dreamcade.dataset.video import VideoWriter
from dreamcade.dataset.videos import check_film, common_rate, derive_controls, find_films, play_film, read_track

RATE, SECONDS = 50.0, 3.0


def film(path: Path, seconds: float = SECONDS, rate: float = RATE) -> None:
    """A video whose brightness tells the time: 1 a frame."""
    with VideoWriter(path, (96, 64), rate) as video:
        for index in range(round(seconds * rate)):
            video.append(np.full((64, 96, 3), 20 + index, np.uint8))


def write_csv(path: Path, rows: list[tuple[object, ...]], head: str = "time,steer,fire") -> None:
    path.write_text("\n".join([head, *(",".join(map(str, row)) for row in rows)]) + "\n")


PRESSED: list[tuple[object, ...]] = [(0.0, 0.0, 0), (1.0, -0.5, 1), (2.0, 1.0, 0)]


def write_json(path: Path, rows: list[tuple[object, ...]]) -> None:
    path.write_text(json.dumps([{"time": t, "steer": s, "fire": bool(f)} for t, s, f in rows]))


def write_parquet(path: Path, rows: list[tuple[object, ...]]) -> None:
    times, steer, fire = zip(*rows, strict=True)
    pq.write_table(pa.table({"time": times, "steer": steer, "fire": fire}), path)


@pytest.mark.parametrize(("ending", "write"), [("csv", write_csv), ("json", write_json), ("parquet", write_parquet)])
def test_videos_and_actions_are_brought_to_the_tick(
    tmp_path: Path, ending: str, write: Callable[[Path, list[tuple[object, ...]]], None]
) -> None:
    film(tmp_path / "play.mp4")
    write(tmp_path / f"play.{ending}", PRESSED)
    [found], wrong = find_films(tmp_path)
    assert not wrong
    controls = derive_controls([found])
    assert controls.names == ("steer", "fire")
    assert [axis.low for axis in controls.axes] == [-1.0]
    assert common_rate([found]) == 25.0
    steps = list(play_film(found, controls, (48, 32), 25.0))
    assert len(steps) == SECONDS * 25
    assert steps[0].frame.shape == (32, 48, 3)
    # Tick k shows the video's frame at k / 25 seconds: every other one.
    brightness = np.array([step.frame.mean() for step in steps])
    np.testing.assert_allclose(brightness, 20 + 2 * np.arange(75), atol=2)
    actions = np.stack([step.action for step in steps])
    np.testing.assert_allclose(actions[[0, 24, 25, 49, 50]], [[0, 0], [0, 0], [-0.5, 1], [-0.5, 1], [1, 0]])


def test_a_folder_becomes_a_dataset_by_the_record_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "films"
    folder.mkdir()
    for name in ("one", "two"):
        film(folder / f"{name}.mp4")
        write_csv(folder / f"{name}.csv", PRESSED)
    film(folder / "mute.mp4")
    write_csv(folder / "lonely.csv", PRESSED)
    film(folder / "wild.mp4")
    write_csv(folder / "wild.csv", [(0.0, 0.0, 0), (1.5, 0.5, 0)], "time,steer,shoot")
    controls = tmp_path / "controls.json"
    axes = [{"name": "steer", "negative_keys": ["ArrowLeft"], "positive_keys": ["ArrowRight"]}]
    controls.write_text(json.dumps({"tick_rate": 10, "axes": axes, "buttons": [{"name": "fire", "keys": ["Space"]}]}))
    record(f"video:{folder}", tmp_path / "data", size="48x32", controls=controls)
    said = capsys.readouterr()
    assert "mute.mp4: needs one file of actions beside it" in said.err
    assert "lonely.csv: there is no video of that name" in said.err
    assert "wild.csv: lacks fire and has shoot that no control is called" in said.err
    data = Dataset.open(tmp_path / "data")
    assert len(data.episodes("all")) == 2
    assert data.meta.tick_rate == 10
    assert data.meta.controls.buttons[0].keys == ("Space",)
    assert {e.length for e in data.episodes("all")} == {30}
    record(f"video:{folder}", tmp_path / "data", size="48x32", controls=controls)  # taken up, nothing new
    assert len(Dataset.open(tmp_path / "data").episodes("all")) == 2


@pytest.mark.parametrize(
    ("rows", "head", "says"),
    [
        ([(0, 0), (2, 1), (1, 0)], "time,steer", r"times must rise; 1\.000 s follows 2\.000 s"),
        ([(0, 0), (1, "left")], "time,steer", r"'steer' is no number in row 2"),
        ([(0, 0)], "seconds,steer", "needs a column 'time'"),
        ([(1.0, 0)], "time,steer", r"begin at 1\.00 s, the video at 0 s"),
        ([(0, 0), (9, 1)], "time,steer", r"actions until 9\.00 s, the video ends at 3\.00 s"),
    ],
)
def test_what_does_not_fit_is_told_by_file_and_time(
    tmp_path: Path, rows: list[tuple[object, ...]], head: str, says: str
) -> None:
    film(tmp_path / "play.mp4")
    write_csv(tmp_path / "play.csv", rows, head)
    films, [wrong] = find_films(tmp_path)
    assert not films
    assert wrong.startswith("play.csv: ")
    assert re.search(says, wrong)


def test_an_action_out_of_range_is_told_by_file_and_time(tmp_path: Path) -> None:
    film(tmp_path / "play.mp4")
    write_csv(tmp_path / "play.csv", [(0, 0.0, 0), (1.25, 7.0, 0)])
    controls = tmp_path / "controls.json"
    controls.write_text(json.dumps({"axes": [{"name": "steer"}], "buttons": [{"name": "fire"}]}))
    with pytest.raises(DatasetError, match=r"play\.csv: 'steer' is 7 at 1\.25 s; it must be -1 to 1"):
        record(f"video:{tmp_path}", tmp_path / "data", controls=controls)
    assert not (tmp_path / "data").exists()


def test_one_file_with_another_column_does_not_outvote_the_others(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        film(tmp_path / f"{name}.mp4")
        write_csv(tmp_path / f"{name}.csv", PRESSED)
    write_csv(tmp_path / "b.csv", [(t, s, f, 1) for t, s, f in PRESSED], "time,steer,fire,note")
    films, _ = find_films(tmp_path)
    controls = derive_controls(films)
    assert controls.names == ("steer", "fire")
    told = [check_film(found, controls) for found in films]
    assert told == [None, "b.csv: has note that no control is called", None]


def test_a_folder_without_videos_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="holds no videos"):
        record(f"video:{tmp_path / 'none'}", tmp_path / "data")


def test_a_file_that_is_no_table_is_named(tmp_path: Path) -> None:
    (tmp_path / "play.json").write_text('{"time": 1')
    with pytest.raises(DatasetError, match=r"play\.json: cannot be read as actions"):
        read_track(tmp_path / "play.json")
