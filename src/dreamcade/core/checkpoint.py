"""Tensors and figures on disk: safetensors with a JSON header, written whole or not at all, never unpickled."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from dreamcade.core.errors import CheckpointError
from dreamcade.core.files import atomic_path


def save_tensors(path: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, Any] | None = None) -> None:
    """Writes named tensors and JSON `facts` to one safetensors file, atomically."""
    whole = {name: t.detach().cpu().contiguous() for name, t in tensors.items()}
    with atomic_path(path) as temporary:
        save_file(whole, temporary, metadata={"facts": json.dumps(facts or {})})


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Inverse of `save_tensors`: (tensors, facts). Raises `CheckpointError` where the file is missing or damaged."""
    if not path.is_file():
        raise CheckpointError(f"expected a checkpoint at {path}; there is none. Train it first, or check the path")
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
            facts = json.loads((file.metadata() or {}).get("facts", "{}"))
    except (SafetensorError, ValueError, OSError) as error:
        raise CheckpointError(f"{path} is damaged ({error}); delete it and train again, or restore a copy") from error
    return tensors, facts


def load_facts(path: Path) -> dict[str, Any]:
    """The facts of a file by `save_tensors`, without its tensors. Raises `CheckpointError` as `load_tensors` does."""
    try:
        with safe_open(path, framework="pt") as file:
            facts: dict[str, Any] = json.loads((file.metadata() or {}).get("facts", "{}"))
    except (SafetensorError, ValueError, OSError) as error:
        raise CheckpointError(f"{path} is damaged ({error}); delete it and train again, or restore a copy") from error
    return facts


def load_weights(model: nn.Module, tensors: Mapping[str, Tensor], what: str) -> None:
    """Fills `model` from named tensors. Raises `CheckpointError` that names what is missing, unknown or misshapen."""
    expected = model.state_dict()
    missing, unknown = sorted(expected.keys() - tensors.keys()), sorted(tensors.keys() - expected.keys())
    if missing or unknown:
        raise CheckpointError(f"{what} does not fit its config: missing {missing[:3]}, unknown {unknown[:3]}")
    for name, tensor in tensors.items():
        if tensor.shape != expected[name].shape:
            got, wanted = list(tensor.shape), list(expected[name].shape)
            raise CheckpointError(f"{what}: {name} must have shape {wanted}; got {got}")
    model.load_state_dict({name: t.to(torch.float32) if t.is_floating_point() else t for name, t in tensors.items()})
