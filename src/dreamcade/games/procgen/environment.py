"""The environment of its own that Procgen needs: its packages do not go together with today's numpy."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from dreamcade.core.errors import BadInputError, GameNotInstalledError

PACKAGE = "procgen-mirror==0.10.7"
INSTALL_COMMAND = "dreamcade games install procgen"


def environment_folder() -> Path:
    """Where the environment lives: with the Python that runs Dreamcade, so that it goes when that one goes."""
    if sys.prefix != sys.base_prefix:
        return Path(sys.prefix) / "share" / "dreamcade" / "procgen"
    data = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(data) / "dreamcade" / "procgen"


def environment_python() -> Path:
    """The environment's interpreter. Raises `GameNotInstalledError` where it is not there."""
    python = environment_folder() / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not (environment_folder() / "ready").exists() or not python.exists():
        raise GameNotInstalledError("Procgen's games run in an environment of their own", INSTALL_COMMAND)
    return python


def is_installed() -> bool:
    try:
        environment_python()
    except GameNotInstalledError:
        return False
    return True


def _interpreter() -> str:
    """This Python where Procgen has wheels for it, else the newest older one that is there."""
    older = (shutil.which(name) for name in ("python3.11", "python3.10", "python3.9"))
    return sys.executable if tuple(sys.version_info) < (3, 12) else next(filter(None, older), sys.executable)


def install() -> Path:
    """Makes the environment, from a package index, unless it is there. Raises `BadInputError` where that fails; then
    nothing of it stays."""
    folder = environment_folder()
    if is_installed():
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    steps = (
        [_interpreter(), "-m", "venv", str(folder)],
        [str(python), "-m", "pip", "install", "--disable-pip-version-check", "--quiet", PACKAGE],
        [str(python), "-c", "import procgen"],
    )
    try:
        for step in steps:
            subprocess.run(step, check=True, capture_output=True, text=True)
        (folder / "ready").write_text(PACKAGE + "\n")
    except (OSError, subprocess.CalledProcessError) as error:
        shutil.rmtree(folder, ignore_errors=True)
        told = (getattr(error, "stderr", "") or str(error)).strip().splitlines()
        raise BadInputError(
            f"{PACKAGE} could not be installed ({told[-1] if told else error}); it has wheels for Python up to 3.11 on "
            f"x86-64 and needs a network; this is Python {sys.version_info.major}.{sys.version_info.minor}"
        ) from error
    return folder
