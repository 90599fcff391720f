"""Which kernels run: fused ones where the device has them, or the plain references everywhere."""

from __future__ import annotations

import contextvars
import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import torch
from torch import Tensor

from dreamcade.core.errors import BadInputError
from dreamcade.kernels.names import Kernels

_chosen: contextvars.ContextVar[Kernels] = contextvars.ContextVar("kernels", default=Kernels.AUTO)


@contextmanager
def using(kernels: Kernels | str) -> Iterator[None]:
    """Within it, operations called by this thread run on these kernels.

    Raises `BadInputError` for an unknown name, or where Triton is asked for and not installed.
    """
    wanted = Kernels.named(kernels)
    if wanted is Kernels.TRITON and not has_triton():
        raise BadInputError("Triton is not installed; install dreamcade[gpu], or use --kernels reference")
    token = _chosen.set(wanted)
    try:
        yield
    finally:
        _chosen.reset(token)


def fuses(tensor: Tensor) -> bool:
    """Whether an operation on this tensor runs as a Triton kernel. What `torch.compile` traces does not: the compiler
    sees the references, and fuses them itself."""
    if torch.compiler.is_dynamo_compiling():
        return False
    chosen = _chosen.get()
    if chosen is Kernels.AUTO:
        return tensor.is_cuda and not tensor.requires_grad and has_triton()
    return chosen is Kernels.TRITON


@cache
def has_triton() -> bool:
    """Whether Triton is installed; it is imported only where it runs."""
    return importlib.util.find_spec("triton") is not None
