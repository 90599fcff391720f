"""The bench of a whole decoder, at toy size."""

from __future__ import annotations

import json

import torch

from dreamcade.codec.convolutional import ConvolutionalDecoderConfig
from dreamcade.codec.decoder_timing import measure_decoder
from dreamcade.kernels.choice import using


def test_all_sides_decode_the_same_and_are_timed() -> None:
    config = ConvolutionalDecoderConfig(latent_channels=4, widths=(8, 8), resnets=1, groups=4)
    with using("reference"):
        found = measure_decoder(
            config, 12, 16, device=torch.device("cpu"), dtype=torch.float32, compiled=False, rounds=2, calls=1
        )
    assert json.loads(json.dumps(found)) == found
    assert set(found["ms"]) == {"fused", "eager, channels first", "eager, channels last"}
    assert all(error < 1e-5 for error in found["errors"].values())
    assert found["speedup"]["eager, channels last"] == found["ms"]["eager, channels last"] / found["ms"]["fused"]
    assert 0 < found["bytes"]["fused"] < found["bytes"]["unfused"]
