from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from dreamcade.evaluation.roofline_counts import NOTHING, Work, count

aten = torch.ops.aten


def meta(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.empty(shape, device="meta", dtype=dtype)


def work(function: Any, *args: Any, **kwargs: Any) -> Work:
    return count(function, args, kwargs, function(*args, **kwargs))


def test_products() -> None:
    # 54 tokens through 192 → 576: 2·54·192·576 operations; both operands once, the result once.
    tokens, weight, bias = meta(1, 54, 192, dtype=torch.bfloat16), meta(576, 192, dtype=torch.bfloat16), meta(576)
    with torch.inference_mode():
        expected = Work(2 * 54 * 192 * 576, 2 * (54 * 192 + 576 * 192), 2 * 54 * 576)
        assert work(aten.linear.default, tokens, weight) == expected
    assert work(aten.mm.default, meta(3, 5), meta(5, 7)) == Work(210, 4 * (15 + 35), 4 * 21)
    assert work(aten.addmm.default, bias, meta(3, 5), meta(5, 576)).flops == 2 * 3 * 5 * 576
    assert work(aten.bmm.default, meta(2, 3, 5), meta(2, 5, 7)) == Work(420, 4 * (30 + 70), 4 * 42)


def test_convolutions() -> None:
    pictures, weight = meta(1, 8, 10, 12), meta(16, 8, 3, 3)
    expected = Work(2 * 16 * 120 * 72, 4 * (8 * 120 + 16 * 72), 4 * 16 * 120)
    with torch.inference_mode():
        assert work(aten.conv2d.default, pictures, weight, None, [1, 1], [1, 1]) == expected
    assert work(aten.convolution.default, pictures, weight, None, [1, 1], [1, 1], [1, 1], False, [0, 0], 1) == expected
    grouped = work(aten.convolution.default, pictures, meta(8, 1, 3, 3), None, [1, 1], [1, 1], [1, 1], False, [0, 0], 8)
    assert grouped.flops == 2 * 8 * 120 * 9
    back = (meta(1, 8, 5, 6), meta(8, 4, 2, 2), None, [2, 2], [0, 0], [1, 1], True, [0, 0], 1)
    assert work(aten.convolution.default, *back).flops == 2 * (8 * 30) * (4 * 4)


def test_attention() -> None:
    query, key, value = meta(1, 6, 54, 32), meta(1, 6, 40, 32), meta(1, 6, 40, 32)
    with torch.inference_mode():
        found = work(aten.scaled_dot_product_attention.default, query, key, value)
    assert found == Work(4 * 6 * 54 * 40 * 32, 4 * 6 * 32 * (54 + 40 + 40), 4 * 6 * 54 * 32)


def test_layer_norm() -> None:
    with torch.inference_mode():
        assert work(aten.layer_norm.default, meta(54, 192), [192]) == Work(8 * 54 * 192, 4 * 54 * 192, 4 * 54 * 192)
    # Taken apart, it also writes means and deviations.
    apart = work(aten.native_layer_norm.default, meta(54, 192), [192], meta(192), meta(192), 1e-5)
    assert apart == Work(8 * 54 * 192, 4 * (54 * 192 + 2 * 192), 4 * (54 * 192 + 2 * 54))


def test_views_move_nothing_and_copies_do() -> None:
    x = meta(4, 6)
    assert work(aten.view.default, x, [24]) == NOTHING
    assert work(aten.permute.default, x, [1, 0]) == NOTHING
    assert work(aten.unbind.int, x) == NOTHING
    assert work(aten.empty_like.default, x) == NOTHING
    with torch.inference_mode():
        assert work(aten.reshape.default, x, [24]) == NOTHING
        assert work(aten.reshape.default, x.mT, [24]) == Work(0, 96, 96)
        assert work(aten.to.dtype, x, torch.float32) == NOTHING
        assert work(aten.to.dtype, x, torch.bfloat16) == Work(0, 96, 48)
    assert work(aten.cat.default, [x, x.clone()]) == Work(0, 192, 192)


def test_in_place() -> None:
    x, y = meta(4, 6), meta(4, 6)
    assert work(aten.add_.Tensor, x, y) == Work(24, 192, 96)
    assert work(aten.relu_.default, x) == Work(24, 96, 96)
    assert work(aten.copy_.default, x, y) == Work(0, 96, 96)
    assert work(aten.fill_.Scalar, x, 1.0) == Work(0, 0, 96)
    assert work(aten.add.out, x, y, out=meta(4, 6)) == Work(24, 192, 96)


def test_what_is_read_twice_or_repeated_counts_once() -> None:
    x = meta(4, 6)
    assert work(aten.mul.Tensor, x, x) == Work(24, 96, 96)
    row = meta(1, 6).expand(4, 6)
    assert work(aten.add.Tensor, x, row) == Work(24, 96 + 24, 96)
    windows = meta(10).unfold(0, 4, 1)  # 7×4, of ten numbers
    assert work(aten.neg.default, windows) == Work(28, 40, 112)


def test_gathering_reads_what_it_takes() -> None:
    table, rows = meta(1000, 8), torch.empty(3, device="meta", dtype=torch.int64)
    assert work(aten.index_select.default, table, 0, rows) == Work(0, 3 * 32 + 24, 3 * 32)
    put = work(aten.index_put_.default, table, [rows], meta(3, 8))
    assert put == Work(0, 24 + 96, 96)


def test_whole_numbers_are_no_flops() -> None:
    assert work(aten.add.Scalar, torch.empty(9, device="meta", dtype=torch.int64), 1) == Work(0, 72, 72)


def test_a_quantized_tensor_is_its_codes_and_scales() -> None:
    codes, scales = torch.zeros(16, 8, dtype=torch.int8), torch.ones(16, 1)
    with torch.inference_mode():
        found = count(aten.linear.default, (meta(2, 8), Quantized(codes, scales)), {}, meta(2, 16))
    assert found == Work(2 * 2 * 8 * 16, 64 + 128 + 64, 128)


class Quantized(torch.Tensor):
    codes: Tensor
    scales: Tensor

    @staticmethod
    def __new__(cls, codes: Tensor, scales: Tensor) -> Quantized:
        return Tensor._make_wrapper_subclass(cls, codes.shape, dtype=scales.dtype)  # type: ignore[attr-defined,no-any-return]

    def __init__(self, codes: Tensor, scales: Tensor) -> None:
        self.codes, self.scales = codes, scales

    def __tensor_flatten__(self) -> tuple[list[str], None]:
        return ["codes", "scales"], None

    @staticmethod
    def __tensor_unflatten__(inner: dict[str, Tensor], _meta: None, _size: Any, _stride: Any) -> Quantized:
        return Quantized(inner["codes"], inner["scales"])

    @classmethod
    def __torch_dispatch__(cls, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        raise NotImplementedError(function)


@pytest.mark.parametrize("features", [3, 8])
def test_products_agree_with_pytorchs_own_counter(features: int) -> None:
    """Of a small network with everything in it that multiplies."""
    from torch.utils.flop_counter import FlopCounterMode

    layers = torch.nn.Sequential(
        torch.nn.Conv2d(3, features, 3, padding=1), torch.nn.ConvTranspose2d(features, 4, 2, stride=2),
        torch.nn.Flatten(), torch.nn.Linear(4 * 64, 5),
    )  # fmt: skip
    total = 0

    class Adding(TorchDispatchMode):
        def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            nonlocal total
            out = function(*args, **(kwargs or {}))
            total += count(function, args, kwargs or {}, out).flops
            return out

    x = torch.randn(2, 3, 4, 4)
    with torch.no_grad(), Adding():
        layers(x)
    with FlopCounterMode(display=False) as counter:
        layers(x)
    assert total == counter.get_total_flops()
