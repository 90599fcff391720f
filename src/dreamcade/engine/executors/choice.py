"""Which executor plays a world on a device."""

from __future__ import annotations

import importlib.util
import logging
import platform
from functools import cache

import torch

from dreamcade.codec import Codec
from dreamcade.core.errors import BadInputError, MissingExtraError
from dreamcade.dynamics import Dynamics
from dreamcade.engine.executors.capture import CapturedExecutor
from dreamcade.engine.executors.eager import EagerExecutor
from dreamcade.engine.executors.executor import Executor
from dreamcade.kernels.names import Kernels

logger = logging.getLogger(__name__)
_MEASURED = {"x86_64", "AMD64"}
"""Processors on which OpenVINO was found to be the quickest; elsewhere it runs where it is asked for."""


def choose_executor(dynamics: Dynamics, codec: Codec, dtype: torch.dtype, kernels: Kernels, steps: int) -> Executor:
    """Plays `dynamics` and `codec` (float32, in evaluation mode; taken over) where they are, in `dtype`.

    Raises `MissingExtraError` where OpenVINO is asked for and not installed, `BadInputError` for it on another device
    than the CPU, and for Triton: a world is captured or compiled whole.
    """
    on_cpu = codec.mean.device.type == "cpu"
    if kernels is Kernels.TRITON:
        raise BadInputError("no operation of a world is a Triton kernel; use --kernels auto, openvino or reference")
    if kernels is Kernels.OPENVINO:
        if not on_cpu:
            raise BadInputError("OpenVINO runs worlds on the CPU; use --device cpu, or --kernels auto")
        if not has_openvino():
            raise MissingExtraError("--kernels openvino", "openvino")
        return _openvino(dynamics, codec, dtype, steps)
    if kernels is Kernels.AUTO and on_cpu and has_openvino() and platform.machine() in _MEASURED:
        try:
            return _openvino(dynamics, codec, dtype, steps)
        except Exception as error:  # a network with an operation that OpenVINO does not know still plays
            reason = (str(error).strip() or type(error).__name__).splitlines()[-1]
            logger.warning("OpenVINO cannot run this world (%s); PyTorch does, slower", reason)
    plain = EagerExecutor(dynamics.to(dtype), codec.to(dtype))
    return plain if on_cpu or kernels is Kernels.REFERENCE else CapturedExecutor(plain)


def _openvino(dynamics: Dynamics, codec: Codec, dtype: torch.dtype, steps: int) -> Executor:
    from dreamcade.engine.executors.openvino import OpenVinoExecutor

    return OpenVinoExecutor(dynamics, codec, dtype, steps)


@cache
def has_openvino() -> bool:
    """Whether OpenVINO is installed; it is imported only where it runs."""
    return importlib.util.find_spec("openvino") is not None
