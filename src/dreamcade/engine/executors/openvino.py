"""OpenVINO: the quickest way found through these networks on a CPU.

It compiles each network for this processor: weights packed, elementwise work folded into the products before it, no
memory taken per frame, bfloat16 where the processor multiplies it. The networks stay as they are written; their graphs
are traced. What measures and applies motion stays in float32, as everywhere.
"""

from __future__ import annotations

import contextlib
import threading
import warnings
from typing import Any

import torch
from torch import Tensor

from dreamcade.codec import Codec
from dreamcade.dynamics import Dynamics
from dreamcade.dynamics.dynamics import Abandoned, Context
from dreamcade.dynamics.transformer import GoOn
from dreamcade.engine.executors.graphs import Draw, Embed, Refine
from dreamcade.engine.executors.openvino_runtime import TorchScriptPythonDecoder, frontend, openvino, opset
from dreamcade.kernels.names import Kernels

_TYPES = {torch.float32: openvino.Type.f32, torch.int64: openvino.Type.i64}

_LOOK_AGAIN = 1
"""Milliseconds between two looks at whether a pass is still wanted."""


class OpenVinoExecutor:
    """Copies of `dynamics` and `codec` (float32, on the CPU) as compiled graphs; `dtype` is what they multiply in.

    Rows are computed one after the other: a processor that is busy with one gains nothing from several at once, and
    so a batch makes bit for bit the frames that each row would make alone.
    """

    storage = torch.float32
    kernels = Kernels.OPENVINO
    lanes = 1

    def __init__(self, dynamics: Dynamics, codec: Codec, dtype: torch.dtype, steps: int) -> None:
        self._codec, self._dtype = codec, dtype
        # Compiled now, and not when first asked for: where that fails, something else plays.
        self._embed = Graph(Embed(dynamics), dtype if dynamics.movement is None else torch.float32)
        self._refine = Graph(Refine(dynamics, steps), dtype)
        self._draw = Graph(Draw(codec), dtype)
        self._embed.compile()

    @property
    def name(self) -> str:
        return f"OpenVINO, {str(self._dtype).removeprefix('torch.')}"

    def sample(self, context: Context, noise: Tensor, go_on: GoOn | None = None) -> Tensor:
        rows = range(len(context))
        return torch.cat([self._sample_row(context.row(i), noise[:, i : i + 1], go_on) for i in rows])

    def _sample_row(self, context: Context, noise: Tensor, go_on: GoOn | None) -> Tensor:
        memory = [part for layer in context.memory for part in layer]
        embedded = self._embed(context.recent, context.actions, go_on=go_on)
        given = (*embedded, context.actions, context.ages, context.latest, noise, *memory)
        return self._refine(*given, go_on=go_on)[0]

    def draw(self, latents: Tensor) -> Tensor:
        return torch.cat([self._codec.arrange(self._draw(latent[None])[0]) for latent in latents])


class Graph:
    """A traced module, compiled for each number of threads that it is called with; its inputs lie in one place."""

    def __init__(self, module: Embed | Refine | Draw, dtype: torch.dtype) -> None:
        self._model = convert(module)
        self._precision = "bf16" if dtype == torch.bfloat16 else "f32"
        self._inputs = [tensor.clone() for tensor in module.example()]
        self._requests: dict[int, Any] = {}
        self._running = threading.Lock()

    def __call__(self, *inputs: Tensor, go_on: GoOn | None = None) -> list[Tensor]:
        """Its outputs, in as many threads as PyTorch would use in this one. Where `go_on` says no, it is given up in
        its middle, with `Abandoned`."""
        with self._running:
            for place, tensor in zip(self._inputs, inputs, strict=True):
                place.copy_(tensor)
            request = self._request(torch.get_num_threads())
            _run(request, go_on)
            return [torch.from_numpy(output.data).clone() for output in request.output_tensors]

    def compile(self) -> None:
        """For as many threads as PyTorch would use in this one."""
        self._request(torch.get_num_threads())

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


def _run(request: Any, go_on: GoOn | None) -> None:
    """Computes; in this thread, unless somebody has to be asked meanwhile whether to go on."""
    if go_on is None:
        request.infer(share_outputs=True)
        return
    request.start_async()
    done = False
    try:
        while not (done := request.wait_for(_LOOK_AGAIN)):
            if not go_on():
                raise Abandoned
    finally:
        if not done:
            request.cancel()
            with contextlib.suppress(RuntimeError):  # which says that it was cancelled
                request.wait()


def convert(module: Embed | Refine | Draw) -> Any:
    """A module's graph, for inputs of the shapes of its example."""
    example = module.example()
    # Warnings tell of branches that a trace takes once and for all, and that tracing is an old way; graphs hold still.
    with warnings.catch_warnings(), torch.inference_mode(False), torch.no_grad():
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(module.eval(), example, check_trace=False)  # type: ignore[no-untyped-call]
        decoder = TorchScriptPythonDecoder(traced, example_input=example)  # the reader does not hold it
        reader = frontend.FrontEndManager().load_by_framework("pytorch")
        reader.add_extension(frontend.ConversionExtension("aten::linalg_solve_ex", _solve))
        model = reader.convert(reader.load(decoder))
    for parameter, tensor in zip(model.get_parameters(), example, strict=True):
        parameter.set_partial_shape(openvino.PartialShape(list(tensor.shape)))
        parameter.set_element_type(_TYPES[tensor.dtype])
    model.validate_nodes_and_infer_types()
    return model


def _solve(node: Any) -> list[Any]:
    """Small symmetric systems, made stiff: their inverse is as good as a solution."""
    inverse = opset.inverse(node.get_input(0), adjoint=False)
    solved = opset.matmul(inverse, node.get_input(1), False, False)
    return [solved.output(0), opset.constant(0, openvino.Type.i32).output(0)]
