"""How fast the fused decoder block is, beside PyTorch's own operators and its compiler, in one process.

What is timed is a whole piece with a plain map at either end, so that all sides compute the same function:

- *pair*: upsample (or not) → convolution → group norm → SiLU → convolution. Fused, that is two launches and the merging
  of the statistics.
- *closing*: that last convolution alone, each side in its own way.
- *block* = pair − closing: what the chain upsample → convolution → group norm → SiLU costs.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from dreamcade.core.errors import BadInputError
from dreamcade.kernels.decoder_block import Norm, PackedConv, fused_conv, measure, pack_conv
from dreamcade.kernels.decoder_block_plan import Tiling, plan_conv, tiling_for
from dreamcade.kernels.traffic import block_traffic

Run = Callable[[], Tensor]
ROUNDS, CALLS = 7, 10


@dataclass(frozen=True, slots=True)
class BlockSize:
    """A block whose *output* has `channels` at `height` × `width`; with `upsample`, its input is half as large."""

    channels: int
    height: int
    width: int
    upsample: bool = False

    def __post_init__(self) -> None:
        if min(self.channels, self.height, self.width) < 1 or (self.upsample and (self.height % 2 or self.width % 2)):
            raise BadInputError(f"an upsampled map has even height and width; got {self.height}x{self.width}")

    @property
    def input_size(self) -> tuple[int, int]:
        scale = 2 if self.upsample else 1
        return self.height // scale, self.width // scale

    @property
    def multiplications(self) -> int:
        """Of one 3×3 convolution at the output's size."""
        return 9 * self.channels**2 * self.height * self.width


REAL_SIZES = (
    BlockSize(512, 120, 180, upsample=True),
    BlockSize(512, 120, 180),
    BlockSize(256, 240, 360),
    BlockSize(256, 480, 720, upsample=True),
    BlockSize(128, 480, 720),
)
"""The blocks in which a decoder of 720×480 frames spends its time."""


@dataclass(frozen=True, slots=True)
class Pieces:
    """What every side computes with; the maps channels-last."""

    x: Tensor
    first: PackedConv
    last: PackedConv
    gain: Tensor
    shift: Tensor
    middle: Tensor
    groups: int

    def unfused(self, x: Tensor) -> Tensor:
        """The pair by PyTorch's operators."""
        return F.conv2d(self.chain(x), self.last.weight, self.last.bias, padding=1)

    def chain(self, x: Tensor) -> Tensor:
        """The pair without its last convolution."""
        hidden = F.interpolate(x, scale_factor=2.0, mode="nearest") if self.first.upsample else x
        hidden = F.conv2d(hidden, self.first.weight, self.first.bias, padding=1)
        return F.silu(F.group_norm(hidden, self.groups, self.gain, self.shift, 1e-6))

    def fused(self) -> Tensor:
        """The pair in fused launches."""
        hidden, statistics = fused_conv(self.x, self.first, groups=self.groups)
        return fused_conv(hidden, self.last, norm=Norm(statistics, self.gain, self.shift))[0]


@torch.no_grad()
def measure_decoder_block(
    size: BlockSize, *, device: torch.device, dtype: torch.dtype = torch.bfloat16, groups: int = 32,
    compiled: bool = True, rounds: int = ROUNDS, calls: int = CALLS,
) -> dict[str, Any]:  # fmt: skip
    """Milliseconds (median of `rounds`, each the mean of `calls`) and errors of all sides, as JSON values.

    Eager PyTorch runs in the memory order that it is faster in. On CUDA every side replays as a CUDA graph, which
    spares all of them the launches' cost on the host; elsewhere a wall clock is read. Errors are norms against the
    same pair in float32, over the result's.
    """
    pieces = make_pieces(size, device, dtype, groups)
    sides: dict[str, tuple[Run, Run]] = {
        "fused": (pieces.fused, lambda: fused_conv(pieces.middle, pieces.last)[0]),
        **_eager_sides(pieces),
    }
    if compiled:
        sides["compiled"] = _compiled_side(pieces)
    times: dict[str, dict[str, float]] = {}
    for name, (pair, closing) in sides.items():
        whole, last = (milliseconds(run, device, rounds, calls) for run in (pair, closing))
        times[name] = {"pair_ms": whole, "closing_ms": last, "block_ms": whole - last}
    return {
        "size": asdict(size), "dtype": str(dtype).removeprefix("torch."), "groups": groups, "times": times,
        "speedup": _speedups(times), "errors": _errors(pieces, sides), "traffic": _traffic(size, groups, dtype),
        "tilings": [
            asdict(tiling_for(*size.input_size, pieces.first, False)),
            asdict(tiling_for(size.height, size.width, pieces.last, True)),
        ],
        "closing_tflops": 2e-9 * size.multiplications / times["fused"]["closing_ms"],
        "cuda_graphs": device.type == "cuda", "device": _device_name(device), "torch": torch.__version__,
    }  # fmt: skip


@torch.no_grad()
def sweep_tilings(
    size: BlockSize, tilings: Sequence[Tiling], *, device: torch.device, dtype: torch.dtype = torch.bfloat16,
    groups: int = 32, rounds: int = ROUNDS, calls: int = CALLS,
) -> list[dict[str, Any]]:  # fmt: skip
    """Milliseconds of the pair's last convolution, normalising and measuring, under each tiling; the fastest first.

    One that the device cannot run has its error in place of a time. Needs Triton's kernels.
    """
    from triton.runtime.errors import OutOfResources

    from dreamcade.kernels.triton_decoder_block import launch

    pieces = make_pieces(size, device, dtype, groups)
    norm = Norm(measure(pieces.middle, groups), pieces.gain, pieces.shift)
    found: list[dict[str, Any]] = []
    for tiling in tilings:
        plan = plan_conv(pieces.middle, pieces.last, norm=norm, groups=groups, tiling=tiling)

        def run() -> Tensor:
            launch(plan)  # noqa: B023
            return plan.y  # noqa: B023

        try:
            found.append({"tiling": asdict(tiling), "ms": milliseconds(run, device, rounds, calls)})
        except OutOfResources as error:
            found.append({"tiling": asdict(tiling), "error": str(error)})
    return sorted(found, key=lambda entry: entry.get("ms", float("inf")))


