"""The planner's sums against those that are counted byte for byte where they are sent."""

from __future__ import annotations

import pytest
import torch

from dreamcade.cluster.costs import exchange_seconds
from dreamcade.cluster.counting import count_borders
from dreamcade.cluster.devices import KINDS
from dreamcade.cluster.exchange_bytes import (
    diffusion_exchanges,
    diffusion_sent_bytes,
    world_exchanges,
    world_sent_bytes,
)
from dreamcade.cluster.rates import rates_of
from dreamcade.cluster.strip_costs import codec_messages
from dreamcade.cluster.workload import Workload
from dreamcade.cluster.world_workload import world_workload
from dreamcade.codec import Codec, CodecConfig
from dreamcade.dynamics.diffusion_config import FACTORISED, FULL
from dreamcade.evaluation.paper.presets import paper_preset
from dreamcade.evaluation.paper.workload import paper_workload
from dreamcade.world import World


def seconds(sent: float, exchanges: int) -> float:
    kind = KINDS["h200"]
    return sent / kind.link + exchanges * kind.link_latency


def planned(workload: Workload, ranks: int) -> float:
    return exchange_seconds(workload, rates_of(KINDS["h200"], workload), ranks, 1)


@pytest.mark.parametrize("ranks", [2, 3, 4, 5, 7, 8])
@pytest.mark.parametrize("attention", [FULL, FACTORISED])
def test_exchanges_of_the_paper_s_dynamics(attention: str, ranks: int) -> None:
    preset = paper_preset("paper-racing")
    config, workload = preset.dynamics(attention, 2), paper_workload(preset, attention, steps=2)
    sent = max(diffusion_sent_bytes(config, ranks, rank) for rank in range(ranks))
    assert planned(workload, ranks) == pytest.approx(seconds(sent, diffusion_exchanges(config)), rel=0.02)


def test_exchanges_of_a_world(tiny_world: World) -> None:
    config = tiny_world.dynamics.config
    sent = max(world_sent_bytes(config, 2, rank, size=2) for rank in range(2))
    assert planned(world_workload(tiny_world), 2) == pytest.approx(seconds(sent, world_exchanges(config)), rel=0.02)


@pytest.mark.parametrize("config", [CodecConfig(), CodecConfig(240, 320, reduction=1, fold=8)])
def test_borders_of_a_codec(config: CodecConfig) -> None:
    codec, latents = Codec(config).eval(), torch.zeros(1, *config.latent_shape)
    with torch.no_grad(), count_borders(codec.decoder, *([codec.detail] if codec.detail else [])) as borders:
        codec.decode_pixels(latents)
    messages = codec_messages(config, 2)
    assert borders.exchanges == len(messages)
    assert borders.bytes == 2 * sum(message.row for message in messages)
    assert borders.reductions == borders.gathered == 0
