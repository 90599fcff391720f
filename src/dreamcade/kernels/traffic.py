"""How many bytes of maps travel between memory and chip: counted from the tensors that operators and kernels touch.

Every operator reads its maps once and writes its results once. That is the least it can do: PyTorch's group norm
reads its input twice, and copies between memory orders are not counted either, so the unfused figures are a lower
bound. Run on `meta` tensors, neither memory nor arithmetic is needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes
from torch.utils._pytree import tree_leaves

from dreamcade.kernels.decoder_block import Norm, PackedConv, Statistics, pack_conv
from dreamcade.kernels.decoder_block_plan import Plan, plan_conv

NEVER_TOUCHES_MEMORY = ("aten::empty", "aten::new_empty", "aten::empty_like")


@dataclass(frozen=True, slots=True)
class Traffic:
    """`transactions`: whole maps read or written, and their bytes, `read` and `written`. `other`: bytes of weights and
    statistics. `scratch`: bytes that are overwritten again and again and stay in the level-two cache."""

    transactions: int = 0
    read: int = 0
    written: int = 0
    other: int = 0
    scratch: int = 0

    @property
    def bytes(self) -> int:
        """All that has to cross between memory and chip."""
        return self.read + self.written + self.other

    def __add__(self, more: Traffic) -> Traffic:
        return Traffic(
            self.transactions + more.transactions,
            self.read + more.read,
            self.written + more.written,
            self.other + more.other,
            max(self.scratch, more.scratch),  # one launch after the other
        )

    def __sub__(self, before: Traffic) -> Traffic:
        """What came since; the scratch is the largest so far."""
        return Traffic(
            self.transactions - before.transactions,
            self.read - before.read,
            self.written - before.written,
            self.other - before.other,
            self.scratch,
        )


class CountingMode(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Sees every operator that is run within it, and is never compiled: then PyTorch need not import its compiler to
    leave it alone, which takes seconds."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False


class OperatorTraffic(CountingMode):
    """Within it, `traffic` grows by what each of PyTorch's operators reads and writes.

    A map is a tensor of four dimensions that is not a `Parameter`. Views cost nothing; attention is one operator that
    keeps its scores on chip.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.traffic = Traffic()
        self._attention = _AttentionTraffic(self)

    def __enter__(self) -> OperatorTraffic:
        super().__enter__()  # type: ignore[no-untyped-call]
        self._attention.__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(self, *failure: Any) -> None:
        self._attention.__exit__(*failure)  # type: ignore[no-untyped-call]
        super().__exit__(*failure)  # type: ignore[no-untyped-call]

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if func._schema.name not in NEVER_TOUCHES_MEMORY and not _is_view(func):
            self.traffic += transfers(tensors((args, kwargs)), tensors(result))
        return result


class _AttentionTraffic(TorchFunctionMode):
    """Sees attention before it falls apart into products and a softmax."""

    def __init__(self, counter: OperatorTraffic) -> None:
        super().__init__()
        self.counter = counter

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func is not F.scaled_dot_product_attention:
            return func(*args, **(kwargs or {}))
        with _disable_current_modes():
            result = func(*args, **(kwargs or {}))
        self.counter.traffic += transfers(tensors((args, kwargs)), [result])
        return result


def transfers(reads: Sequence[Tensor], writes: Sequence[Tensor], scratch: Tensor | None = None) -> Traffic:
    """Each of these tensors read, or written, once."""
    maps_read, maps_written = ([t for t in some if _is_map(t)] for some in (reads, writes))
    others = sum(t.nbytes for t in (*reads, *writes) if not _is_map(t))
    return Traffic(
        len(maps_read) + len(maps_written),
        sum(t.nbytes for t in maps_read),
        sum(t.nbytes for t in maps_written),
        others,
        0 if scratch is None else scratch.nbytes,
    )


def tensors(values: object) -> list[Tensor]:
    """All tensors in nested arguments."""
    return [leaf for leaf in tree_leaves(values) if isinstance(leaf, Tensor)]


def launch_traffic(plan: Plan) -> Traffic:
    """What a fused launch reads and writes, its merging of statistics included."""
    conv, norm, statistics = plan.conv, plan.norm, plan.statistics
    maps = [plan.x] if plan.residual is None else [plan.x, plan.residual]
    around: list[Tensor] = [conv.blocks.flatten(), conv.bias]
    if norm is not None:
        around += [norm.statistics.mean, norm.statistics.variance, norm.weight, norm.bias]
    if plan.partials is not None and statistics is not None:
        partials = plan.partials.flatten()  # written by the tiles, read when merged
        around += [partials, partials, statistics.mean, statistics.variance]
    return transfers([*maps, *around], [plan.y], plan.scratch)


class LaunchTraffic:
    """Stands for `fused_conv`: plans the same launch, counts it, and gives tensors of the right shapes."""

    def __init__(self) -> None:
        self.traffic = Traffic()

    def __call__(
        self, x: Tensor, conv: PackedConv, *,
        norm: Norm | None = None, residual: Tensor | None = None, groups: int | None = None,
    ) -> tuple[Tensor, Statistics | None]:  # fmt: skip
        plan = plan_conv(x, conv, norm=norm, residual=residual, groups=groups)
        self.traffic += launch_traffic(plan)
        return plan.y, plan.statistics


def block_traffic(
    channels_in: int, channels_out: int, height: int, width: int, *,
    upsample: bool = True, groups: int = 32, batch: int = 1, dtype: torch.dtype = torch.bfloat16,
) -> tuple[Traffic, Traffic]:  # fmt: skip
    """(unfused, fused) traffic of upsample → 3×3 convolution → group norm → SiLU on a map `height` × `width`.

    Fused, norm and SiLU happen where the next block reads; what is counted is one such block of a chain of them: it
    normalises its own input and measures its output.
    """
    x = torch.empty(batch, channels_in, height, width, device="meta", dtype=dtype)
    weight = nn.Parameter(torch.empty(channels_out, channels_in, 3, 3, device="meta", dtype=dtype))
    row_in, row_out = (nn.Parameter(torch.empty(c, device="meta", dtype=dtype)) for c in (channels_in, channels_out))
    with torch.no_grad(), OperatorTraffic() as unfused:
        hidden = F.interpolate(x, scale_factor=2.0, mode="nearest") if upsample else x
        hidden = F.conv2d(hidden, weight, row_out, padding=1)
        F.silu(F.group_norm(hidden, groups, row_out, row_out))
    mean, variance = torch.empty(2, batch, groups, device="meta").unbind()
    fused = LaunchTraffic()
    norm = Norm(Statistics(mean, variance), row_in, row_in)
    fused(x, pack_conv(weight, row_out, upsample=upsample), norm=norm, groups=groups)
    return unfused.traffic, fused.traffic


def _is_map(tensor: Tensor) -> bool:
    return tensor.ndim == 4 and not isinstance(tensor, nn.Parameter)


def _is_view(func: Any) -> bool:
    """Whether an operator only looks at its argument in another shape: its result aliases it and is not written."""
    aliases = [result.alias_info for result in func._schema.returns]
    return any(alias is not None and not alias.is_write for alias in aliases)
