"""What networks compute, move and hold, counted on tensors without content."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from dreamcade.codec.convolutional import MapAttention
from dreamcade.kernels.traffic import CountingMode, OperatorTraffic


@dataclass(frozen=True, slots=True)
class Counted:
    """Of one run: FLOPs; bytes that its operators read and write, each tensor once; operators; the most bytes that were
    held at once, weights left out."""

    flops: int
    bytes: int
    launches: int
    peak: int


@torch.no_grad()
def count(run: Callable[[], object]) -> Counted:
    """Runs it once for each figure, on `meta` tensors or real ones: products are only seen in attention that is done
    step by step, bytes only where it is one operator."""
    with sdpa_kernel(SDPBackend.MATH), Products() as products:
        run()
    with OperatorTraffic() as operators:
        run()
    with Held() as held:
        run()
    return Counted(products.flops, operators.traffic.bytes, held.operators, held.peak)


class Products(CountingMode):
    """Within it, `flops` is what PyTorch's own formulas say of every product and convolution. (Its `FlopCounterMode`
    imports the compiler, which takes longer than all that is counted here.)"""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.flops = 0

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        formula = flop_registry.get(func._overloadpacket)
        if formula is None:  # made of others, which in inference mode nobody has taken apart yet
            with self:
                result = func.decompose(*args, **(kwargs or {}))
            if result is not NotImplemented:
                return result
        result = func(*args, **(kwargs or {}))
        if formula is not None:
            self.flops += formula(*args, **(kwargs or {}), out_val=result)
        return result


class Held(CountingMode):
    """Within it, `peak` is the most bytes of new tensors that lived at once, and `operators` how many made any."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.peak = self.operators = self._now = 0
        self._holders: dict[int, int] = {}

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        given = {_storage(t) for t in tree_leaves((args, kwargs)) if isinstance(t, Tensor)}
        made = [t for t in tree_leaves(result) if isinstance(t, Tensor)]
        self.operators += any(_storage(t) not in given for t in made)
        for tensor in made:
            self._hold(tensor, _storage(tensor) in given)
        return result

    def _hold(self, tensor: Tensor, given: bool) -> None:
        """A storage counts as long as any tensor that was made within holds it; what came from outside does not."""
        key, size = _storage(tensor), tensor.untyped_storage().nbytes()
        if key not in self._holders:
            if given:
                return
            self._now += size
            self.peak = max(self.peak, self._now)
        self._holders[key] = self._holders.get(key, 0) + 1
        weakref.finalize(tensor, self._release, key, size)

    def _release(self, key: int, size: int) -> None:
        self._holders[key] -= 1
        if not self._holders[key]:
            del self._holders[key]
            self._now -= size


def _storage(tensor: Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)


@dataclass(slots=True)
class Borders:
    """What strips of a picture would have to tell each other: bytes over one border, both ways; how often; how many
    sums over the whole picture there are; and bytes that all need of all others."""

    bytes: int = 0
    exchanges: int = 0
    reductions: int = 0
    gathered: int = 0


@contextmanager
def count_borders(*modules: nn.Module) -> Iterator[Borders]:
    """Within it, every convolution over several rows exchanges as many rows of its input as reach over a border,
    every group norm sums up over the picture, and attention over it gathers keys and values."""
    found, hooks = Borders(), list[Any]()

    def seen(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if isinstance(module, nn.GroupNorm):
            found.reductions += 1
        elif isinstance(module, MapAttention):
            found.exchanges += 1
            found.gathered += 2 * output.nbytes  # keys and values
        elif isinstance(module, nn.Conv2d) and module.kernel_size[0] > 1:
            x = inputs[0]
            found.exchanges += 1
            found.bytes += 2 * (module.kernel_size[0] // 2) * x.nbytes // x.shape[-2]

    for part in (one for module in modules for one in module.modules()):
        if isinstance(part, nn.GroupNorm | nn.Conv2d | MapAttention):
            hooks.append(part.register_forward_hook(seen))
    try:
        yield found
    finally:
        for hook in hooks:
            hook.remove()
