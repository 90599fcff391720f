from __future__ import annotations

import pytest

from dreamcade.cluster.devices import parse_devices
from dreamcade.cluster.planner import plan
from dreamcade.core.errors import BadInputError
from dreamcade.evaluation.paper.counts import DECODE, PASS, stage_work
from dreamcade.evaluation.paper.models import build_dynamics, plain_decoder
from dreamcade.evaluation.paper.presets import PAPER_PRESETS, paper_preset
from dreamcade.evaluation.paper.workload import paper_workload
from dreamcade.world.low_bits import weight_bytes

RACING = PAPER_PRESETS["paper-racing"]


@pytest.mark.parametrize("attention", ["factorised", "full"])
@pytest.mark.parametrize("decoder", ["convolutional", "light"])
def test_it_counts_what_the_bench_counts(attention: str, decoder: str) -> None:
    work, stages = paper_workload(RACING, attention, decoder, 2), stage_work(RACING, attention, decoder)
    assert work.pass_flops == stages[PASS].flops and work.steps == 2
    assert work.decoder_flops == stages[DECODE].flops
    assert work.token_bytes + work.cache_bytes < stages[PASS].bytes < 2 * (work.token_bytes + work.cache_bytes)
    assert work.latent_bytes == 2 * 16 * 60 * 90  # what the room's notes call 172 KB


def test_weights_and_activations_are_those_of_the_models() -> None:
    import torch

    small = paper_preset("paper-racing", 15)
    work, device = paper_workload(small), torch.device("cpu")
    assert work.weight_bytes == pytest.approx(weight_bytes(build_dynamics(small, device)), rel=0.02)
    assert work.decoder_weight_bytes == weight_bytes(plain_decoder(small, device))
    assert work.name == "paper-racing/15"


def test_the_decoder_holds_a_few_of_its_largest_maps() -> None:
    largest = 2 * 480 * 720 * 256
    assert 2 * largest <= paper_workload(RACING).decoder_activation_bytes <= 4 * largest


def test_one_h200_is_expected_to_make_what_was_predicted_of_it() -> None:
    """docs/performance.md: floor 10.3 ms, 48 FPS (40 to 65)."""
    (one,) = plan(paper_workload(RACING), parse_devices("h200:1"))
    assert 40 < one.fps < 65 and one.latency_ms > 10.3


def test_what_there_is_not() -> None:
    with pytest.raises(BadInputError, match="decoder must be one of"):
        paper_workload(RACING, decoder="heavy")
    with pytest.raises(BadInputError, match="attention must be"):
        paper_workload(RACING, attention="half")
