"""Everything a training needs to go on: weights, their averages, the optimizer's state, and the facts so far."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from dreamcade.core.checkpoint import load_facts, load_tensors, load_weights, save_tensors
from dreamcade.core.errors import CheckpointError
from dreamcade.training.schedule import AveragedWeights, optimizer_tensors, restore_optimizer


def goes_on(checkpoint: Path, resume: bool | None) -> bool:
    """Whether a training goes on from `checkpoint`. Raises `CheckpointError` where it is there and nobody said."""
    if resume is None and checkpoint.exists():
        step = load_facts(checkpoint).get("step", "an unknown step")
        raise CheckpointError(f"{checkpoint} is there, at step {step}: go on with --resume, or replace it with --fresh")
    return bool(resume) and checkpoint.exists()


@contextmanager
def saved_when_interrupted(save: Callable[[], None]) -> Iterator[None]:
    """Calls `save` when Ctrl-C ends what stands inside."""
    try:
        yield
    except KeyboardInterrupt:
        save()
        raise


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
        restore_optimizer(optimizer, part("optimizer"), str(path))
    except CheckpointError as error:
        raise CheckpointError(
            f"{error}; another preset or version made it: use that one, or begin anew with --fresh"
        ) from error
    averages.weights = {k: v.to(device) for k, v in part("average").items()}
    return facts
