from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray
from typer.testing import CliRunner

from dreamcade.cli import app
from dreamcade.cli.record import record
from dreamcade.core.errors import BadInputError, DatasetError
from dreamcade.dataset.format import EpisodeInfo
from dreamcade.dataset.reader import Dataset
from dreamcade.dataset.tracks import derive_controls
from dreamcade.dataset.video import VideoWriter
from dreamcade.dataset.videos import common_rate, cut, find_films, play_film

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
    controls = derive_controls([found.track])
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
    record(f"video:{folder}", tmp_path / "data", size="48x32", ticks=30, controls=controls)
    said = capsys.readouterr()
    assert "mute.mp4: needs one file of actions beside it" in said.err
    assert "lonely.csv: there is no video of that name" in said.err
    assert "wild.csv: lacks fire and has shoot that no control is called" in said.err
    data = Dataset.open(tmp_path / "data")
    assert len(data.episodes("all")) == 2
    assert data.meta.tick_rate == 10
    assert data.meta.controls.buttons[0].keys == ("Space",)
    assert {e.length for e in data.episodes("all")} == {30}
    assert "2 episodes (2 new, 1 held out)" in said.out
    record(f"video:{folder}", tmp_path / "data", size="48x32", ticks=30, controls=controls)  # taken up, nothing new
    assert "2 episodes (0 new, 1 held out)" in capsys.readouterr().out


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


def test_a_folder_without_videos_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="holds no videos"):
        record(f"video:{tmp_path / 'none'}", tmp_path / "data")


def test_a_folder_without_a_usable_video_says_why(tmp_path: Path) -> None:
    film(tmp_path / "one.mp4")
    (tmp_path / "two.mp4").write_bytes(b"no video")
    write_csv(tmp_path / "two.csv", PRESSED)
    done = CliRunner().invoke(app, ["record", f"video:{tmp_path}", "--out", str(tmp_path / "data")])
    assert isinstance(done.exception, DatasetError)
    assert "none of the videos" in str(done.exception) and "one.mp4: needs one file" in str(done.exception)
    assert "left out: one.mp4: needs one file of actions beside it" in done.output
    assert "left out: two.mp4: cannot be read as a video" in done.output
    assert not (tmp_path / "data").exists()


def test_a_rest_that_is_too_short_to_train_on_joins_the_episode_before() -> None:
    assert cut(300, 100) == [100, 100, 100]
    assert cut(350, 100) == [100, 100, 100, 50]
    assert cut(320, 100) == [100, 100, 120]
    assert cut(48, 100) == [48]
    assert cut(47, 100) == []
    assert cut(65, 30) == [30, 35]


def brightness(data: Dataset, episode: EpisodeInfo) -> NDArray[np.float64]:
    return data.frames(episode).mean(axis=(1, 2, 3))


def test_one_film_becomes_episodes_of_which_one_is_held_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    film(tmp_path / "play.mp4", seconds=4.0)
    write_csv(tmp_path / "play.csv", PRESSED)
    record(f"video:{tmp_path}", tmp_path / "data", size="48x32", ticks=30)
    data = Dataset.open(tmp_path / "data")
    assert [e.length for e in data.episodes()] == [30, 30, 40]
    assert len(data.episodes("heldout")) == 1
    np.testing.assert_allclose(
        np.concatenate([brightness(data, e) for e in data.episodes()]), 20 + 2 * np.arange(100), atol=2
    )
    fire = np.concatenate([data.actions(e)[:, 1] for e in data.episodes()])
    np.testing.assert_array_equal(np.flatnonzero(fire), np.arange(25, 50))
    assert "nothing is held out" not in capsys.readouterr().err
    with pytest.raises(DatasetError, match="ticks is 30 there, 40 here"):
        record(f"video:{tmp_path}", tmp_path / "data", size="48x32", ticks=40)


def test_a_single_episode_says_that_nothing_is_held_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    film(tmp_path / "play.mp4")
    write_csv(tmp_path / "play.csv", PRESSED)
    record(f"video:{tmp_path}", tmp_path / "data", size="48x32")
    assert "nothing is held out" in capsys.readouterr().err


def test_a_film_that_is_too_short_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, seconds in (("long", 3.0), ("short", 1.0)):
        film(tmp_path / f"{name}.mp4", seconds)
        write_csv(tmp_path / f"{name}.csv", [*PRESSED[:1], (0.5, 1.0, 1), (0.9, -1.0, 0)])
    record(f"video:{tmp_path}", tmp_path / "data", size="48x32")
    assert "left out: short.mp4: lasts 25 ticks (25 a second); training needs 48" in capsys.readouterr().err
    assert [e.length for e in Dataset.open(tmp_path / "data").episodes()] == [75]


def test_the_last_row_holds_to_the_film_s_end(tmp_path: Path) -> None:
    film(tmp_path / "play.mp4", seconds=4.0)
    write_csv(tmp_path / "play.csv", [(0.0, 0.0, 0), (0.5, 0.5, 1)])
    [found], _ = find_films(tmp_path)
    steps = list(play_film(found, derive_controls([found.track]), (48, 32), 25.0))
    assert len(steps) == 100
    assert steps[-1].action.tolist() == [0.5, 1.0]


@pytest.mark.parametrize("ending", ["mp4", "mkv", "mov"])
@pytest.mark.parametrize("offset", [0.4, 5.0])
def test_time_begins_with_the_first_frame(tmp_path: Path, ending: str, offset: float) -> None:
    film(tmp_path / "plain.mp4")
    late(tmp_path / "plain.mp4", tmp_path / f"play.{ending}", offset)
    (tmp_path / "plain.mp4").unlink()
    write_csv(tmp_path / "play.csv", PRESSED)
    [found], wrong = find_films(tmp_path)
    assert not wrong
    assert found.seconds == pytest.approx(SECONDS, abs=0.02)
    steps = list(play_film(found, derive_controls([found.track]), (48, 32), 25.0))
    assert len(steps) == SECONDS * 25
    np.testing.assert_allclose([s.frame.mean() for s in steps], 20 + 2 * np.arange(75), atol=2)
    assert np.flatnonzero([s.action[1] for s in steps]).tolist() == [*range(25, 50)]


