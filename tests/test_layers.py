"""The floors: every room is on the list, and imports only point down."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = sorted(p.parent.name for p in (ROOT / "src" / "dreamcade").glob("*/__init__.py"))


def floors() -> list[set[str]]:
    """The rooms of each floor, top to bottom."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    (contract,) = settings["tool"]["importlinter"]["contracts"]
    return [{room.strip(" ()") for room in layer.split("|")} for layer in contract["layers"]]


def test_every_room_has_a_floor() -> None:
    assert set(ROOMS) <= set.union(*floors())


def test_imports_only_point_down() -> None:
    linter = Path(sys.executable).parent / "lint-imports"
    if not linter.exists():
        pytest.skip("needs import-linter: make test installs it")
    done = subprocess.run(
        [linter, "--no-logo", "--no-cache"], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_importing_dreamcade_loads_no_pytorch() -> None:
    script = "import sys, dreamcade, dreamcade.cli; print('torch' in sys.modules, 'numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "False False\n"
