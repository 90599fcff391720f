from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from dreamcade.core.errors import UnknownNameError, WorldError
from dreamcade.world import World, shipped
from dreamcade.world.manifest import read_manifest
from dreamcade.world.shipped import locate, shipped_worlds


def test_a_shipped_name_comes_first(tiny_world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shipped, "SHIPPED_FOLDER", tmp_path)
    tiny_world.save(tmp_path / "toy")
    assert shipped_worlds() == ["toy"]
    assert locate("toy") == tmp_path / "toy"
    assert World.load("toy").manifest.name == "toy"
    with pytest.raises(UnknownNameError, match="unknown world 'tyo'; did you mean 'toy'"):
        World.load("tyo")


@pytest.mark.parametrize("name", shipped_worlds())
def test_no_shipped_world_takes_a_key_that_the_browser_needs(name: str) -> None:
    controls = read_manifest(locate(name)).controls
    keys = [key for axis in controls.axes for key in (*axis.negative_keys, *axis.positive_keys)]
    keys += [key for button in controls.buttons for key in button.keys]
    # Ctrl to fire and W to walk would close the page.
    assert not [key for key in keys if key.startswith(("Control", "Alt", "Meta"))]


def test_a_folder(tmp_path: Path) -> None:
    assert locate(tmp_path) == tmp_path
    assert locate(str(tmp_path)) == tmp_path


def test_a_missing_folder_is_not_looked_up_on_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "runs").mkdir()
    monkeypatch.chdir(tmp_path)
    for name in (str(tmp_path / "runs" / "racing"), "runs/racing", "./racing/x", "../racing", "a/b/c"):
        with pytest.raises(WorldError, match="does not exist"):
            locate(name)


def test_a_file_is_not_a_world(tmp_path: Path) -> None:
    path = tmp_path / "codec.safetensors"
    path.touch()
    with pytest.raises(WorldError, match="is a file; a world is a folder"):
        locate(path)


def test_importing_and_listing_needs_no_torch() -> None:
    code = (
        "import sys, dreamcade, dreamcade.world, dreamcade.cli.world\n"
        "dreamcade.world.shipped_worlds()\n"
        "assert 'torch' not in sys.modules and 'huggingface_hub' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