def test_frames_that_were_cut_off_at_the_front_do_not_count(tmp_path: Path) -> None:
    film(tmp_path / "plain.mp4")
    late(tmp_path / "plain.mp4", tmp_path / "play.mp4", -0.4)
    (tmp_path / "plain.mp4").unlink()
    write_csv(tmp_path / "play.csv", PRESSED)
    [found], _ = find_films(tmp_path)
    steps = list(play_film(found, derive_controls([found.track]), (48, 32), 25.0))
    np.testing.assert_allclose([s.frame.mean() for s in steps], 40 + 2 * np.arange(65), atol=2)


def late(source: Path, path: Path, offset: float) -> None:
    """The same pictures, the first of them at `offset` seconds."""
    with av.open(str(source)) as before, av.open(str(path), "w") as after:
        stream = before.streams.video[0]
        copied = after.add_stream_from_template(stream)
        for packet in before.demux(stream):
            if packet.pts is not None and packet.dts is not None and packet.time_base is not None:
                packet.pts += round(offset / packet.time_base)
                packet.dts += round(offset / packet.time_base)
                packet.stream = copied
                after.mux(packet)


def test_sound_that_goes_on_does_not_lengthen_a_film(tmp_path: Path) -> None:
    film(tmp_path / "plain.mp4")
    with av.open(str(tmp_path / "play.mp4"), "w") as made, av.open(str(tmp_path / "plain.mp4")) as before:
        stream = before.streams.video[0]
        pictures, sound = made.add_stream_from_template(stream), made.add_stream("aac", rate=8000)
        for packet in before.demux(stream):
            if packet.dts is not None:
                packet.stream = pictures
                made.mux(packet)
        quiet = av.AudioFrame.from_ndarray(np.zeros((1, 8000 * 6), np.float32), format="fltp", layout="mono")
        quiet.sample_rate = 8000
        made.mux(sound.encode(quiet))
        made.mux(sound.encode(None))
    (tmp_path / "plain.mp4").unlink()
    write_csv(tmp_path / "play.csv", PRESSED)
    [found], wrong = find_films(tmp_path)
    assert not wrong
    assert found.seconds == pytest.approx(SECONDS, abs=0.02)


def test_what_has_changed_is_read_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, out = tmp_path / "films", tmp_path / "data"
    folder.mkdir()
    for name in ("one", "two"):
        film(folder / f"{name}.mp4", seconds=4.0)
        write_csv(folder / f"{name}.csv", PRESSED)
    record(f"video:{folder}", out, size="48x32", ticks=50)
    before = {e.name: e for e in Dataset.open(out).episodes()}
    kept = {e.name: (out / "episodes" / e.name / "video.mp4").stat().st_mtime_ns for e in before.values()}
    capsys.readouterr()
    write_csv(folder / "two.csv", [(0.0, 0.0, 1), (1.0, -0.5, 1), (2.0, 1.0, 0)])
    record(f"video:{folder}", out, size="48x32", ticks=50)
    said = capsys.readouterr()
    assert "read again: two.mp4 or its actions have changed (2 episodes)" in said.err
    assert "4 episodes (0 new, " in said.out
    data = Dataset.open(out)
    assert {e.name: e.split for e in data.episodes()} == {name: e.split for name, e in before.items()}
    for episode in data.episodes():
        again = data.column(episode, "source")[0] == "two.mp4"
        same = (out / "episodes" / episode.name / "video.mp4").stat().st_mtime_ns == kept[episode.name]
        assert same is not again
    first = next(e for e in data.episodes() if data.column(e, "source")[0] == "two.mp4")
    assert data.actions(first)[:25, 1].all()
    film(folder / "two.mp4", seconds=2.0)  # shorter now: its second episode goes
    record(f"video:{folder}", out, size="48x32", ticks=50)
    said = capsys.readouterr()
    assert "read again: two.mp4 or its actions have changed (1 episodes)" in said.err
    assert "3 episodes (0 new, " in said.out
    (folder / "one.mp4").unlink()
    record(f"video:{folder}", out, size="48x32", ticks=50)
    assert "kept: 2 episodes of films that are gone, or left out now" in capsys.readouterr().err


@pytest.mark.parametrize("rate", ['"25"', "0", "-5", "true", "null", "NaN", "1e9"])
def test_a_tick_rate_that_is_none_is_refused(tmp_path: Path, rate: str) -> None:
    film(tmp_path / "play.mp4")
    write_csv(tmp_path / "play.csv", PRESSED)
    controls = tmp_path / "controls.json"
    controls.write_text(f'{{"tick_rate": {rate}}}')
    with pytest.raises(BadInputError, match=r"tick_rate in .*controls\.json must be a number from 1 to 240"):
        record(f"video:{tmp_path}", tmp_path / "data", size="48x32", controls=controls)
    assert not (tmp_path / "data").exists()


def test_two_videos_of_one_name_are_told(tmp_path: Path) -> None:
    film(tmp_path / "play.mkv")
    film(tmp_path / "play.mp4")
    write_csv(tmp_path / "play.csv", PRESSED)
    films, wrong = find_films(tmp_path)
    assert [f.video.name for f in films] == ["play.mkv"]
    assert wrong == ["play.mp4: cannot be told from play.mkv by its name; rename it"]
