"""Sees every operation of a piece of work as it runs: which module asked for it, what it did, how long it took."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from dreamcade.evaluation.ceilings import clock, finish
from dreamcade.evaluation.roofline_counts import Work, base_name, count, extent, operands, storage, tensors_in

_WHOLE = {
    "linear", "matmul", "conv1d", "conv2d", "conv3d", "conv_transpose2d", "scaled_dot_product_attention", "layer_norm",
    "group_norm", "rms_norm", "softmax", "reshape", "flatten", "contiguous", "to", "upsample_nearest1d",
    "upsample_nearest2d", "upsample_bilinear2d", "upsample_bicubic2d",
}  # fmt: skip
"""Of the operations that are made of others, those that are one to the device, or can be a mere view (for enlargements
PyTorch keeps a second recipe in Python, which is not what runs)."""
_AHEAD = 1 << 25
"""Cycles that a GPU is kept busy for while it is given the first operations, so that it never waits for the next."""


@dataclass(frozen=True, slots=True)
class Call:
    """One operation: the module that asked (`decoder.fine.0.mix`), its name, its number format and its work."""

    path: str
    name: str
    dtype: torch.dtype
    work: Work


@dataclass(frozen=True, slots=True)
class Trace:
    """The operations of one run in order. `footprint`: bytes of all memory touched. `least_bytes`: what had to move
    even if no intermediate result ever left the chip: what came from outside, once, and what was left at the end."""

    calls: Sequence[Call]
    footprint: int
    least_bytes: int


class _Seen(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Hands every operation that is not made of others to `run`, a function of (operation, args, kwargs)."""

    def __init__(self, run: Callable[[Any, Sequence[Any], Mapping[str, Any]], Any]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._run = run

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if function._can_decompose() and base_name(function) not in _WHOLE:
            with self:
                made = function.decompose(*args, **kwargs)
            if made is not NotImplemented:
                return made
        return self._run(function, args, kwargs)


def trace(work: Callable[[], object], modules: Mapping[str, nn.Module]) -> Trace:
    """Runs `work` once and counts. Operations are named by the innermost of the `modules`, and theirs, that runs."""
    calls: list[Call] = []
    memory = _Memory()
    with _paths(modules) as path:

        def run(function: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
            # An operation in place must be looked at before it changes what it is given; shapes are all that is read.
            out = function(*args, **kwargs)
            done = count(function, args, kwargs, out)
            calls.append(Call(path[-1], function._schema.name.rpartition("::")[2], _dtype(args, out), done))
            if done.bytes:
                memory.touch(*operands(function, args, kwargs), out)
            return out

        with torch.inference_mode(), _Seen(run):
            work()
    return Trace(calls, memory.footprint, memory.least)


def time_calls(work: Callable[[], object], device: torch.device) -> list[float]:
    """Runs `work` once → seconds of each operation, in order; on a GPU, of the device's own time."""
    marks: list[tuple[Any, Any]] = []
    mark: Callable[[], Any] = _cuda_mark if device.type == "cuda" else clock(device)

    def run(function: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        began = mark()
        out = function(*args, **kwargs)
        marks.append((began, mark()))
        return out

    if device.type == "cuda":
        torch.cuda._sleep(_AHEAD)  # type: ignore[no-untyped-call]
    with torch.inference_mode(), _Seen(run):
        work()
    finish(device)
    if device.type == "cuda":
        return [began.elapsed_time(ended) / 1e3 for began, ended in marks]
    return [ended - began for began, ended in marks]


def _cuda_mark() -> torch.cuda.Event:
    event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
    event.record()
    return event


@contextmanager
def _paths(modules: Mapping[str, nn.Module]) -> Iterator[list[str]]:
    """Yields the names of the modules that run, innermost last."""
    stack = [""]
    with ExitStack() as hooks:
        for root, module in modules.items():
            for name, inner in module.named_modules():
                path = f"{root}.{name}" if name else root
                enter = inner.register_forward_pre_hook(lambda _m, _i, p=path: stack.append(p))
                leave = inner.register_forward_hook(lambda _m, _i, _o: stack.pop() and None, always_call=True)
                hooks.callback(enter.remove)
                hooks.callback(leave.remove)
        yield stack


def _dtype(args: Sequence[Any], out: Any) -> torch.dtype:
    """The format that is computed in: that of the first floating-point tensor."""
    tensors = tensors_in((args, out))
    floats = (tensor.dtype for tensor in tensors if tensor.is_floating_point())
    return next(floats, tensors[0].dtype if tensors else torch.float32)


class _Memory:
    """Which memory was touched, what of it held something before, and what of it was written and not read again."""

    def __init__(self) -> None:
        self._touched: dict[int, tuple[int, int]] = {}
        self._written: set[int] = set()
        self._outside: dict[tuple[int, int], int] = {}
        self._unread: dict[int, int] = {}

    def touch(self, inputs: Sequence[Tensor], mutated: Sequence[Tensor], out: Any) -> None:
        """What one operation reads and writes."""
        known = {storage(tensor) for tensor in inputs}
        fresh = [tensor for tensor in tensors_in(out) if storage(tensor) not in known]
        for tensor in inputs:
            whole = tensor.untyped_storage()
            self._unread.pop(whole.data_ptr(), None)
            if whole.data_ptr() not in self._written:
                self._outside[tensor.data_ptr(), extent(tensor)] = extent(tensor)
        for tensor in (*inputs, *fresh):
            whole = tensor.untyped_storage()
            self._touched[whole.data_ptr()] = (whole.data_ptr(), whole.data_ptr() + whole.nbytes())
        for tensor in (*fresh, *mutated):
            self._written.add(tensor.untyped_storage().data_ptr())
            self._unread[tensor.untyped_storage().data_ptr()] = extent(tensor)

    @property
    def footprint(self) -> int:
        total, end = 0, 0
        for first, last in sorted(self._touched.values()):
            total += max(0, last - max(first, end))
            end = max(end, last)
        return total

    @property
    def least(self) -> int:
        return sum(self._outside.values()) + sum(self._unread.values())
