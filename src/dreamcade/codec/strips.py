"""A picture drawn in strips: each of several decoders makes some whole rows of it, and together they make exactly the
picture that one would make. Nothing is blended.

Three things reach beyond a strip. A 3×3 convolution needs a row of each neighbour: it is fetched before (the *border*;
zeros at the picture's edge, as padding has it). Group norm is about the whole map: each strip measures its own rows,
and the measures are merged. Attention looks at every pixel: keys and values are gathered, each strip asks for its own.
Everything else (1×1 convolutions, upsampling, folding) stays within a row of latent cells.

Who the others are, and how numbers get there, is a `RowExchange`'s to know.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dreamcade.codec.convolutional import MapAttention
from dreamcade.core.errors import BadInputError
from dreamcade.kernels.decoder_block import Borders, Norm, Statistics, measure, merge, normalise
from dreamcade.kernels.packed_layers import PackedConv2d

ModuleT = TypeVar("ModuleT", bound=nn.Module)


@dataclass(frozen=True, slots=True)
class Rows:
    """`first` is for the strip above and `last` for the one below; theirs are written into `above` and `below`, which
    are None at the picture's edge. All are `[N, 1, W, C]` of one type, and may be views."""

    first: Tensor
    last: Tensor
    above: Tensor | None
    below: Tensor | None


class RowExchange(Protocol):
    """One of `count` decoders, which all call the same functions in the same order; `index` 0 has the top strip."""

    @property
    def index(self) -> int: ...

    @property
    def count(self) -> int: ...

    def swap(self, rows: Rows) -> None:
        """Swaps rows with the neighbours."""
        ...

    def collect(self, x: Tensor, rows: Rows | None = None) -> Tensor:
        """Everybody's `x`, of one shape and type, `[count, …]` from top to bottom; swaps rows in the same message."""
        ...


class Alone:
    """The exchange of a decoder that draws whole pictures."""

    index, count = 0, 1

    def swap(self, rows: Rows) -> None:
        return None

    def collect(self, x: Tensor, rows: Rows | None = None) -> Tensor:
        return x[None]


@dataclass(frozen=True, slots=True)
class Strips:
    """One strip of pictures whose latents are `sum(rows)` high; `rows` are everybody's.

    Maps are `[N, C, own, W]`, or *framed*: with the neighbours' rows at their ends. Networks may have enlarged them.
    """

    exchange: RowExchange = field(default_factory=Alone)
    rows: tuple[int, ...] = (1,)
    _counts: dict[tuple[torch.dtype, torch.device], Tensor] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        if len(self.rows) != self.exchange.count or min(self.rows) < 1:
            raise BadInputError(f"each of {self.exchange.count} strips must have rows; got {list(self.rows)}")

    @property
    def alone(self) -> bool:
        """Whether the strip is the whole picture."""
        return self.exchange.count == 1

    @property
    def borders(self) -> Borders:
        """Rows of neighbours around a framed map."""
        return Borders(int(self.exchange.index > 0), int(self.exchange.index < self.exchange.count - 1))

    def own(self, latents: Tensor) -> Tensor:
        """Its rows of whole latents `[N, c, h, w]`."""
        if self.alone:
            return latents
        if latents.shape[2] != sum(self.rows):
            raise BadInputError(f"latents must be {sum(self.rows)} rows high; got {latents.shape[2]}")
        return latents.narrow(2, sum(self.rows[: self.exchange.index]), self.rows[self.exchange.index])

    def frame(self, x: Tensor) -> Tensor:
        """A map in a frame whose borders are still empty; channels-last."""
        borders = self.borders
        if not borders.rows:
            return x
        count, channels, height, width = x.shape
        framed = x.new_empty((count, height + borders.rows, width, channels)).permute(0, 3, 1, 2)
        borders.inside(framed).copy_(x)
        return framed

    def inside(self, framed: Tensor) -> Tensor:
        """Its own rows of a framed map."""
        return framed if self.alone else self.borders.inside(framed)

    def fill(self, framed: Tensor) -> None:
        """Writes the neighbours' rows into a framed map's borders, and gives them its own outermost rows."""
        if not self.alone:
            self.exchange.swap(self._rows(framed))

    def padded(self, x: Tensor) -> Tensor:
        """A map between its neighbours' rows, `[N, C, 1 + own + 1, W]`; zeros at the picture's edge. Channels-last."""
        count, channels, height, width = x.shape
        padded = x.new_empty((count, height + 2, width, channels)).permute(0, 3, 1, 2)
        padded[:, :, 1:-1].copy_(x)
        borders = self.borders
        self.fill(padded[:, :, 1 - borders.above : height + 1 + borders.below])
        for edge, neighbour in ((padded[:, :, :1], borders.above), (padded[:, :, -1:], borders.below)):
            if not neighbour:
                edge.zero_()
        return padded

    def gather(self, x: Tensor) -> Tensor:
        """Everybody's rows of a map `[N, C, own, W]`, one after the other: the whole map."""
        if self.alone:
            return x
        enlarged = x.shape[2] // self.rows[self.exchange.index]
        missing = max(self.rows) * enlarged - x.shape[2]
        parts = self.exchange.collect(F.pad(x.permute(0, 2, 3, 1), (0, 0, 0, 0, 0, missing)))
        strips = [part[:, : rows * enlarged] for part, rows in zip(parts, self.rows, strict=True)]
        return torch.cat(strips, 1).permute(0, 3, 1, 2)

    def merge(self, own: Statistics, framed: Tensor | None = None) -> Statistics:
        """The whole map's statistics from those of the strip's own rows; in the same message, `fill`s a framed map."""
        if self.alone:
            return own
        rows = None if framed is None else self._rows(framed)
        everybodys = self.exchange.collect(torch.stack((own.mean, own.variance)), rows)
        return merge(self._weights(everybodys), everybodys[:, 0], everybodys[:, 1])

    def _weights(self, like: Tensor) -> Tensor:
        """Everybody's rows `[count, 1, 1]`, kept: a CUDA graph must not copy from the host."""
        kept = self._counts.get((like.dtype, like.device))
        if kept is None:
            with torch.inference_mode(False):  # also for who calls outside of it later
                kept = torch.tensor(self.rows, dtype=like.dtype, device=like.device)[:, None, None]
            self._counts[like.dtype, like.device] = kept
        return kept

    def _rows(self, framed: Tensor) -> Rows:
        borders, stored = self.borders, framed.permute(0, 2, 3, 1)
        own = stored[:, borders.above : stored.shape[1] - borders.below]
        above = stored[:, :1] if borders.above else None
        below = stored[:, -1:] if borders.below else None
        return Rows(own[:, :1], own[:, -1:], above, below)


