"""A world's modules as executors take them."""

from __future__ import annotations

import copy
from typing import TypeVar

import torch
from torch import nn

ModuleT = TypeVar("ModuleT", bound=nn.Module)


def prepared(module: ModuleT, device: torch.device) -> ModuleT:
    """A copy of `module` on `device`, for evaluation; the world stays float32 where it is, for others to use."""
    own = copy.deepcopy(module).eval().requires_grad_(False)
    return own.to(device=device).to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]
