"""A workload and devices in round numbers, so that expectations can be worked out by hand."""

from __future__ import annotations

import pytest

from dreamcade.cluster.devices import DeviceKind
from dreamcade.cluster.workload import Workload

ROUND = Workload(
    "round", 100, 50, tokens=120, heads=12, head_dim=8, depth=4, steps=2, context=4, attention="full",
    token_flops=9e9, head_flops=3e9, frame_flops=0.0, weight_bytes=1e9, cache_bytes=2e8, token_bytes=1e8,
    dit_activation_bytes=5e7, launches=100, frame_launches=10, exchanges=8, exchange_bytes=4e8, latent_bytes=1e5,
    decoder_flops=8e9, decoder_bytes=6e8, decoder_weight_bytes=1e8, decoder_activation_bytes=2e8, decoder_launches=40,
    decoder_rows=12, halo_bytes=2e6, halo_exchanges=10, decoder_reductions=5,
)  # fmt: skip


@pytest.fixture
def workload() -> Workload:
    return ROUND


@pytest.fixture
def kind() -> DeviceKind:
    """10 TFLOP/s, 1 TB/s, 16 GB, 100 GB/s, 10 µs an exchange, 1 µs a launch, four to a machine."""
    return DeviceKind("toy", 1e13, 1e12, 16e9, 1e11, 1e-5, 1e9, 1e-4, 1e-6, 4, "for tests")
