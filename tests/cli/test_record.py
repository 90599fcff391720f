"""`dreamcade record`: bad input, and what is left when it is killed."""

from __future__ import annotations

import contextlib
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
PATIENCE = 60.0
"""Seconds that a busy machine may take for anything."""
RECORD = f"""
import sys
from pathlib import Path
from dreamcade.cli.record import record
if __name__ == "__main__":
    record(sys.argv[2], Path(sys.argv[1]), {EPISODES}, "48x32", 0, {TICKS}, 2, Path(sys.argv[1] + ".json"))
"""


def files(folder: Path) -> dict[str, bytes]:
    return {str(f.relative_to(folder)): f.read_bytes() for f in sorted(folder.rglob("*")) if f.is_file()}


class Recorder:
    """`record` as a program, in a process group of its own, so that its workers can be watched. It is gone, with all
    that it started, when its test ends."""

    def __init__(self, folder: Path, game: str = "gym:CarRacing-v3") -> None:
        self.folder, self._errors = folder, folder.with_suffix(".stderr")
        with self._errors.open("wb") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-c", RECORD, str(folder), game],
                stdout=subprocess.DEVNULL, stderr=errors, start_new_session=True,
            )  # fmt: skip

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, *error: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(PATIENCE)

    @property
    def errors(self) -> str:
        return self._errors.read_text()

    @property
    def episodes(self) -> int:
        return len(list(self.folder.glob("episodes/episode-*")))

    def wait_for_episode(self) -> None:
        """Until there is one; fails at once where the recorder has ended before, and says what it said."""
        deadline = time.monotonic() + PATIENCE
        while not self.episodes:
            ended = self.process.poll()
            assert ended is None, f"the recorder ended with {ended} before its first episode: {self.errors}"
            assert time.monotonic() < deadline, f"no episode for {PATIENCE:.0f} seconds: {self.errors}"
            time.sleep(0.01)

    def kill(self) -> None:
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait(PATIENCE)

    def is_gone(self) -> bool:
        """It, and all that it started; they have half a minute to notice its death."""
        deadline = time.monotonic() + PATIENCE / 2
        while time.monotonic() < deadline:
            try:
                os.killpg(self.process.pid, 0)
            except ProcessLookupError:
                return True
            time.sleep(0.05)
        return False


def record_whole(folder: Path) -> None:
    with Recorder(folder) as recorder:
        assert recorder.process.wait(3 * PATIENCE) == 0, recorder.errors


def test_killed_half_way_and_resumed_equals_never_stopped(tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    record_whole(whole)
    with Recorder(broken) as recorder:
        recorder.wait_for_episode()
        recorder.kill()
        assert recorder.is_gone(), "workers live on without their recorder"
        assert not Dataset.open(broken).damaged
        assert recorder.episodes < EPISODES
    record_whole(broken)
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
    with Recorder(tmp_path / "data", "vizdoom:freedoom2/map01") as recorder:
        recorder.wait_for_episode()
        recorder.kill()
        assert recorder.is_gone(), "workers live on without their recorder"


def test_ctrl_c_leaves_whole_episodes_only(tmp_path: Path) -> None:
    with Recorder(tmp_path / "data") as recorder:
        recorder.wait_for_episode()
        recorder.process.send_signal(signal.SIGINT)
        assert recorder.process.wait(PATIENCE) != 0
        assert recorder.is_gone(), "workers live on without their recorder"
    assert not list((tmp_path / "data" / "episodes").glob(".*"))
    assert not Dataset.open(tmp_path / "data").damaged


def test_a_recorder_that_ends_too_early_is_not_waited_for(tmp_path: Path) -> None:
    began = time.monotonic()
    early = pytest.raises(AssertionError, match="ended with 1 before its first episode")
    with Recorder(tmp_path / "data", "gym:CarRacing-v2") as recorder, early as failed:
        recorder.wait_for_episode()
    assert "gym:CarRacing-v3" in str(failed.value), "what it said"
    assert time.monotonic() - began < PATIENCE


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
