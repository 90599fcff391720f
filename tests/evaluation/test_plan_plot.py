from __future__ import annotations

import dataclasses

import pytest

from dreamcade.cluster.devices import parse_devices
from dreamcade.cluster.report import report
from dreamcade.cluster.workload import Workload
from dreamcade.evaluation.plan_plot import COLOURS, plot_plan, regime

WORK = Workload(
    "round", 100, 50, tokens=120, heads=12, head_dim=8, depth=4, steps=2, context=4, attention="full",
    token_flops=9e11, head_flops=3e11, frame_flops=0.0, weight_bytes=1e9, cache_bytes=2e8, token_bytes=1e8,
    dit_activation_bytes=5e7, launches=100, frame_launches=10, exchanges=8, exchange_bytes=4e8, latent_bytes=1e5,
    decoder_flops=8e11, decoder_bytes=6e8, decoder_weight_bytes=1e8, decoder_activation_bytes=2e8, decoder_launches=40,
    decoder_rows=12, halo_bytes=2e6, halo_exchanges=10, decoder_reductions=5, skip=0.3,
)  # fmt: skip


@pytest.mark.parametrize(("devices", "players"), [("h200:1", 1), ("h200:6", 1), ("h200:8,rtx-4090:2", 9)])
def test_pictures(devices: str, players: int) -> None:
    asked = report(dataclasses.replace(WORK, tick_rate=20.0), parse_devices(devices), players=players)
    assert plot_plan(asked, published=[((3, 3), 19.0)]).startswith(b"\x89PNG")


def test_every_regime_has_a_colour() -> None:
    assert regime("DiT exchange") == "DiT exchange" and regime("DiT compute") == "DiT"
    assert (
        regime("decoder memory, one device for both") == "decoder"
        and regime("tick rate 25; behind it DiT") == "tick rate"
    )
    assert {regime(one.bottleneck) for one in report(WORK, parse_devices("h200:8")).plans} <= COLOURS.keys()
