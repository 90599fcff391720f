"""The fused decoder block equals upsample → group norm → SiLU → convolution, each on its own."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from dataclasses import dataclass, fields, replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from torch import Tensor

from dreamcade.core.errors import BadInputError
from dreamcade.kernels.choice import using
from dreamcade.kernels.decoder_block import (
    Borders,
    Norm,
    PackedConv,
    Statistics,
    fused_conv,
    measure,
    merge,
    pack_conv,
)
from dreamcade.kernels.decoder_block_plan import Tiling, plan_conv, tiling_for

pytest.importorskip("triton")
BOUNDS = {torch.float32: 1e-6, torch.bfloat16: 8e-3}
"""Of the error's norm over the result's, against float64. Triton's interpreter cuts bfloat16 off where a GPU rounds,
and input, scratch and result are each cut once."""
ROUNDED = 4e-3
"""The same for bfloat16 on a GPU, where PyTorch's own error is 2e-3 to 3e-3."""


@dataclass(frozen=True)
class Case:
    """A block's sizes; `norm_groups` 0: none; `groups` 0: not measured."""

    batch: int
    inputs: int
    outputs: int
    height: int
    width: int
    size: int = 3
    upsample: bool = False
    norm_groups: int = 0
    residual: bool = False
    groups: int = 0
    silu: bool = True
    dtype: torch.dtype = torch.float32


@dataclass(frozen=True)
class Arguments:
    x: Tensor
    weight: Tensor
    bias: Tensor
    gain: Tensor
    shift: Tensor
    residual: Tensor

    def to(self, dtype: torch.dtype) -> Arguments:
        return Arguments(*(getattr(self, field.name).to(dtype) for field in fields(self)))


def arguments(case: Case, device: str = "cpu") -> Arguments:
    generator = torch.Generator().manual_seed(hash((case.inputs, case.height, case.width)) % 2**31)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator).to(device, case.dtype)

    scale = 2 if case.upsample else 1
    fan = (case.inputs * case.size**2) ** 0.5
    return Arguments(
        normal(case.batch, case.inputs, case.height, case.width) * 2 + 1,
        normal(case.outputs, case.inputs, case.size, case.size) / fan,
        normal(case.outputs),
        normal(case.inputs),
        normal(case.inputs) + 1,
        normal(case.batch, case.outputs, case.height * scale, case.width * scale),
    )


def packed(case: Case, a: Arguments) -> PackedConv:
    return pack_conv(a.weight, a.bias, upsample=case.upsample)


def fused(case: Case, a: Arguments) -> tuple[Tensor, Statistics | None]:
    norm = Norm(measure(a.x, case.norm_groups), a.gain, a.shift, silu=case.silu) if case.norm_groups else None
    return fused_conv(
        a.x, packed(case, a), norm=norm, residual=a.residual if case.residual else None, groups=case.groups or None
    )


