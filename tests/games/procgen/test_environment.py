from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from dreamcade.core.errors import BadInputError, GameNotInstalledError
from dreamcade.games.procgen import environment


def test_without_it_the_command_that_sets_it_up_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(environment, "environment_folder", lambda: tmp_path / "procgen")
    assert not environment.is_installed()
    with pytest.raises(GameNotInstalledError, match="dreamcade games install procgen"):
        environment.environment_python()


def test_an_installation_that_fails_leaves_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(environment, "environment_folder", lambda: tmp_path / "procgen")

    def run(command: list[str], **options: object) -> object:
        if command[0] == sys.executable:
            (tmp_path / "procgen").mkdir()
            return None
        raise subprocess.CalledProcessError(1, command, stderr="no matching distribution\n")

    monkeypatch.setattr(environment.subprocess, "run", run)
    with pytest.raises(BadInputError, match="no matching distribution"):
        environment.install()
    assert not (tmp_path / "procgen").exists()
