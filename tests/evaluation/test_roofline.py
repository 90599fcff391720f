from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from dreamcade.core.errors import BadInputError
from dreamcade.evaluation.ceilings import Ceilings
from dreamcade.evaluation.roofline import Roofline, Stage, measure_roofline
from dreamcade.evaluation.roofline_plot import plot_roofline
from dreamcade.evaluation.roofline_table import roofline_lines, verdicts
from dreamcade.evaluation.roofline_trace import trace

CPU = torch.device("cpu")


class Residual(nn.Module):
    """As in AutoencoderKL's decoder: norm, SiLU, convolution, twice."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.GroupNorm(4, width), nn.GroupNorm(4, width)
        self.conv1, self.conv2 = (nn.Conv2d(width, width, 3, padding=1) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.conv1(F.silu(self.norm1(x)))
        return x + self.conv2(F.silu(self.norm2(hidden)))


class Middle(nn.Module):
    """Attention over all places, between two residual blocks."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.to_qkv, self.to_out = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = self.to_qkv(x.flatten(2).mT)[:, None].chunk(3, -1)
        mixed = self.to_out(F.scaled_dot_product_attention(query, key, value)[:, 0])
        return x + mixed.mT.reshape(x.shape)


class Upsample(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))


class Decoder(nn.Module):
    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.conv_in, self.conv_out = nn.Conv2d(4, width, 3, padding=1), nn.Conv2d(width, 3, 3, padding=1)
        self.mid_block = nn.Sequential(Residual(width), Middle(width), Residual(width))
        self.up_blocks = nn.ModuleList(nn.Sequential(Residual(width), Upsample(width)) for _ in range(2))

    def forward(self, latents: Tensor) -> Tensor:
        x = self.mid_block(self.conv_in(latents))
        for block in self.up_blocks:
            x = block(x)
        return self.conv_out(F.silu(x))


def ceilings(device: torch.device, dtypes: Iterable[torch.dtype]) -> Ceilings:
    """Of a made-up machine: 100 GFLOP/s, 10 GB/s, 50 GB/s within a cache of a kilobyte."""
    return Ceilings(dict.fromkeys(dtypes, 100e9), 10e9, 50e9, 1 << 10, True)


@pytest.fixture(scope="module")
def measured() -> Roofline:
    torch.set_num_threads(1)
    decoder, latents = Decoder().eval(), torch.randn(1, 4, 8, 8)
    wide = nn.Linear(512, 512, bias=False)
    tokens = torch.randn(1024, 512)
    stages: dict[str, Callable[[], object]] = {"decode": lambda: decoder(latents), "dynamics": lambda: wide(tokens)}
    return measure_roofline("toy", stages, {"decoder": decoder, "wide": wide}, CPU, 3, ceilings=ceilings)


def stage(measured: Roofline, name: str) -> Stage:
    return next(stage for stage in measured.stages if stage.name == name)


def test_operations_are_named_by_their_modules(measured: Roofline) -> None:
    found = {one.name: one for one in stage(measured, "decode").operations}
    # Two blocks of two levels, and those of the middle, each with two convolutions.
    assert found["up_blocks.conv1 conv2d"].calls == 2
    assert found["up_blocks.conv conv2d"].calls == 2
    assert found["mid_block.norm1 group_norm"].calls == 2
    assert {"conv_in conv2d", "decoder silu", "mid_block sdpa", "up_blocks upsample_nearest2d"} <= set(found)
    assert found["conv_in conv2d"].flops == 2 * 16 * 64 * 4 * 9
    assert found["up_blocks upsample_nearest2d"].bytes == 4 * 16 * (64 + 256 + 256 + 1024)
    assert not any("view" in name or "chunk" in name for name in found)