def in_strips(network: ModuleT, strips: Strips) -> ModuleT:
    """A network (`ConvolutionalDecoder`, `Codec`) that turns its own rows of a map into its own rows of the result, and
    fetches from the other strips what it lacks. It shares its weights with `network`, which stays as it is.

    Raises `BadInputError` for layers that reach beyond a strip in a way that is not known here.
    """
    if strips.alone:
        return network
    layer = _layer(network, strips)
    if layer is not None:
        return layer  # type: ignore[return-value]
    other = copy.copy(network)
    parts = {name: None if part is None else in_strips(part, strips) for name, part in network._modules.items()}
    if isinstance(network, MapAttention):
        parts |= {name: _Gathered(network._modules[name], strips) for name in ("key", "value")}
    other._modules = parts
    return other


def _layer(layer: nn.Module, strips: Strips) -> nn.Module | None:
    """What stands for a layer; None for a network of layers."""
    if isinstance(layer, (nn.Conv2d, PackedConv2d)):
        reach = layer.kernel_size if isinstance(layer, nn.Conv2d) else layer.shape[2:]
        form = tuple(reach), layer.stride, layer.padding, layer.dilation
        if form == ((1, 1), (1, 1), (0, 0), (1, 1)):
            return layer
        if form == ((3, 3), (1, 1), (1, 1), (1, 1)) and getattr(layer, "padding_mode", "zeros") == "zeros":
            return _StripConv(layer, strips)
        raise BadInputError(f"convolutions in strips are 1×1, or 3×3 padded with a row of zeros; got {layer}")
    if isinstance(layer, nn.GroupNorm):
        return _StripNorm(layer, strips)
    if next(layer.children(), None) is None and not isinstance(layer, (nn.ModuleList, nn.Sequential)):
        raise BadInputError(f"how a {type(layer).__name__} is computed in strips is not known")
    return None


class _StripConv(nn.Module):
    """A 3×3 convolution of a strip."""

    def __init__(self, layer: nn.Conv2d | PackedConv2d, strips: Strips) -> None:
        super().__init__()
        self.strips = strips
        self.layer = copy.copy(layer)
        self.layer.padding = (0, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(self.strips.padded(x))


class _StripNorm(nn.Module):
    """Group norm of a strip by the whole map's statistics."""

    def __init__(self, norm: nn.GroupNorm, strips: Strips) -> None:
        super().__init__()
        self.strips, self.norm = strips, norm

    def forward(self, x: Tensor) -> Tensor:
        groups = self.norm.num_groups
        statistics = self.strips.merge(measure(x, groups))
        return normalise(x, Norm(statistics, self.norm.weight, self.norm.bias, self.norm.eps, silu=False))


class _Gathered(nn.Module):
    """A layer's result for the whole map."""

    def __init__(self, layer: nn.Module | None, strips: Strips) -> None:
        super().__init__()
        assert layer is not None
        self.layer, self.strips = layer, strips

    def forward(self, x: Tensor) -> Tensor:
        return self.strips.gather(self.layer(x))
