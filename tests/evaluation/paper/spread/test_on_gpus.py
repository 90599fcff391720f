"""The same over NCCL, and on one GPU with two streams."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from dreamcade.cluster.layout import Layout
from dreamcade.evaluation.paper.engine import PaperEngine
from dreamcade.evaluation.paper.models import build_drawing, build_dynamics
from dreamcade.evaluation.paper.spread.engine import SpreadEngine, random_inputs
from dreamcade.evaluation.paper.spread.pictures import Made
from dreamcade.evaluation.paper.spread.setting import Setting

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]
SETTING = Setting("paper-racing", 3)
FRAMES = 20
MEAN, MOST = 1.5, 64
"""Of 255: all of it rounds to bfloat16 after every operation."""


def gpus(count: int) -> tuple[str, ...]:
    if torch.cuda.device_count() < count:
        pytest.skip(f"needs {count} CUDA devices; there are {torch.cuda.device_count()}")
    return tuple(f"cuda:{number}" for number in range(count))


@pytest.fixture(scope="module")
def alone() -> list[Tensor]:
    device = torch.device("cuda:0")
    model = build_dynamics(SETTING.sizes, device)
    engine = PaperEngine(model, model.new_state(1), build_drawing(SETTING.sizes, device))
    return [
        engine.frame(*(one.to(device) for one in random_inputs(SETTING, frame))).cpu() for frame in range(FRAMES)
    ]  # fmt: skip


def expect_near(made: Sequence[Made], alone: Sequence[Tensor]) -> None:
    for one in made:
        difference = (one.pixels.float() - alone[one.number].float()).abs()
        assert difference.mean() < MEAN and difference.max() <= MOST, one.number


@pytest.mark.parametrize(
    "layout",
    [Layout(shared=True), Layout(1, 1), Layout(2, 1), Layout(1, 2, "spatial"), Layout(3, 2, "spatial"), Layout(5, 3)],
    ids=str,
)
def test_the_frames_are_those_of_one_device(alone: list[Tensor], layout: Layout) -> None:
    with SpreadEngine(SETTING, layout, gpus(layout.pipeline_devices)) as engine:
        made = list(engine.play(random_inputs(SETTING, frame) for frame in range(FRAMES)))
    assert len(made) == FRAMES
    expect_near(made, alone)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "stopped"])
def test_a_rank_is_lost_in_the_middle(alone: list[Tensor], how: signal.Signals) -> None:
    made: list[Made] = []
    with SpreadEngine(SETTING, Layout(2, 1), gpus(3)) as engine:
        for frame in range(FRAMES):
            if frame == FRAMES // 2:
                assert engine.workers[0].host.pid
                os.kill(engine.workers[0].host.pid, how)
            engine.submit(*random_inputs(SETTING, frame))
            made += engine.take()
        made += engine.drain()
        assert engine.layout == Layout(1, 1)
    expect_near(made, alone)
