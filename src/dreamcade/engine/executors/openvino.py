"""OpenVINO: the quickest way found through these networks on a CPU.

It compiles each network for this processor: weights packed, elementwise work folded into the products before it, no
memory taken per frame, bfloat16 where the processor multiplies it. The networks stay as they are written; their graphs
are traced. What measures and applies motion stays in float32, as everywhere.
"""

from __future__ import annotations

import threading
import warnings
from typing import Any

import openvino
import torch
from openvino import opset14
from openvino.frontend import ConversionExtension, FrontEndManager, NodeContext
from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder
from torch import Tensor

from dreamcade.codec import Codec
from dreamcade.dynamics import Dynamics
from dreamcade.dynamics.dynamics import Abandoned, Context
from dreamcade.dynamics.transformer import GoOn
from dreamcade.engine.executors.graphs import Denoise, Draw, Embed

_TYPES = {torch.float32: openvino.Type.f32, torch.int64: openvino.Type.i64}


class OpenVinoExecutor:
    """Copies of `dynamics` and `codec` (float32, on the CPU) as compiled graphs; `dtype` is what they multiply in.

    Rows are computed one after the other: a processor that is busy with one gains nothing from several at once, and
    so a batch makes bit for bit the frames that each row would make alone.
    """

    storage = torch.float32

    def __init__(self, dynamics: Dynamics, codec: Codec, dtype: torch.dtype) -> None:
        self._dynamics, self._codec, self._dtype = dynamics, codec, dtype
        precise = dtype if dynamics.movement is None else torch.float32
        self._embed = Graph(Embed(dynamics), precise)
        self._denoise = Graph(Denoise(dynamics), dtype)
        self._draw = Graph(Draw(codec), dtype)

    @property
    def name(self) -> str:
        return f"OpenVINO, {str(self._dtype).removeprefix('torch.')}"

    def sample(self, context: Context, noise: Tensor, go_on: GoOn | None = None) -> Tensor:
        levels = self._dynamics.levels(len(noise))
        rows = range(len(context))
        return torch.cat([self._sample_row(context.row(i), noise[:, i : i + 1], levels, go_on) for i in rows])

    def _sample_row(self, context: Context, noise: Tensor, levels: tuple[float, ...], go_on: GoOn | None) -> Tensor:
        memory = [part for layer in context.memory for part in layer]
        embedded, clean = self._embed(context.recent, context.actions), context.latest
        for step_noise, level in zip(noise, levels, strict=True):
            if go_on is not None and not go_on():
                raise Abandoned
            told = torch.full((1,), level)
            (clean,) = self._denoise(*embedded, context.actions, context.ages, clean, step_noise, told, *memory)
        return clean

    def draw(self, latents: Tensor) -> Tensor:
        return torch.cat([self._codec.arrange(self._draw(latent[None])[0]) for latent in latents])


class Graph:
    """A traced module, compiled for each number of threads that it is called with; its inputs lie in one place."""

    def __init__(self, module: Embed | Denoise | Draw, dtype: torch.dtype) -> None:
        self._model = convert(module)
        self._precision = "bf16" if dtype == torch.bfloat16 else "f32"
        self._inputs = [tensor.clone() for tensor in module.example()]
        self._requests: dict[int, Any] = {}
        self._running = threading.Lock()

    def __call__(self, *inputs: Tensor) -> list[Tensor]:
        """Its outputs, in as many threads as PyTorch would use in this one."""
        with self._running:
            for place, tensor in zip(self._inputs, inputs, strict=True):
                place.copy_(tensor)
            outputs = self._request(torch.get_num_threads()).infer(share_outputs=True)
            return [torch.from_numpy(output).clone() for output in outputs.values()]

    def _request(self, threads: int) -> Any:
        if threads not in self._requests:
            settings = {
                "INFERENCE_PRECISION_HINT": self._precision,
                "INFERENCE_NUM_THREADS": threads,
                "NUM_STREAMS": 1,
                # Two graphs that run at once would be pinned to the same cores.
                "ENABLE_CPU_PINNING": False,
            }
            request = openvino.Core().compile_model(self._model, "CPU", settings).create_infer_request()
            for i, place in enumerate(self._inputs):
                request.set_input_tensor(i, openvino.Tensor(place.numpy(), shared_memory=True))
            self._requests[threads] = request
        return self._requests[threads]


def convert(module: Embed | Denoise | Draw) -> openvino.Model:
    """A module's graph, for inputs of the shapes of its example."""
    example = module.example()
    # Warnings tell of branches that a trace takes once and for all, and that tracing is an old way; graphs hold still.
    with warnings.catch_warnings(), torch.inference_mode(False), torch.no_grad():
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(module.eval(), example, check_trace=False)  # type: ignore[no-untyped-call]
        decoder = TorchScriptPythonDecoder(traced, example_input=example)  # the frontend does not hold it
        frontend = FrontEndManager().load_by_framework("pytorch")
        frontend.add_extension(ConversionExtension("aten::linalg_solve", _solve))
        model = frontend.convert(frontend.load(decoder))
    for parameter, tensor in zip(model.get_parameters(), example, strict=True):
        parameter.set_partial_shape(openvino.PartialShape(list(tensor.shape)))
        parameter.set_element_type(_TYPES[tensor.dtype])
    model.validate_nodes_and_infer_types()
    return model


def _solve(node: NodeContext) -> list[Any]:
    """Small symmetric systems, made stiff: their inverse is as good as a solution."""
    inverse = opset14.inverse(node.get_input(0), adjoint=False)
    return [opset14.matmul(inverse, node.get_input(1), False, False).output(0)]
