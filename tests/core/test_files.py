"""Files and folders are whole or absent, whatever goes wrong; and a disk that is really full is named."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from dreamcade.core.checkpoint import load_tensors, save_tensors
from dreamcade.core.errors import BadInputError
from dreamcade.core.files import atomic_folder, atomic_path, expect_writable, write_json


def left_over(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir() if p.name.startswith("."))


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(path, [1])
    with pytest.raises(ValueError, match="Out of range"):
        write_json(path, [float("nan")])
    assert path.read_text() == "[\n  1\n]\n" and not left_over(tmp_path)


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("x")
    for path in (file / "a.json", tmp_path):
        with pytest.raises(BadInputError, match=r"cannot write .*choose another place"):
            write_json(path, [])
    with pytest.raises(BadInputError, match=r"cannot write .*choose another place"), atomic_folder(file / "folder"):
        pass
    assert file.read_text() == "x"


@pytest.fixture
def old_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "world"
    folder.mkdir()
    (folder / "old").touch()
    return folder


@pytest.mark.parametrize("failing", [1, 2])
def test_a_failed_exchange_brings_the_old_folder_back(
    old_folder: Path, failing: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls, real = 0, os.replace

    def replace(source: Path, target: Path) -> None:
        nonlocal calls
        calls += 1
        if calls == failing:
            raise KeyboardInterrupt
        real(source, target)

    monkeypatch.setattr(os, "replace", replace)
    with pytest.raises(KeyboardInterrupt), atomic_folder(old_folder) as new:
        (new / "new").touch()
    assert [p.name for p in old_folder.iterdir()] == ["old"] and not left_over(old_folder.parent)


@pytest.mark.parametrize("whole", [True, False])
def test_what_a_kill_left_does_not_stay_in_the_way(old_folder: Path, whole: bool) -> None:
    """Killed between the two renames, or while the old folder was being deleted."""
    left = old_folder.with_name(".world.old")
    if whole:
        os.replace(old_folder, left)
    else:
        left.mkdir()
        (left / "rest").touch()
    with atomic_folder(old_folder) as new:
        (new / "new").touch()
    assert [p.name for p in old_folder.iterdir()] == ["new"] and not left_over(old_folder.parent)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB; only root can make one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "none", str(disk)]
    if sys.platform != "linux" or os.geteuid() != 0 or subprocess.run(mount, check=False).returncode:
        pytest.skip("mounting a small file system needs root on Linux")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_is_named_and_nothing_is_lost(small_disk: Path) -> None:
    weights = small_disk / "weights.safetensors"
    save_tensors(weights, {"a": torch.ones(1000)})
    with pytest.raises(BadInputError, match=r"disk is full while writing .*weights\.safetensors"):
        save_tensors(weights, {"a": torch.ones(100_000)})
    assert load_tensors(weights)[0]["a"].shape == (1000,)
    array = small_disk / "array.npy"
    with (
        pytest.raises(BadInputError, match=r"disk is full while writing .*array\.npy"),
        atomic_path(array) as temporary,
        temporary.open("wb") as file,
    ):
        np.save(file, np.ones(100_000))
    assert not array.exists() and not left_over(small_disk)


def test_a_place_is_tried_without_a_trace(tmp_path: Path) -> None:
    expect_writable(tmp_path / "new" / "figures.json")
    assert list((tmp_path / "new").iterdir()) == []
    (tmp_path / "file").touch()
    for path in (tmp_path, tmp_path / "file" / "figures.json"):
        with pytest.raises(BadInputError, match="cannot write"):
            expect_writable(path)