def unfused(case: Case, a: Arguments) -> Tensor:
    """The chain as PyTorch's own operators have it, none of them ours."""
    hidden = a.x
    if case.norm_groups:
        hidden = F.group_norm(hidden, case.norm_groups, a.gain, a.shift, 1e-6)
        hidden = F.silu(hidden) if case.silu else hidden
    if case.upsample:
        hidden = F.interpolate(hidden, scale_factor=2, mode="nearest")
    y = F.conv2d(hidden, a.weight, a.bias, padding=case.size // 2)
    return y + a.residual if case.residual else y


def error(got: Tensor, exact: Tensor) -> float:
    return ((got.double() - exact).norm() / exact.norm()).item()


def agrees(case: Case) -> None:
    a = arguments(case)
    exact = unfused(case, a.to(torch.float64))
    with using("triton"):
        y, statistics = fused(case, a)
    assert y.dtype is case.dtype and y.shape == exact.shape
    assert error(y, exact) < BOUNDS[case.dtype]
    if case.groups:
        assert statistics is not None
        stored = measure(y.double(), case.groups)  # statistics are of what was stored, to the last bits
        torch.testing.assert_close(statistics.mean.double(), stored.mean, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(statistics.variance.double(), stored.variance, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
@pytest.mark.parametrize(
    "case",
    [
        Case(1, 32, 32, 45, 30, norm_groups=8, groups=8),
        Case(2, 130, 70, 11, 13, norm_groups=13, residual=True, groups=10),
        Case(1, 16, 24, 9, 6, upsample=True, groups=4),
        Case(1, 16, 16, 45, 30, upsample=True, groups=4),
        Case(1, 12, 6, 6, 11, upsample=True, norm_groups=3, residual=True, groups=3),
        Case(3, 20, 3, 7, 9, norm_groups=5),
        Case(1, 96, 48, 5, 5, size=1, residual=True, groups=6),
        Case(1, 192, 96, 5, 5, size=1, norm_groups=32, silu=False, groups=6),
        Case(1, 10, 10, 3, 4, size=1, upsample=True, norm_groups=2),
        Case(1, 5, 7, 1, 1, norm_groups=1, groups=7),
    ],
    ids=str,
)
def test_triton_agrees_with_pytorch(case: Case, dtype: torch.dtype) -> None:
    agrees(replace(case, dtype=dtype))


# Without shrinking: under the interpreter it would take minutes to say what one example says.
@settings(max_examples=15, deadline=None, derandomize=True, phases=[Phase.explicit, Phase.generate])
@given(
    batch=st.integers(1, 2),
    in_groups=st.integers(1, 4),
    in_size=st.integers(1, 9),
    out_groups=st.integers(1, 5),
    out_size=st.integers(1, 12),
    height=st.integers(1, 10),
    width=st.integers(1, 19),
    size=st.sampled_from([1, 3]),
    upsample=st.booleans(),
    normed=st.booleans(),
    residual=st.booleans(),
)
def test_triton_agrees_at_odd_sizes(
    batch: int, in_groups: int, in_size: int, out_groups: int, out_size: int, height: int, width: int,
    size: int, upsample: bool, normed: bool, residual: bool,
) -> None:  # fmt: skip
    inputs, outputs = in_groups * in_size, out_groups * out_size
    groups = in_groups if normed else 0
    agrees(Case(batch, inputs, outputs, height, width, size, upsample, groups, residual, out_groups))


@pytest.mark.parametrize(("rows", "columns", "chunk"), [(4, 4, 64), (2, 16, 32), (8, 16, 16)])
def test_any_tiling_gives_the_same(rows: int, columns: int, chunk: int) -> None:
    case = Case(1, 64, 32, 9, 14, norm_groups=8, groups=8)
    a = arguments(case)
    norm = Norm(measure(a.x, 8), a.gain, a.shift)
    plan = plan_conv(a.x, packed(case, a), norm=norm, groups=8, tiling=Tiling(rows, columns, 16, 16, chunk))
    from dreamcade.kernels.triton_decoder_block import launch

    launch(plan)
    exact = unfused(case, a.to(torch.float64))
    assert plan.statistics is not None
    assert error(plan.y, exact) < BOUNDS[torch.float32]
    torch.testing.assert_close(plan.statistics.variance.double(), measure(exact, 8).variance, rtol=1e-5, atol=0)


@pytest.mark.parametrize("kernels", ["reference", "triton"])
def test_padding_comes_after_the_norm(kernels: str) -> None:
    """A constant map whose norm is its shift: inside, nine taps see silu(shift); in a corner four do."""
    conv = pack_conv(torch.ones(1, 2, 3, 3))
    shift = torch.full((2,), 3.0)
    norm = Norm(measure(torch.zeros(1, 2, 4, 5), 1), torch.ones(2), shift)
    with using(kernels):
        y, _ = fused_conv(torch.zeros(1, 2, 4, 5), conv, norm=norm)
    one = 2 * F.silu(shift[0]).item()
    assert y[0, 0, 1, 1].item() == pytest.approx(9 * one)
    assert y[0, 0, 0, 0].item() == pytest.approx(4 * one)


def test_statistics_do_not_lose_a_small_deviation_on_a_large_mean() -> None:
    """Squares summed in float32 would leave nothing of a deviation of 0.05 around 1000."""
    x = 1000 + 0.05 * torch.randn(1, 16, 16, 24, generator=torch.Generator().manual_seed(0))
    conv = pack_conv(torch.eye(16)[:, :, None, None])
    with using("triton"):
        y, statistics = fused_conv(x, conv, groups=4)
    exact = measure(y.double(), 4)
    torch.testing.assert_close(statistics.variance.double(), exact.variance, rtol=1e-3, atol=0)
    naive = (y * y).mean() - y.mean() ** 2
    assert abs(naive.item() / exact.variance.mean().item() - 1) > 0.1


def test_the_same_map_gives_the_same_bits() -> None:
    case = Case(1, 32, 32, 10, 12, norm_groups=4, groups=4)
    a = arguments(case)
    with using("triton"):
        (first, one), (second, two) = fused(case, a), fused(case, a)
    assert one is not None and two is not None
    assert torch.equal(first, second) and torch.equal(one.variance, two.variance)


def test_a_map_alone_gives_what_it_gives_in_a_batch() -> None:
    case = Case(3, 32, 32, 6, 7, norm_groups=4, groups=4)
    a = arguments(case)
    with using("triton"):
        together, statistics = fused(case, a)
        alone, own = fused(replace(case, batch=1), replace(a, x=a.x[1:2]))
    assert statistics is not None and own is not None
    assert torch.equal(together[1:2], alone) and torch.equal(statistics.mean[1:2], own.mean)


@pytest.mark.parametrize("kernels", ["reference", "triton"])
@pytest.mark.parametrize(
    "case",
    [
        Case(2, 16, 16, 7, 5, norm_groups=4, residual=True, groups=8),
        Case(1, 16, 32, 6, 5, upsample=True, groups=8),
        Case(1, 8, 16, 6, 20, size=1, groups=4),
    ],
)
def test_strips_make_what_one_map_makes(case: Case, kernels: str) -> None:
    """Their borders may hold anything that nothing comes of: here it is not a number."""
    a = arguments(case)
    scale = 2 if case.upsample else 1
    norm = Norm(measure(a.x, case.norm_groups), a.gain, a.shift) if case.norm_groups else None
    ends, made, measured = (0, 3, 4, case.height), [], []
    with using(kernels):
        whole, statistics = fused(case, a)
        for begin, end in itertools.pairwise(ends):
            borders = Borders(int(begin > 0), int(end < case.height))
            residual = F.pad(
                a.residual[:, :, begin * scale : end * scale], (0, 0, borders.above, borders.below), value=torch.nan
            )
            y, own = fused_conv(
                a.x[:, :, begin - borders.above : end + borders.below], packed(case, a),
                norm=norm, residual=residual if case.residual else None, groups=case.groups, borders=borders,
            )  # fmt: skip
            made.append(borders.inside(y))
            measured.append(own)
    torch.testing.assert_close(torch.cat(made, 2), whole, rtol=1e-6, atol=1e-5)
    assert statistics is not None
    counts = torch.tensor([3.0, 1.0, case.height - 4.0])[:, None, None]
    merged = merge(counts, torch.stack([m.mean for m in measured]), torch.stack([m.variance for m in measured]))
    torch.testing.assert_close(merged.mean, statistics.mean, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(merged.variance, statistics.variance, rtol=1e-5, atol=0)


def test_merging_survives_means_that_dwarf_deviations() -> None:
    """Sums of squares would leave nothing of the variance in float32."""
    x = torch.randn(1, 4, 30, 20, generator=torch.Generator().manual_seed(0)) + 3000
    parts = [measure(part, 2) for part in x.split((13, 7, 10), 2)]
    counts = torch.tensor([13.0, 7.0, 10.0])[:, None, None]
    merged = merge(counts, torch.stack([p.mean for p in parts]), torch.stack([p.variance for p in parts]))
    exact = measure(x.double(), 2)
    torch.testing.assert_close(merged.variance.double(), exact.variance, rtol=1e-4, atol=0)
    torch.testing.assert_close(merged.mean.double(), exact.mean, rtol=1e-6, atol=0)


def test_maps_of_any_memory_order_and_channels_last_comes_out() -> None:
    case = Case(1, 32, 32, 6, 7, norm_groups=4)
    a = arguments(case)
    with using("triton"):
        plain, _ = fused(case, a)
        last, _ = fused(case, replace(a, x=a.x.contiguous(memory_format=torch.channels_last)))
    assert torch.equal(plain, last) and plain.is_contiguous(memory_format=torch.channels_last)


def test_upsampling_weights_are_sums_of_the_taps_that_see_one_pixel() -> None:
    weight = torch.arange(9.0).reshape(1, 1, 3, 3)
    blocks = pack_conv(weight, upsample=True).blocks[:, :, 0, 0].reshape(2, 2, 2, 2)
    assert blocks[0, 0].tolist() == [[0, 1 + 2], [3 + 6, 4 + 5 + 7 + 8]]
    assert blocks[1, 1].tolist() == [[0 + 1 + 3 + 4, 2 + 5], [6 + 7, 8]]


def test_gradients_flow_through_the_reference() -> None:
    case = Case(1, 8, 8, 4, 4, norm_groups=2, groups=2)
    a = arguments(case)
    y, _ = fused(case, replace(a, x=a.x.requires_grad_()))
    y.sum().backward()
    assert a.x.grad is not None and bool(a.x.grad.any())


def test_what_does_not_fit_is_refused() -> None:
    conv = pack_conv(torch.zeros(4, 8, 3, 3))
    x = torch.zeros(1, 8, 5, 5)
    with pytest.raises(BadInputError, match=r"\[out, in, 1, 1\] or \[out, in, 3, 3\]; got \[4, 8, 5, 5\]"):
        pack_conv(torch.zeros(4, 8, 5, 5))
    with pytest.raises(BadInputError, match=r"a bias must be \[4\]; got \[8\]"):
        pack_conv(torch.zeros(4, 8, 3, 3), torch.zeros(8))
    with pytest.raises(BadInputError, match=r"a map must be \[B, 8, h, w\]"):
        fused_conv(torch.zeros(1, 4, 5, 5), conv)
    with pytest.raises(BadInputError, match=r"must have the map's type and device"):
        fused_conv(x.bfloat16(), conv)
    with pytest.raises(BadInputError, match=r"a residual must be \[1, 4, 5, 5\]"):
        fused_conv(x, conv, residual=x)
    with pytest.raises(BadInputError, match="must have rows of its own; got 2 in all"):
        fused_conv(x[:, :, :2], conv, borders=Borders(1, 1))
    with pytest.raises(BadInputError, match=r"got 3 groups of 4 channels"):
        fused_conv(x, conv, groups=3)
    with pytest.raises(BadInputError, match=r"weight and bias must be \[8\]"):
        fused_conv(x, conv, norm=Norm(measure(x, 2), torch.ones(4), torch.ones(4)))
    with pytest.raises(BadInputError, match=r"the statistics are of 2 maps; got 1"):
        fused_conv(x, conv, norm=Norm(measure(x.repeat(2, 1, 1, 1), 2), torch.ones(8), torch.ones(8)))


REAL_SIZES = [(512, 60, 90), (512, 120, 180), (256, 240, 360), (128, 480, 720)]


@pytest.mark.parametrize(("channels", "height", "width"), REAL_SIZES)
def test_real_sizes_waste_little_and_the_scratch_fits_the_cache(channels: int, height: int, width: int) -> None:
    x = torch.empty(1, channels, height, width, device="meta", dtype=torch.bfloat16)
    conv = pack_conv(torch.empty(channels, channels, 3, 3, device="meta", dtype=torch.bfloat16))
    row = torch.empty(channels, device="meta")
    statistics = Statistics(torch.empty(1, 32, device="meta"), torch.empty(1, 32, device="meta"))
    plan = plan_conv(x, conv, norm=Norm(statistics, row, row), groups=32)
    down, across = plan.tiles
    assert down * across * plan.tiling.pixels <= 1.08 * height * width
    assert plan.scratch is not None and plan.scratch.nbytes < 16e6
    assert plan.partials is not None and plan.partials.nbytes < 0.02 * plan.y.nbytes


def test_blocks_of_a_tiling_divide_what_was_packed() -> None:
    sizes = [1, 3, 16, 17, 48, 64, 65, 128, 192, 320, 512]
    for inputs, outputs, normalised in itertools.product(sizes, sizes, (False, True)):
        conv = pack_conv(torch.empty(outputs, inputs, 1, 1, device="meta"))
        _, _, padded_in, padded_out = conv.blocks.shape
        tiling = tiling_for(20, 30, conv, normalised)
        assert padded_in % tiling.chunk == tiling.chunk % tiling.block_in == padded_out % tiling.block_out == 0
        assert not normalised or tiling.chunk & (tiling.chunk - 1) == 0


COMPILES = """
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from dreamcade.kernels.triton_decoder_block import conv_kernel, merge_kernel

HOPPER = GPUTarget("cuda", 90, 32)
sizes = dict(PADDED_IN=64, PADDED_OUT=64, ROWS=8, COLUMNS=16, BLOCK_OUT=64, BLOCK_IN=64, CHUNK=64, FILL=64, LANE=2)
flags = dict(ABOVE=1, BELOW=0, SILU=True, RESIDUAL=True, MEASURE=True, EXACT=False, GROUPS=32, GROUP_SIZE=2)
for phases, wide, norm in ((1, 3, True), (4, 2, False)):
    fixed = dict(sizes, **flags, PHASES=phases, WIDE=wide, NORM=norm)
    types = {name: "constexpr" if name in fixed else "i32" for name in conv_kernel.arg_names}
    types.update(dict.fromkeys(("x", "weight", "bias", "residual", "y", "scratch", "gamma", "beta"), "*bf16"))
    types.update(dict.fromkeys(("partials", "mean", "variance"), "*fp32"), epsilon="fp32")
    aligned = [i for i, name in enumerate(types) if name in ("inputs", "outputs") or types[name].startswith("*")]
    source = ASTSource(conv_kernel, types, fixed, {(i,): [["tt.divisibility", 16]] for i in aligned})
    made = triton.compile(source, target=HOPPER, options=dict(num_warps=4, num_stages=3))
    code = made.asm["ptx"]
    print("wgmma.mma_async" in code, "cp.async" in code, made.metadata.shared < 227 * 1024 // 2)
types = dict(partials="*fp32", mean="*fp32", variance="*fp32", size="i32", plane="i32", BLOCK="constexpr")
triton.compile(ASTSource(merge_kernel, types, dict(BLOCK=1024)), target=HOPPER)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="Triton's compiler is for Linux")
def test_it_compiles_for_hopper_with_tensor_cores_and_asynchronous_copies(tmp_path: Path) -> None:
    """The compiler needs no GPU; two programs must fit a multiprocessor's shared memory."""
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    environment["TRITON_CACHE_DIR"] = str(tmp_path)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", COMPILES],
        capture_output=True, text=True, timeout=300, check=False, env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.split() == 6 * ["True"]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("upsample", [False, True])
@pytest.mark.parametrize(("channels", "height", "width"), REAL_SIZES)
def test_at_real_sizes_on_a_gpu(channels: int, height: int, width: int, upsample: bool) -> None:
    case = Case(1, channels, channels, height, width, upsample=upsample, norm_groups=32, groups=32)
    case = replace(case, dtype=torch.bfloat16)
    a = arguments(case, "cuda")
    y, statistics = fused(case, a)
    exact = unfused(case, a.to(torch.float32)).double()
    assert error(y, exact) < ROUNDED
    assert statistics is not None
    stored = measure(y.double(), 32)
    torch.testing.assert_close(statistics.variance.double(), stored.variance, rtol=1e-4, atol=0)
    torch.testing.assert_close(statistics.mean.double(), stored.mean, rtol=1e-4, atol=1e-5)
    assert torch.equal(y, fused(case, a)[0])


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_it_replays_in_a_cuda_graph() -> None:
    case = Case(1, 128, 128, 45, 30, norm_groups=32, groups=32, dtype=torch.bfloat16)
    a = arguments(case, "cuda")
    expected, _ = fused(case, a)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        y, _ = fused(case, a)
    graph.replay()
    assert torch.equal(y, expected)
