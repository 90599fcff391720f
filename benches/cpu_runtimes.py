"""One world's networks by every runtime that a CPU has for them, in one run: python benches/cpu_runtimes.py racing.

Needs, besides dreamcade: pip install onnx onnxscript onnxruntime, and a C++ compiler for torch.compile. Rounds are
interleaved, so that whatever else the machine does meets all of them; printed are milliseconds, median (least), and the
largest difference to PyTorch in float32.
"""

from __future__ import annotations

import argparse
import copy
import io
import pathlib
import tempfile
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from dreamcade.engine.executors.graphs import Draw, Embed, Refine
from dreamcade.engine.executors.openvino import Graph
from dreamcade.world import World

Run = Callable[[], Any]


def inputs_of(module: Embed | Refine | Draw) -> tuple[Tensor, ...]:
    """Plausible numbers in the shapes of its example."""
    torch.manual_seed(0)
    given = module.example()
    return tuple(torch.rand_like(t) * 2 - 1 if t.is_floating_point() else torch.arange(t.numel())[None] for t in given)


def eager(module: nn.Module, inputs: tuple[Tensor, ...], dtype: torch.dtype) -> Run:
    own = copy.deepcopy(module).to(dtype).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    cast = [t.to(dtype) if t.is_floating_point() else t for t in inputs]
    return lambda: own(*cast)


def compiled(module: nn.Module, inputs: tuple[Tensor, ...], dtype: torch.dtype) -> Run:
    import torch._inductor.config

    torch._inductor.config.freezing = True
    own = copy.deepcopy(module).to(dtype).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    cast = [t.to(dtype) if t.is_floating_point() else t for t in inputs]
    fast = torch.compile(own)
    began = time.perf_counter()
    fast(*cast)
    print(f"  compiled in {time.perf_counter() - began:.0f} s")
    return lambda: fast(*cast)


def onnx(module: nn.Module, inputs: tuple[Tensor, ...], threads: int, eight_bits: bool) -> Run:
    import onnxruntime
    from onnxruntime.quantization import QuantType, quantize_dynamic

    file = io.BytesIO()
    torch.onnx.export(module, inputs, file, dynamo=False, opset_version=20)
    model: Any = file.getvalue()
    if eight_bits:
        with tempfile.TemporaryDirectory() as folder:
            whole, small = pathlib.Path(folder, "whole.onnx"), pathlib.Path(folder, "small.onnx")
            whole.write_bytes(model)
            quantize_dynamic(
                whole, small, weight_type=QuantType.QInt8, per_channel=True, op_types_to_quantize=["MatMul"]
            )
            model = small.read_bytes()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    fed = {given.name: tensor.numpy() for given, tensor in zip(session.get_inputs(), inputs, strict=False)}
    return lambda: [torch.from_numpy(output) for output in session.run(None, fed)]


def openvino(module: Any, inputs: tuple[Tensor, ...], dtype: torch.dtype) -> Run:
    graph = Graph(module, dtype)
    return lambda: graph(*inputs)


def compare(module: Any, threads: int, rounds: int, with_compile: bool) -> None:
    """Prints a line per runtime."""
    inputs = inputs_of(module)
    wanted: dict[str, Callable[[], Run]] = {
        "PyTorch, float32": lambda: eager(module, inputs, torch.float32),
        "PyTorch, bfloat16": lambda: eager(module, inputs, torch.bfloat16),
        "ONNX Runtime, float32": lambda: onnx(module, inputs, threads, False),
        "ONNX Runtime, int8 products": lambda: onnx(module, inputs, threads, True),
        "OpenVINO, float32": lambda: openvino(module, inputs, torch.float32),
        "OpenVINO, bfloat16": lambda: openvino(module, inputs, torch.bfloat16),
    }
    if with_compile:
        wanted["torch.compile, bfloat16"] = lambda: compiled(module, inputs, torch.bfloat16)
    runs: dict[str, Run] = {}
    for name, make in wanted.items():
        try:
            runs[name] = make()
            runs[name]()
        except Exception as error:
            print(f"  {name}: cannot ({str(error).strip().splitlines()[0][:100]})")
            runs.pop(name, None)
    reference = _first(runs["PyTorch, float32"]())
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            run()
            began = time.perf_counter()
            run()
            times[name].append((time.perf_counter() - began) * 1000)
    for name, taken in times.items():
        off = (_first(runs[name]()).double() - reference.double()).abs().max()
        print(f"  {name:<30} {np.median(taken):6.2f} ({min(taken):.2f}) ms   off by at most {off:.2g}")


def _first(outputs: Any) -> Tensor:
    return outputs if isinstance(outputs, Tensor) else outputs[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("world")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--compile", action="store_true")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(given.threads)
    world = World.load(given.world)
    dynamics = world.dynamics.eval().requires_grad_(False)
    codec = world.codec.eval().requires_grad_(False)
    steps = world.manifest.sampling_steps
    parts = {
        "embed": Embed(dynamics),
        f"refine, {steps} steps": Refine(dynamics, steps),
        "draw, without the last reordering of bytes": Draw(codec),
    }
    with torch.inference_mode():
        for name, module in parts.items():
            print(f"{given.world}: {name}, {given.threads} thread(s)")
            compare(module, given.threads, given.rounds, given.compile)


if __name__ == "__main__":
    main()