def candidate_tilings(size: BlockSize) -> list[Tiling]:
    """What is worth trying for the last convolution of a pair of this size in bfloat16."""
    conv = pack_conv(torch.empty(size.channels, size.channels, 3, 3, device="meta", dtype=torch.bfloat16))
    chosen = tiling_for(size.height, size.width, conv, True)
    outputs = conv.blocks.shape[3]
    blocks = [(64, 4), (128, 4), (128, 8), (256, 8)]
    return [
        Tiling(rows, columns, block_out, chosen.block_in, chosen.chunk, warps, stages)
        for (rows, columns), (block_out, warps), stages in itertools.product(
            ((8, 16), (4, 32), (16, 16)), blocks, (3, 4)
        )
        if outputs % block_out == 0
    ]


def milliseconds(run: Run, device: torch.device, rounds: int, calls: int) -> float:
    """Of one call: the median of `rounds`, each the mean of `calls`."""
    if device.type == "cuda":
        return _graph_milliseconds(run, rounds, calls)
    run()
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        for _ in range(calls):
            run()
        times.append(1000 * (time.perf_counter() - began) / calls)
    return median(times)


def _graph_milliseconds(run: Run, rounds: int, calls: int) -> float:
    stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):  # a capture wants everything compiled and chosen before
        for _ in range(3):
            run()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        run()
    times = []
    for _ in range(rounds + 1):
        began, ended = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
        began.record()
        for _ in range(calls):
            graph.replay()
        ended.record()
        ended.synchronize()
        times.append(float(began.elapsed_time(ended)) / calls)
    return median(times[1:])


def make_pieces(size: BlockSize, device: torch.device, dtype: torch.dtype, groups: int) -> Pieces:
    """Random weights that keep a map's scale, and random maps; the same for a seed of 0."""
    generator = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> Tensor:
        made = torch.randn(shape, generator=generator).to(device, dtype)
        return made.contiguous(memory_format=torch.channels_last) if made.ndim == 4 else made

    c = size.channels
    first, last = (normal(c, c, 3, 3) / (3 * c**0.5) for _ in range(2))
    return Pieces(
        normal(1, c, *size.input_size), pack_conv(first, normal(c), upsample=size.upsample), pack_conv(last, normal(c)),
        1 + normal(c) / 4, normal(c) / 4, normal(1, c, size.height, size.width), groups,
    )  # fmt: skip


def _eager_sides(pieces: Pieces) -> dict[str, tuple[Run, Run]]:
    x, middle = pieces.x.contiguous(), pieces.middle.contiguous()
    weight, bias = pieces.last.weight, pieces.last.bias
    plain = Pieces(
        x, _as_nchw(pieces.first), _as_nchw(pieces.last), pieces.gain, pieces.shift, middle, pieces.groups
    )  # fmt: skip
    return {
        "eager, channels last": (
            lambda: pieces.unfused(pieces.x), lambda: F.conv2d(pieces.middle, weight, bias, padding=1),
        ),
        "eager, channels first": (
            lambda: plain.unfused(x), lambda: F.conv2d(middle, plain.last.weight, bias, padding=1),
        ),
    }  # fmt: skip


def _as_nchw(conv: PackedConv) -> PackedConv:
    return PackedConv(conv.weight.contiguous(), conv.bias, conv.blocks, conv.upsample)


def _compiled_side(pieces: Pieces) -> tuple[Run, Run]:
    pair = torch.compile(pieces.unfused, dynamic=False, fullgraph=True)
    return lambda: pair(pieces.x), lambda: F.conv2d(pieces.middle, pieces.last.weight, pieces.last.bias, padding=1)


def _speedups(times: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
    """The fused side against the faster eager one and the compiled one, of the pair and of the block."""
    eager = min((side for name, side in times.items() if name.startswith("eager")), key=lambda side: side["pair_ms"])
    others = {"eager": eager} | ({"compiled": times["compiled"]} if "compiled" in times else {})
    return {
        name: {part: side[f"{part}_ms"] / times["fused"][f"{part}_ms"] for part in ("pair", "block")}
        for name, side in others.items()
    }


def _errors(pieces: Pieces, sides: dict[str, tuple[Run, Run]]) -> dict[str, float]:
    exact = Pieces(
        pieces.x.float(), pack_conv(pieces.first.weight.float(), pieces.first.bias.float(),
        upsample=pieces.first.upsample), pack_conv(pieces.last.weight.float(), pieces.last.bias.float()),
        pieces.gain.float(), pieces.shift.float(), pieces.middle, pieces.groups,
    ).unfused(pieces.x.float())  # fmt: skip
    return {name: float((pair().float() - exact).norm() / exact.norm()) for name, (pair, _) in sides.items()}


def _traffic(size: BlockSize, groups: int, dtype: torch.dtype) -> dict[str, dict[str, int]]:
    unfused, fused = block_traffic(
        size.channels, size.channels, *size.input_size, upsample=size.upsample, groups=groups, dtype=dtype
    )
    return {
        name: {"transactions": side.transactions, "bytes": side.bytes, "scratch": side.scratch}
        for name, side in (("unfused", unfused), ("fused", fused))
    }


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
