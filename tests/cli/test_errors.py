"""How commands end: exit codes, and at most one line on stderr."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from dreamcade.cli.errors import BAD_INPUT, INTERRUPTED, exit_code_of
from dreamcade.core.errors import BadInputError, UnknownNameError


def fail(error: BaseException) -> None:
    raise error


def run(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "dreamcade", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, **options)  # type: ignore[call-overload, no-any-return]


def test_success_is_zero_and_silent(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code_of(lambda: None) == 0
    assert capsys.readouterr() == ("", "")


def test_bad_input_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    error = BadInputError("a frame must be uint8;\n  got float32")
    assert exit_code_of(lambda: fail(error)) == BAD_INPUT
    assert capsys.readouterr().err == "dreamcade: a frame must be uint8; got float32\n"


def test_unknown_name_suggests(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code_of(lambda: fail(UnknownNameError("world", "racign", ["racing"]))) == BAD_INPUT
    assert "did you mean 'racing'?" in capsys.readouterr().err


@pytest.mark.parametrize("end", [KeyboardInterrupt(), SystemExit(130)])
def test_interrupt_is_130(end: BaseException, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code_of(lambda: fail(end)) == INTERRUPTED
    assert capsys.readouterr().err == "stopped\n"


@pytest.mark.parametrize(("given", "expected"), [(None, 0), (0, 0), (3, 3), ("text", 1)])
def test_exit_codes_pass_through(given: object, expected: int) -> None:
    assert exit_code_of(lambda: fail(SystemExit(given))) == expected  # type: ignore[arg-type]


def test_what_nobody_expects_keeps_its_traceback() -> None:
    with pytest.raises(ZeroDivisionError):
        exit_code_of(lambda: 1 / 0)


def test_missing_dataset_on_the_command_line(tmp_path: Path) -> None:
    done = run("dataset", "info", str(tmp_path / "nowhere"))
    assert done.returncode == BAD_INPUT
    assert done.stdout == ""
    assert done.stderr.startswith("dreamcade: ")
    assert done.stderr.count("\n") == 1
    assert "nowhere" in done.stderr


def test_a_reader_that_leaves_is_no_crash() -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", "dreamcade", "--help"], stdout=write, stderr=subprocess.PIPE, timeout=60, check=False
    )
    os.close(write)
    assert done.returncode == 1
    assert done.stderr == b""


def test_ctrl_c_on_the_command_line() -> None:
    script = (
        "import time, typer, sys\n"
        "from dreamcade.cli.errors import exit_code_of\n"
        "app = typer.Typer(pretty_exceptions_enable=False)\n"
        "@app.command()\n"
        "def sleep():\n"
        "    print('ready', flush=True)\n"
        "    time.sleep(30)\n"
        "sys.exit(exit_code_of(app))\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == INTERRUPTED
    assert errors == b"stopped\n"


def test_ctrl_c_while_the_last_line_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("sys.stdout.flush", interrupted)
    assert exit_code_of(lambda: None) == 130
