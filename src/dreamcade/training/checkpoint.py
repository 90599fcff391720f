"""Everything a training needs to go on: weights, their averages, the optimizer's state, and the facts so far."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from dreamcade.core.checkpoint import load_tensors, load_weights, save_tensors
from dreamcade.core.errors import CheckpointError
from dreamcade.training.schedule import AveragedWeights, optimizer_tensors, restore_optimizer


def save_training(
    path: Path, model: nn.Module, averages: AveragedWeights, optimizer: torch.optim.Optimizer, facts: dict[str, Any]
) -> None:
    """Writes one file, atomically."""
    parts = {"model": model.state_dict(), "average": averages.weights, "optimizer": optimizer_tensors(optimizer)}
    save_tensors(path, {f"{part}/{k}": v for part, tensors in parts.items() for k, v in tensors.items()}, facts)


def load_training(
    path: Path, model: nn.Module, averages: AveragedWeights, optimizer: torch.optim.Optimizer, device: torch.device
) -> dict[str, Any]:
    """Inverse of `save_training`; returns the facts. Raises `CheckpointError` where the file does not fit."""
    tensors, facts = load_tensors(path)

    def part(name: str) -> dict[str, torch.Tensor]:
        return {k.removeprefix(name + "/"): v for k, v in tensors.items() if k.startswith(name + "/")}

    try:
        load_weights(model, part("model"), str(path))
    except CheckpointError as error:
        raise CheckpointError(
            f"{error}; another preset or version made it: use that one, or leave --resume out"
        ) from error
    averages.weights = {k: v.to(device) for k, v in part("average").items()}
    restore_optimizer(optimizer, part("optimizer"))
    return facts
