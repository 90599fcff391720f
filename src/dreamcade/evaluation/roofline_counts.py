"""What an operation has to do, from its tensors' shapes alone: floating-point operations, and bytes read and written.

Conventions: a product of M×K by K×N is 2·M·N·K operations, and its bias, or the softmax between an attention's two
products, counts for nothing (as in `torch.utils.flop_counter`); all else costs a few operations per element. What is
not PyTorch's own counts as was registered with `torch.utils.flop_counter.register_flop_formula`. Every tensor that goes
in is read once and every one that comes out is written once. A view moves nothing. So bytes are those of tensors: what
really crosses a chip's edge is less where they stay in a cache, and more where one does not fit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor
from torch._ops import OpOverload
from torch.utils._python_dispatch import is_traceable_wrapper_subclass
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry


@dataclass(frozen=True, slots=True)
class Work:
    """Floating-point operations, bytes read, bytes written."""

    flops: int
    read: int
    written: int

    @property
    def bytes(self) -> int:
        return self.read + self.written


NOTHING = Work(0, 0, 0)


def count(function: OpOverload, args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> Work:
    """The work of `function(*args, **kwargs)` that returned `out`; reads no element, so tensors may be on `meta`."""
    inputs, mutated = operands(function, args, kwargs)
    results = tensors_in(out)
    known = {storage(tensor) for tensor in inputs}
    fresh = [tensor for tensor in results if storage(tensor) not in known]
    name = base_name(function)
    if name in _FREE or (results and not fresh and not mutated):
        return NOTHING
    if function.overloadpacket in flop_registry and function.namespace != "aten":
        flops = int(flop_registry[function.overloadpacket](*args, **kwargs, out_val=out))
    else:
        flops = _flops(name, args, kwargs, inputs, [*fresh, *mutated])
    if name in _SCATTERS:
        read = tensor_bytes(t for t in inputs if t is not inputs[0])
        values = [t for t in inputs[1:] if t.dtype == inputs[0].dtype]
        return Work(flops, read, min(tensor_bytes(inputs[:1]), tensor_bytes(values) or tensor_bytes(inputs[:1])))
    if name in _GATHERS:
        read = min(tensor_bytes(inputs[:1]), tensor_bytes(fresh)) + tensor_bytes(inputs[1:])
        return Work(flops, read, tensor_bytes([*fresh, *mutated]))
    overwritten = mutated if name in _OVERWRITES or "out" in kwargs else []
    read = tensor_bytes(t for t in inputs if not any(t is other for other in overwritten))
    return Work(flops, read, tensor_bytes([*fresh, *mutated]))


def operands(function: OpOverload, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[list[Tensor], list[Tensor]]:
    """All tensors that go in, in order, and those of them that are changed in place."""
    given = [(a, args[i] if i < len(args) else kwargs.get(a.name)) for i, a in enumerate(function._schema.arguments)]
    inputs, mutated = [], []
    for argument, value in given:
        tensors = tensors_in(value)
        inputs += tensors
        if argument.alias_info is not None and argument.alias_info.is_write:
            mutated += tensors
    return inputs, mutated


def base_name(function: OpOverload) -> str:
    """`add` for `aten.add_.Tensor`: the operation, wherever its result goes."""
    name: str = function._schema.name.rpartition("::")[2]
    return name.removesuffix("_")


def storage(tensor: Tensor) -> int:
    """A number for the memory that `tensor` lies in: tensors that share memory share it."""
    return int(tensor.untyped_storage()._cdata)


def tensor_bytes(tensors: Iterable[Tensor]) -> int:
    """Bytes of all of them; what is given twice, and what is repeated by a stride of 0 or overlaps, counts once."""
    seen: dict[tuple[Any, ...], int] = {}
    for tensor in tensors:
        seen[storage(tensor), tensor.storage_offset(), tensor.shape, tensor.stride()] = extent(tensor)
    return sum(seen.values())


def extent(tensor: Tensor) -> int:
    """Different bytes that `tensor` (strided) covers."""
    if not tensor.numel():
        return 0
    axes = list(zip(tensor.shape, tensor.stride(), strict=True))
    different = math.prod(size for size, stride in axes if stride)
    reach = 1 + sum((size - 1) * stride for size, stride in axes)
    return int(min(different, reach)) * tensor.element_size()


def tensors_in(values: Any) -> list[Tensor]:
    """The plain tensors in nested `values`; a quantized one is several (codes, scales, …)."""
    return [part for leaf in tree_leaves(values) if isinstance(leaf, Tensor) for part in _parts(leaf)]


def _parts(tensor: Any) -> list[Tensor]:
    if not is_traceable_wrapper_subclass(tensor):
        return [tensor]
    names, _ = tensor.__tensor_flatten__()
    return [part for name in names for part in _parts(getattr(tensor, name))]


def _flops(
    name: str, args: Sequence[Any], kwargs: Mapping[str, Any], inputs: Sequence[Tensor], results: Sequence[Tensor]
) -> int:
    if not any(t.is_floating_point() or t.is_complex() for t in (*inputs, *results)) and name not in _PRODUCTS:
        return 0
    if name in _PRODUCTS:
        return 2 * results[0].numel() * int(args[_PRODUCTS[name]].shape[-1])
    if name in _FORMULAS:
        return _FORMULAS[name](args, kwargs, results[0])
    if name in _PER_INPUT:
        return _PER_INPUT[name] * inputs[0].numel()
    return _PER_RESULT.get(name, 1) * (results[0].numel() if results else inputs[0].numel())


def _convolution(args: Sequence[Any], kwargs: Mapping[str, Any], out: Tensor) -> int:
    transposed = bool(args[6]) if len(args) > 6 else False
    return _transposed(args, kwargs, out) if transposed else 2 * out.numel() * int(args[1][0].numel())


def _plain_convolution(args: Sequence[Any], kwargs: Mapping[str, Any], out: Tensor) -> int:
    return 2 * out.numel() * int(args[1][0].numel())


def _transposed(args: Sequence[Any], kwargs: Mapping[str, Any], out: Tensor) -> int:
    return 2 * int(args[0].numel()) * int(args[1][0].numel())


def _attention(args: Sequence[Any], kwargs: Mapping[str, Any], out: Tensor) -> int:
    query, key, value = args[:3]
    pairs = math.prod(query.shape[:-1]) * key.shape[-2]
    return int(2 * pairs * (query.shape[-1] + value.shape[-1]))


def _grid_sample(args: Sequence[Any], kwargs: Mapping[str, Any], out: Tensor) -> int:
    """Bicubic (2): 16 taps and their weights; bilinear: 4."""
    return out.numel() * (40 if args[2] == 2 else 12)


_PRODUCTS = {
    "mm": 0, "bmm": 0, "matmul": 0, "linear": 0, "mv": 0, "dot": 0, "addmm": 1, "addmv": 1, "baddbmm": 1, "_int_mm": 0,
    "_scaled_mm": 0, "_weight_int4pack_mm": 0, "_weight_int8pack_mm": 0, "_addmm_activation": 1,
}  # fmt: skip
"""Which argument's last axis is summed over."""
_FORMULAS: dict[str, Callable[[Sequence[Any], Mapping[str, Any], Tensor], int]] = {
    "convolution": _convolution, "_convolution": _convolution, "grid_sampler_2d": _grid_sample,
    **dict.fromkeys(("conv1d", "conv2d", "conv3d"), _plain_convolution),
    **dict.fromkeys(("conv_transpose1d", "conv_transpose2d", "conv_transpose3d"), _transposed),
    **dict.fromkeys((
        "scaled_dot_product_attention", "_scaled_dot_product_flash_attention",
        "_scaled_dot_product_flash_attention_for_cpu", "_scaled_dot_product_efficient_attention",
        "_scaled_dot_product_cudnn_attention", "_scaled_dot_product_fused_attention_overrideable",
    ), _attention),
}  # fmt: skip
_PER_INPUT = {
    "layer_norm": 8, "native_layer_norm": 8, "group_norm": 8, "native_group_norm": 8, "rms_norm": 5,
    "_fused_rms_norm": 5, "batch_norm": 4, "native_batch_norm": 4, "softmax": 5, "_softmax": 5, "log_softmax": 5,
    "_log_softmax": 5, "var": 3, "std": 3, "var_mean": 4, "linalg_vector_norm": 2,
    **dict.fromkeys((
        "sum", "mean", "amax", "amin", "max", "min", "argmax", "argmin", "any", "all", "prod", "cumsum", "avg_pool2d",
        "max_pool2d", "adaptive_avg_pool2d", "_adaptive_avg_pool2d", "topk", "sort", "isfinite",
    ), 1),
}  # fmt: skip
"""Operations per element that goes in: norms and reductions."""
_PER_RESULT = {
    "addcmul": 2, "addcdiv": 2, "lerp": 3, "silu": 5, "gelu": 8, "mish": 8, "sigmoid": 4, "tanh": 4, "softplus": 4,
    "upsample_bilinear2d": 8, "upsample_bicubic2d": 40,
    **dict.fromkeys((
        "clone", "copy", "contiguous", "to", "_to_copy", "cat", "stack", "reshape", "flatten", "fill", "zero", "zeros",
        "ones", "full", "zeros_like", "ones_like", "full_like", "new_zeros", "new_ones", "new_full", "arange", "repeat",
        "index", "index_select", "gather", "embedding", "take", "index_put", "scatter", "index_copy", "roll", "flip",
        "pad", "constant_pad_nd", "replication_pad2d", "reflection_pad2d", "pixel_shuffle", "pixel_unshuffle",
        "channel_shuffle", "upsample_nearest2d", "_local_scalar_dense", "lift_fresh", "im2col", "col2im", "select",
        "slice", "tril", "triu", "eye", "scalar_tensor", "normal", "uniform", "randn", "rand", "slice_scatter",
    ), 0),
}  # fmt: skip
"""Operations per element that comes out; 1 where nothing is said."""
_FREE = {
    "empty", "empty_like", "new_empty", "empty_strided", "new_empty_strided", "empty_permuted", "resize", "detach",
    "set", "squeeze", "unsqueeze", "transpose", "t", "as_strided",
}  # fmt: skip
"""Allocates, or changes how a tensor is seen: no element is touched."""
_OVERWRITES = {"copy", "fill", "zero", "normal", "uniform", "random"}
"""Changed in place, but what was there is not read."""
_GATHERS = {"index", "index_select", "gather", "embedding", "take"}
"""Of the first tensor only what is taken is read."""
_SCATTERS = {"index_put", "scatter", "index_copy", "_index_put_impl"}
"""Of the first tensor only what is put is written."""
