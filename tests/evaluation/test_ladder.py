"""The same inputs on every rung, on a toy world with everything that makes it quick."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from dreamcade.core.errors import BadInputError
from dreamcade.core.types import FrameTiming
from dreamcade.dataset.reader import Dataset
from dreamcade.dynamics import ActionPredictor, ExtrapolationConfig, Extrapolator, PredictorConfig
from dreamcade.engine import EncodedFrame, Engine
from dreamcade.evaluation.ladder import RUNGS, Seen, climb, recorded_play
from dreamcade.evaluation.ladder_plot import plot_ladder
from dreamcade.evaluation.ladder_table import describe, ladder_table
from dreamcade.evaluation.likeness import ALIKE, compare_play
from dreamcade.evaluation.windows import anywhere, choose_windows
from dreamcade.world import World


@pytest.fixture(scope="module")
def quick_world(racing_world: World) -> World:
    config = dataclasses.replace(racing_world.dynamics.config, recent=3)
    with torch.random.fork_rng():
        torch.manual_seed(2)
        dynamics = type(racing_world.dynamics)(config)
        dynamics.centre.copy_(racing_world.dynamics.centre)
        dynamics.deviation.copy_(racing_world.dynamics.deviation)
        torch.nn.init.normal_(dynamics.leave.weight, std=0.05)
        predictor = ActionPredictor(PredictorConfig(levels=(1, 1, 1), vocabulary=6, width=8))
        predictor.places.copy_(torch.tensor([[s, g, 0] for s in (-1, 0, 1) for g in (0, 1)]))
    extrapolator = Extrapolator(ExtrapolationConfig(2.0, 50.0, 1, width=8), config)
    manifest = dataclasses.replace(racing_world.manifest, dynamics=config.to_json())
    world = dataclasses.replace(racing_world, manifest=manifest, dynamics=dynamics.eval())
    return world.with_predictor(predictor).with_extrapolator(extrapolator)


def test_every_rung_is_played(quick_world: World, racing_data: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dreamcade.evaluation.ladder.WARM_UP_SECONDS", 0.1)
    engine = Engine(quick_world, device="cpu", dtype=torch.float32)
    rungs = climb(engine, racing_data, lambda pixels: b"", seconds=2.0)
    assert list(rungs) == list(RUNGS)
    for name, figures in rungs.items():
        assert figures["fps"] > 1 and figures["fps_unpaced"] > 1
        assert 0 < figures["input_ms_p50"] <= figures["input_ms_p95"]
        assert sum(figures["shares"].values()) == pytest.approx(1)
        speculates, extrapolates = RUNGS[name].speculation, RUNGS[name].extrapolation
        assert (figures["shares"]["delivered"] > 0) <= speculates
        assert (figures["hit_rate"] is not None) <= speculates
        assert (figures["passes_skipped"] > 0) == extrapolates
    chosen = choose_windows(racing_data, 2, 8, 0, anywhere)
    likeness = compare_play(engine, racing_data, chosen, 8)
    assert likeness[False].extrapolated == 0
    assert likeness[False].psnr_full == ALIKE, "full inference is itself"
    assert 0.2 < likeness[True].extrapolated <= 0.5, "one in a row at most"
    assert likeness[True].psnr_full < ALIKE
    for name, figures in rungs.items():
        figures["picture"] = dataclasses.asdict(likeness[RUNGS[name].extrapolation])
    report = {
        "world": "toy", "frame_size": [96, 64], "tick_rate": 25.0, "windows": 2, "ticks": 8, "rungs": rungs,
        "machine": "a machine", "device": "cpu",
    }  # fmt: skip
    table = ladder_table(report)
    assert [line.split("  ")[0].strip() for line in table[1:]] == list(RUNGS)
    assert "same" in table[1] and "same" not in table[3]
    assert any("amortized" in line for line in describe(report))
    assert plot_ladder(report)[:4] == b"\x89PNG"


def test_a_world_without_a_calibration_is_compared_with_itself_alone(racing_world: World, racing_data: Dataset) -> None:
    engine = Engine(racing_world, device="cpu", dtype=torch.float32)
    assert list(compare_play(engine, racing_data, choose_windows(racing_data, 1, 4, 0, anywhere), 4)) == [False]


def test_recorded_inputs_come_within_their_ticks(quick_world: World, racing_data: Dataset) -> None:
    engine = Engine(quick_world, device="cpu", dtype=torch.float32)
    play = recorded_play(engine, racing_data, seconds=2.0)
    moments = [moment for moment, _ in play.inputs]
    assert moments == sorted(moments) and play.seconds == pytest.approx(2.0)
    ticks = [int(moment * quick_world.tick_rate) for moment in moments]
    assert len(set(ticks)) == len(ticks)
    for (_, action), (_, after) in zip(play.inputs, play.inputs[1:], strict=False):
        assert not np.array_equal(action, after), "only changes are inputs"
        assert np.array_equal(engine.snap(action), action)
    assert [i for i, _ in recorded_play(engine, racing_data, 2.0).inputs] == moments, "same seed, same moments"


def test_an_input_is_answered_by_the_first_frame_that_knows_it() -> None:
    def frame(sequence: int) -> EncodedFrame:
        return EncodedFrame(b"", 0, sequence, 0.0, FrameTiming(), 0, 0.0)

    seen = Seen(frames=[(1.0, frame(0)), (1.1, frame(1)), (1.2, frame(3))], given={1: 1.05, 2: 1.11, 3: 1.15, 4: 1.19})
    assert seen.latencies() == pytest.approx([50, 90, 50])


def test_too_short_a_bench_is_refused(quick_world: World, racing_data: Dataset) -> None:
    engine = Engine(quick_world, device="cpu", dtype=torch.float32)
    with pytest.raises(BadInputError, match="give the bench more seconds"):
        climb(engine, racing_data, lambda pixels: b"", seconds=0.04)
