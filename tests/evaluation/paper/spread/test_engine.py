"""The paper's engine over several processes: the frames of one device, whoever is lost in the middle."""

from __future__ import annotations

import itertools
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor

from dreamcade.cluster.layout import Decoding, Layout
from dreamcade.core.errors import BadInputError
from dreamcade.evaluation.paper import models
from dreamcade.evaluation.paper.engine import PaperEngine
from dreamcade.evaluation.paper.models import build_drawing, build_dynamics, sampled_in
from dreamcade.evaluation.paper.spread.engine import SpreadEngine, random_inputs
from dreamcade.evaluation.paper.spread.pictures import Made
from dreamcade.evaluation.paper.spread.setting import Setting

SETTING = Setting("paper-racing", 10, dtype="float32")
"""Three heads, as many as devices of the largest layout's dynamics; frames of 72 × 48."""
FRAMES = 20
"""More than twice the memory."""
LOST_AT = 10
NOTICED = 5.0
"""Seconds within which a loss must be noticed: 0.6 (tests/cluster/test_pulse.py), and what a busy machine adds."""
SHARE = 1e-3
"""Of the bytes, at most so many differ from one device's, by 1: sums in another order round some pixels otherwise."""
MEAN_BF16, MOST_BF16 = 0.5, 24
"""In bfloat16, strips differ by so much of 255: their sums round differently from the first norm on, and so does every
layer after it; neither is nearer to float32 than the other (tests/cluster/test_strips.py). Ranks of the dynamics and
whole frames are those of one device to the bit."""


