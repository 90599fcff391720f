"""Tensors as parts of a message: what they are stands in its fields, their bytes behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from dreamcade.cluster.wire import Message, PeerLostError

FIELD = "tensors"
_TYPES = {
    str(dtype).removeprefix("torch."): dtype
    for dtype in (torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.uint8)
}


def describe(tensors: Sequence[Tensor]) -> dict[str, Any]:
    """The fields that tell of `tensors`, for `read_tensors`."""
    return {FIELD: [{"type": str(t.dtype).removeprefix("torch."), "shape": list(t.shape)} for t in tensors]}


def raw(tensors: Sequence[Tensor]) -> list[memoryview]:
    """Their bytes, in order; those of a tensor on the CPU that is contiguous are not copied."""
    return [_bytes(tensor.detach().cpu().contiguous()).numpy().data for tensor in tensors]


def read_tensors(message: Message) -> list[Tensor]:
    """The tensors of a message, on the CPU; their memory is the message's. Raises `PeerLostError` for none."""
    told = message.fields.get(FIELD)
    if not isinstance(told, list) or len(told) != len(message.parts):
        raise PeerLostError(f"a message {message.kind!r} without its tensors came")
    return [_tensor(one, part) for one, part in zip(told, message.parts, strict=True)]


def _bytes(tensor: Tensor) -> Tensor:
    return tensor.reshape(-1).view(torch.uint8)


def _tensor(told: Mapping[str, Any], part: bytearray) -> Tensor:
    try:
        dtype, shape = _TYPES[told["type"]], [int(size) for size in told["shape"]]
        if not part:
            return torch.empty(shape, dtype=dtype)
        return torch.frombuffer(part, dtype=dtype).reshape(shape)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise PeerLostError(f"a tensor that came is none: {error}") from error
