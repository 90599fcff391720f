"""Weights in and out of a bundle's files. Only safetensors: nothing is ever unpickled."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from dreamcade.core.errors import WorldError


def file_hash(path: Path) -> str:
    """SHA-256 of a file, in hex. Raises `WorldError` when it is missing or unreadable."""
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except FileNotFoundError as error:
        raise WorldError(f"{path} is missing; get the world again") from error
    except OSError as error:
        raise WorldError(f"cannot read {path}: {error.strerror or error}") from error


def check_files(folder: Path, files: Mapping[str, str]) -> None:
    """Compares every file with its hash. Raises `WorldError` that names the first missing or changed one."""
    for name, expected in files.items():
        if Path(name).name != name:
            raise WorldError(f"{folder / 'world.json'} names a file outside the world: {name!r}")
        if file_hash(folder / name) != expected:
            raise WorldError(
                f"{folder / name} is damaged or was changed (its SHA-256 is not the one in world.json); "
                "get the world again"
            )


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """All tensors and the metadata of a safetensors file. Raises `WorldError` when it is missing or damaged."""
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118
    except FileNotFoundError as error:
        raise WorldError(f"{path} is missing; get the world again") from error
    except (SafetensorError, OSError, ValueError) as error:
        raise WorldError(f"{path} is damaged ({error}); get the world again") from error


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, object] | None = None) -> None:
    """Writes tensors (copied, so that none share memory) and metadata values as JSON."""
    copies = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    save_file(copies, path, {key: json.dumps(value) for key, value in (metadata or {}).items()})


def load_weights(module: nn.Module, path: Path) -> None:
    """Fills `module` from a file; half-precision storage becomes the module's own dtype.

    Raises `WorldError` when the file is damaged, or its names, shapes or values do not fit the config.
    """
    tensors, _ = read_tensors(path)
    expected = module.state_dict()
    missing, unknown = sorted(set(expected) - set(tensors)), sorted(set(tensors) - set(expected))
    if missing or unknown:
        what = f"lacks {missing[0]!r}" if missing else f"holds an unknown {unknown[0]!r}"
        raise WorldError(f"{path} does not fit the config in world.json: it {what}; get the world again")
    for name, tensor in tensors.items():
        if tensor.shape != expected[name].shape:
            raise WorldError(
                f"{path} does not fit the config in world.json: {name!r} must be {list(expected[name].shape)}, "
                f"got {list(tensor.shape)}; get the world again"
            )
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise WorldError(f"{path} holds values that are not finite in {name!r}; get the world again")
    module.load_state_dict({name: tensor.to(expected[name].dtype) for name, tensor in tensors.items()})


def half_precision(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """float32 → float16 where the range allows it; everything else as it is."""
    return {name: _halve(tensor) for name, tensor in tensors.items()}


def _halve(tensor: Tensor) -> Tensor:
    if tensor.dtype != torch.float32 or tensor.numel() == 0:
        return tensor
    largest = tensor.abs().max().item()
    return tensor.half() if largest < 6e4 else tensor