def play_alone(setting: Setting, frames: int) -> list[Tensor]:
    """On one device."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(models, "DTYPE", getattr(torch, setting.dtype))
        device = torch.device("cpu")
        model = sampled_in(build_dynamics(setting.sizes, device), setting.steps)
        engine = PaperEngine(model, model.new_state(1), build_drawing(setting.sizes, device))
        made = [engine.frame(*random_inputs(setting, frame)).clone() for frame in range(frames)]
    assert all(not torch.equal(a, b) for a, b in itertools.pairwise(made))
    return made


def wait_for(true: Callable[[], bool], seconds: float = 30.0) -> None:
    began = time.monotonic()
    while not true():
        assert time.monotonic() < began + seconds, "it never came"
        time.sleep(0.01)


def expect_as_alone(made: Sequence[Made], alone: Sequence[Tensor], share: float = SHARE) -> None:
    """Each is the frame of its number, counted from the first."""
    numbers = [one.number for one in made]
    assert numbers == sorted(set(numbers))
    for one in made:
        difference = (one.pixels.int() - alone[one.number - numbers[0]].int()).abs()
        assert difference.max() <= 1 and (difference > 0).float().mean() < share, one.number


@pytest.fixture(scope="module")
def alone() -> list[Tensor]:
    return play_alone(SETTING, FRAMES)


@pytest.fixture(scope="module")
def news() -> list[tuple[float, str]]:
    return []


@pytest.fixture(scope="module")
def five(news: list[tuple[float, str]]) -> Iterator[SpreadEngine]:
    """The head and four workers, of which tests lose one after the other."""
    threads = set(threading.enumerate())

    def tell(text: str) -> None:
        news.append((time.monotonic(), text))

    with SpreadEngine(SETTING, Layout(3, 2), ("cpu",) * 5, tell=tell) as engine:
        yield engine
        left = [member.host.pid for member in engine.workers]
    assert not [pid for pid in left if Path(f"/proc/{pid}").exists()], "processes are left"
    wait_for(lambda: not {t for t in threading.enumerate() if t.is_alive()} - threads, 5)


def ready(engine: SpreadEngine, layout: Layout) -> None:
    """Everybody is there, in this layout; no frame yet."""
    engine.arrange(layout)
    wait_for(lambda: len(engine.workers) == layout.pipeline_devices - 1)
    engine.reset()
    assert engine.layout == layout


@pytest.mark.parametrize("layout", [Layout(2, 1), Layout(1, 2), Layout(3, 2, "spatial"), Layout(shared=True)], ids=str)
def test_the_frames_are_those_of_one_device(five: SpreadEngine, alone: list[Tensor], layout: Layout) -> None:
    ready(five, layout)
    made = list(five.play(random_inputs(SETTING, frame) for frame in range(FRAMES)))
    assert len(made) == FRAMES
    expect_as_alone(made, alone)
    assert all(one.latency_ms >= one.dit_ms + one.draw_ms > 0 for one in made)


def test_in_the_papers_number_format() -> None:
    setting = Setting("paper-racing", 10, steps=2)
    alone = play_alone(setting, FRAMES)
    with SpreadEngine(setting, Layout(2, 1), ("cpu",) * 3) as three:
        for made, right in zip(
            three.play(random_inputs(setting, frame) for frame in range(FRAMES)), alone, strict=True
        ):  # fmt: skip
            assert torch.equal(made.pixels, right), made.number
        ready(three, Layout(1, 2, "spatial"))
        made_in_strips = list(three.play(random_inputs(setting, frame) for frame in range(FRAMES)))
    for one, right in zip(made_in_strips, alone, strict=True):
        difference = (one.pixels.int() - right.int()).abs().float()
        assert difference.mean() < MEAN_BF16 and difference.max() <= MOST_BF16


def test_the_next_frame_is_begun_while_one_is_drawn(five: SpreadEngine) -> None:
    """And no more than there is room for: one frame more than decoders are on their way."""
    ready(five, Layout(1, 2))
    most = 0
    for frame in range(FRAMES):
        five.submit(*random_inputs(SETTING, frame))
        most = max(most, five.on_their_way)
    assert 2 <= most <= 3
    assert len(five.drain()) == FRAMES


SPATIAL = Decoding.SPATIAL.value


@pytest.mark.parametrize(
    ("before", "how", "rank", "after"),
    [
        pytest.param(Layout(3, 2, SPATIAL), signal.SIGKILL, 0, Layout(2, 2, SPATIAL), id="dynamics killed"),
        pytest.param(Layout(2, 2, SPATIAL), signal.SIGSTOP, -1, Layout(2, 1, SPATIAL), id="decoder stopped"),
        pytest.param(Layout(2, 1), signal.SIGSTOP, 0, Layout(1, 1), id="dynamics stopped"),
        pytest.param(Layout(1, 1), signal.SIGKILL, 0, Layout(shared=True), id="the last one killed"),
    ],
)
def test_a_worker_is_lost_in_the_middle(
    five: SpreadEngine, alone: list[Tensor], news: list[tuple[float, str]],
    before: Layout, how: signal.Signals, rank: int, after: Layout,
) -> None:  # fmt: skip
    """The others go on with the same frames; one that was on its way to a lost decoder may be missing."""
    five.replace = after.shared  # the last one comes back
    ready(five, before)
    made: list[Made] = []
    for frame in range(FRAMES):
        if frame == LOST_AT:
            victim, told, at = five.workers[rank], len(news), time.monotonic()
            assert victim.host.pid
            os.kill(victim.host.pid, how)
        five.submit(*random_inputs(SETTING, frame))
        made += five.take()
    made += five.drain()
    when, text = news[told]
    assert text.startswith(f"{victim.name} is gone") and when - at < NOTICED
    assert five.layout == after
    assert FRAMES - 1 <= len(made) <= FRAMES and made[-1].number - made[0].number == FRAMES - 1
    expect_as_alone(made, alone)


def test_a_replacement_takes_part(five: SpreadEngine, alone: list[Tensor]) -> None:
    ready(five, Layout(1, 1))
    expect_as_alone(list(five.play(random_inputs(SETTING, frame) for frame in range(FRAMES))), alone)


@pytest.mark.parametrize(
    ("layout", "devices", "said"),
    [
        (Layout(2, 2), ("cpu",) * 3, "the plan is for 4 devices \\(2\\+2\\) and 3 are given"),
        (Layout(4, 1), ("cpu",) * 5, "has 3 heads and .* use at most 3 in the dynamics"),
        (Layout(1, 9, "spatial"), ("cpu",) * 10, "has 6 rows of latent cells to cut into 9 strips"),
        (Layout(1, 1), ("cpu", "cuda:0"), "of one kind, whose random weights are the same; got cpu, cuda"),
    ],
)
def test_what_does_not_fit_is_refused(layout: Layout, devices: tuple[str, ...], said: str) -> None:
    """Before anything is started."""
    with pytest.raises(BadInputError, match=said):
        SpreadEngine(SETTING, layout, devices)
