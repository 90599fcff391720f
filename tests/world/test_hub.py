from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dreamcade.core.errors import WorldError
from dreamcade.world import World
from dreamcade.world.hub import HubId, pull


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("hf://ann/racing", HubId("ann/racing")),
        ("ann/racing", HubId("ann/racing")),
        ("hf://ann/racing@v1.2", HubId("ann/racing", "v1.2")),
        ("racing", None),
        ("./ann/racing", None),
        ("/ann/racing", None),
        ("../racing", None),
        ("ann/racing/", None),
        ("a/b/c", None),
        ("hf://", None),
        ("", None),
    ],
)
def test_what_is_a_hub_id(text: str, expected: HubId | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert HubId.parse(text) == expected


def test_a_path_below_a_folder_of_ours_is_not_an_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "runs").mkdir()
    monkeypatch.chdir(tmp_path)
    assert HubId.parse("runs/racing") is None
    assert HubId.parse("hf://runs/racing") == HubId("runs/racing")


def test_what_was_pulled_is_loaded(tiny_world: World, tmp_path: Path) -> None:
    tiny_world.save(tmp_path / "toy")
    assert World.load(pull(HubId("ann/toy"), lambda _: tmp_path / "toy")).manifest.name == "toy"


def test_a_repository_that_is_no_world(tmp_path: Path) -> None:
    with pytest.raises(WorldError, match="ann/model on the Hugging Face hub is not a Dreamcade world"):
        pull(HubId("ann/model"), lambda _: tmp_path)


def test_a_hub_that_does_not_answer() -> None:
    def fail(_: HubId) -> Path:
        raise OSError("no route to host\nmany more lines")

    with pytest.raises(WorldError, match=r"cannot get ann/toy .*\(no route to host\); check the name"):
        pull(HubId("ann/toy"), fail)


def test_offline_is_an_error_in_one_line(tmp_path: Path) -> None:
    code = (
        "from dreamcade.core.errors import WorldError\nfrom dreamcade.world import locate\n"
        "try:\n    locate('hf://nobody/nothing')\n"
        "except WorldError as error:\n    assert 'nobody/nothing' in str(error) and '\\n' not in str(error)\n"
        "else:\n    raise SystemExit('found')"
    )
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)
