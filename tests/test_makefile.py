"""What a newcomer types first: the Makefile and the set-up behind it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A folder with the files that set-up reads, and no virtual environment."""
    for name in ("Makefile", "pyproject.toml", "scripts/setup.sh"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    if shutil.which("make") is None:
        pytest.skip("needs make")
    clean = {k: v for k, v in os.environ.items() if not k.startswith("MAKE")}
    return subprocess.run(
        ["make", *arguments], cwd=folder, env=clean, capture_output=True, text=True, timeout=60, check=False
    )


def test_help_names_the_targets(house: Path) -> None:
    done = make(house)
    assert done.returncode == 0
    for target in ("make play", "make test", "make check"):
        assert target in done.stdout


@pytest.mark.parametrize("script", ["#!/bin/sh\nexit 1\n", None], ids=["too old", "missing"])
def test_an_unsuitable_python_is_one_clear_line(house: Path, script: str | None) -> None:
    python = house / "python3.9"
    if script:
        python.write_text(script)
        python.chmod(0o755)
    done = make(house, "play", f"PYTHON={python}")
    line, *rest = done.stderr.splitlines()
    assert done.returncode != 0
    assert line.startswith(f"dreamcade: PYTHON={python} is not Python 3.11 or newer")
    assert all(other.startswith("make") for other in rest)
    assert not (house / ".venv").exists()


def test_a_house_that_is_set_up_goes_straight_to_playing(house: Path) -> None:
    program = house / ".venv" / "bin" / "dreamcade"
    program.parent.mkdir(parents=True)
    program.write_text('#!/bin/sh\necho "played $*"\nexit 130\n')
    program.chmod(0o755)
    (house / ".venv" / ".ready-play").touch()
    done = make(house, "play", "PORT=9000", "ARGS=--no-browser")
    assert done.returncode == 0, "Ctrl-C is how playing ends"
    assert done.stdout == "played play --port 9000 --no-browser\n", "all worlds"
    one = make(house, "play", "WORLD=racing", "PORT=9000")
    assert one.stdout == "played play racing --port 9000\n"
