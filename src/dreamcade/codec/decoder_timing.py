"""How fast a convolutional decoder is in fused kernels, beside PyTorch's own operators and its compiler."""

from __future__ import annotations

from typing import Any

import torch

from dreamcade.codec.convolutional import ConvolutionalDecoder, ConvolutionalDecoderConfig
from dreamcade.codec.decoder_traffic import decoder_traffic
from dreamcade.codec.fused_convolutional import FusedDecoder
from dreamcade.kernels.decoder_block_timing import CALLS, ROUNDS, Run, milliseconds


@torch.no_grad()
def measure_decoder(
    config: ConvolutionalDecoderConfig, height: int, width: int, *, device: torch.device,
    dtype: torch.dtype = torch.bfloat16, compiled: bool = True, rounds: int = ROUNDS, calls: int = CALLS,
) -> dict[str, Any]:  # fmt: skip
    """Milliseconds a frame of latents `[1, c, height, width]`, random weights, as JSON values.

    Eager PyTorch runs in both memory orders, its compiler with maps channels-last. On CUDA all replay as CUDA graphs.
    Errors are norms against float32, over the frame's.
    """
    torch.manual_seed(0)
    decoder = ConvolutionalDecoder(config).eval().to(device)
    latents = torch.randn(1, config.latent_channels, height, width, device=device, dtype=dtype)
    exact = decoder(latents.float())
    first = decoder.to(dtype)
    fused = FusedDecoder(first)
    last = ConvolutionalDecoder(config).eval().to(device, dtype)
    last.load_state_dict(first.state_dict())
    last = last.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    across = latents.contiguous(memory_format=torch.channels_last)
    sides: dict[str, Run] = {
        "fused": lambda: fused(latents),
        "eager, channels first": lambda: first(latents),
        "eager, channels last": lambda: last(across),
    }
    if compiled:
        quick = torch.compile(last, dynamic=False)
        sides["compiled"] = lambda: quick(across)  # type: ignore[no-untyped-call]
    times = {name: milliseconds(run, device, rounds, calls) for name, run in sides.items()}
    errors = {name: float((run().float() - exact).norm() / exact.norm()) for name, run in sides.items()}
    parts = decoder_traffic(config, height, width, dtype=dtype)
    return {
        "latents": [config.latent_channels, height, width], "dtype": str(dtype).removeprefix("torch."), "ms": times,
        "speedup": {name: ms / times["fused"] for name, ms in times.items() if name != "fused"}, "errors": errors,
        "bytes": {side: sum(getattr(part, side).bytes for part in parts) for side in ("unfused", "fused")},
        "cuda_graphs": device.type == "cuda",
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "torch": torch.__version__,
    }  # fmt: skip