def test_all_products_are_counted(measured: Roofline) -> None:
    decoder = Decoder().eval()
    with FlopCounterMode(display=False) as counter:
        decoder(torch.randn(1, 4, 8, 8))
    products = ("conv2d", "linear", "sdpa")
    found = sum(one.flops for one in stage(measured, "decode").operations if one.name.endswith(products))
    attention = 2 * 2 * 64 * 64 * 16  # which PyTorch's own counter overlooks on a CPU
    assert found == counter.get_total_flops() + attention


def test_times_add_up(measured: Roofline) -> None:
    for one in measured.stages:
        assert one.seconds >= one.best_seconds > 0
        assert one.operation_seconds + one.overhead_seconds == pytest.approx(one.seconds)
        bound = sum(one.bound_seconds(measured.ceilings, bound) for bound in ("compute", "memory"))
        assert bound == pytest.approx(one.operation_seconds)


def test_what_a_stage_waits_for(measured: Roofline) -> None:
    dynamics, decode = stage(measured, "dynamics"), stage(measured, "decode")
    assert dynamics.intensity == pytest.approx(2 * 1024 * 512 * 512 / (4 * (512 * 512 + 2 * 1024 * 512)))
    assert dynamics.bound(measured.ceilings) == "compute"  # 102 FLOP per byte, ridge at 10
    # Weights and tokens come from outside, and the result stays: nothing is left to fuse.
    assert dynamics.least_bytes == dynamics.bytes
    assert decode.least_bytes < decode.bytes / 2
    assert not decode.cached
    norms = [one for one in decode.operations if "norm" in one.name]
    assert all(one.bound(measured.ceilings.ridge(one.dtype, decode.cached)) == "memory" for one in norms)
    lines = verdicts(measured)
    assert "compute-bound" in lines[1] and "as the paper says" in lines[1]


def test_a_stage_that_fits_the_cache_is_judged_by_it() -> None:
    x = torch.randn(64)

    def found(cache_bytes: int) -> Stage:
        def machine(device: torch.device, dtypes: Iterable[torch.dtype]) -> Ceilings:
            return Ceilings(dict.fromkeys(dtypes, 1e12), 1e9, 1e10, cache_bytes, True)

        return measure_roofline("add", {"decode": lambda: x + x}, {}, CPU, 1, ceilings=machine).stages[0]

    assert found(512).cached and not found(511).cached  # what it reads, and as much again that it writes
    assert found(512).least_seconds == pytest.approx(512 / 1e10)
    assert found(511).least_seconds == pytest.approx(512 / 1e9)


def test_a_stage_must_repeat_itself() -> None:
    x, runs = torch.randn(4), [0]

    def fickle() -> None:
        runs[0] += 1
        for _ in range(runs[0]):
            x.exp()

    with pytest.raises(BadInputError, match="'odd' runs other operations"):
        measure_roofline("toy", {"odd": fickle}, {}, CPU, 2, ceilings=ceilings)
    with pytest.raises(BadInputError, match="'idle' ran no operation"):
        measure_roofline("toy", {"idle": lambda: None}, {}, CPU, 2, ceilings=ceilings)


def test_hooks_leave_no_trace() -> None:
    layer = nn.Linear(2, 2)
    with pytest.raises(RuntimeError):
        trace(lambda: layer(torch.ones(3)), {"layer": layer})
    assert not layer._forward_pre_hooks and not layer._forward_hooks
    x = torch.ones(2)
    assert [call.path for call in trace(lambda: layer(x), {"layer": layer}).calls] == ["layer"]


def test_text_picture_and_json(measured: Roofline) -> None:
    lines = roofline_lines(measured, 3)
    assert sum("overhead" in line for line in lines) >= 2
    assert any(line.strip().startswith("up_blocks.conv") for line in lines)
    assert plot_roofline(measured).startswith(b"\x89PNG")
    figures: dict[str, Any] = json.loads(json.dumps(measured.to_json(), allow_nan=False))
    decode = figures["stages"]["decode"]
    assert decode["flops"] == stage(measured, "decode").flops
    assert decode["compute_bound_ms"] + decode["memory_bound_ms"] + decode["overhead_ms"] == pytest.approx(decode["ms"])
