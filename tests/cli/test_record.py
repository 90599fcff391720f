"""`dreamcade record`: bad input, and what is left when it is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dreamcade.cli.record import parse_size, record
from dreamcade.core.errors import BadInputError, DatasetError, UnknownNameError
from dreamcade.dataset.reader import Dataset

EPISODES, TICKS = 12, 10
RECORD = f"""
import sys
from pathlib import Path
from dreamcade.cli.record import record
if __name__ == "__main__":
    record(sys.argv[2], Path(sys.argv[1]), {EPISODES}, "48x32", 0, {TICKS}, 2, Path(sys.argv[1] + ".json"))
"""


def files(folder: Path) -> dict[str, bytes]:
    return {str(f.relative_to(folder)): f.read_bytes() for f in sorted(folder.rglob("*")) if f.is_file()}


def start(folder: Path, game: str = "gym:CarRacing-v3") -> subprocess.Popen[bytes]:
    """In a process group of its own, so that its workers can be watched."""
    command = [sys.executable, "-c", RECORD, str(folder), game]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)


def wait_for_workers(process: subprocess.Popen[bytes]) -> None:
    """Until everything that `process` started has noticed its death and gone; fails after half a minute."""
    deadline = time.monotonic() + 30
    while True:
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            return
        assert time.monotonic() < deadline, "workers live on without their recorder"
        time.sleep(0.05)


def wait_for_episode(folder: Path) -> None:
    deadline = time.monotonic() + 60
    while not list(folder.glob("episodes/episode-*")):
        assert time.monotonic() < deadline, "no episode after a minute"
        time.sleep(0.01)


def test_killed_half_way_and_resumed_equals_never_stopped(tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert start(whole).wait(90) == 0
    process = start(broken)
    wait_for_episode(broken)
    os.kill(process.pid, signal.SIGKILL)
    process.wait(10)
    wait_for_workers(process)
    assert not Dataset.open(broken).damaged
    assert len(list(broken.glob("episodes/episode-*"))) < EPISODES
    assert start(broken).wait(90) == 0
    assert files(broken) == files(whole)
    dataset = Dataset.open(whole)
    assert len(dataset.episodes()) == EPISODES
    assert dataset.episodes("heldout")
    assert all(e.length == TICKS for e in dataset.episodes())
    figures = json.loads((tmp_path / "whole.json").read_text())
    assert figures["frames"] == EPISODES * TICKS
    assert figures["heldout_episodes"] >= 1


@pytest.mark.slow
def test_a_game_with_a_process_of_its_own_goes_with_its_recorder(tmp_path: Path) -> None:
    pytest.importorskip("vizdoom", reason="needs the extra 'games'")
    process = start(tmp_path / "data", "vizdoom:freedoom2/map01")
    wait_for_episode(tmp_path / "data")
    os.kill(process.pid, signal.SIGKILL)
    process.wait(10)
    wait_for_workers(process)


def test_ctrl_c_leaves_whole_episodes_only(tmp_path: Path) -> None:
    process = start(tmp_path / "data")
    wait_for_episode(tmp_path / "data")
    process.send_signal(signal.SIGINT)
    assert process.wait(30) != 0
    assert not list((tmp_path / "data" / "episodes").glob(".*"))
    assert not Dataset.open(tmp_path / "data").damaged


@pytest.mark.parametrize("text", ["", "720", "720x", "x480", "nanxnan", "720x480x3", "-720x480", "7.2x4"])
def test_sizes_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(BadInputError, match="WIDTHxHEIGHT"):
        parse_size(text)
    assert parse_size("720x480") == (720, 480)


@pytest.mark.parametrize("text", ["721x480", "720x100", "0x0"])
def test_sizes_that_no_codec_fits_are_refused(text: str) -> None:
    with pytest.raises(BadInputError, match="multiples of 8"):
        parse_size(text)


@pytest.mark.parametrize(
    "options",
    [{"episodes": 0}, {"ticks": -1}, {"workers": 0}, {"seed": -1}, {"size": "0x0"}, {"game": "gym:CarRacing"}],
)
def test_bad_options_leave_no_folder(tmp_path: Path, options: dict[str, object]) -> None:
    with pytest.raises(BadInputError):
        record(**{"game": "gym:CarRacing-v3", "out": tmp_path / "data", **options})  # type: ignore[arg-type]
    assert not (tmp_path / "data").exists()


def test_the_nearest_game_is_suggested(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="gym:CarRacing-v3"):
        record("gym:CarRacing-v2", tmp_path / "data")


def test_a_folder_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises((BadInputError, DatasetError), match=r"cannot write .*; choose another"):
        record("gym:CarRacing-v3", tmp_path / "file" / "data", episodes=1, ticks=1, size="48x32")
