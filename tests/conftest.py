"""A real world of toy size, shared by every room's tests."""

from __future__ import annotations

import importlib.util
import os
import signal
from collections.abc import Callable

import numpy as np
import pytest

# Toys gain nothing from two threads. This counts for every thread and for the programs that tests start; beside each
# other they would wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from numpy.typing import NDArray

from dreamcade.codec import Codec, CodecConfig
from dreamcade.core.controls import Axis, Button, Controls
from dreamcade.core.types import Pixels
from dreamcade.dynamics import Dynamics, DynamicsConfig
from dreamcade.world import World, make_start

# A run in the background ignores Ctrl-C, and so would every process that a test starts and interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)
# Triton decides at its import whether kernels are compiled or interpreted.
if not torch.cuda.is_available():
    os.environ.setdefault("TRITON_INTERPRET", "1")

LONGEST = (
    "test_recipes.py", "test_browser.py", "test_broken_worlds.py", "test_on_ray.py", "rules/test_platforming.py",
    "test_walking.py", "spread/test_engine.py", "test_groups.py", "test_ladder.py", "test_gateway.py", "test_spread.py",
    "test_your_own_game.py", "test_record.py", "test_evaluate.py", "test_playing.py", "test_calibrate.py",
    "test_serve.py", "drivers/test_platforming.py", "test_runner.py",
)  # fmt: skip
"""Files that take longest, longest first: begun last, one would keep a single process busy at the end."""
APART = ("test_recipes.py", "test_broken_worlds.py", "test_groups.py", "test_against_engine.py", "test_evaluate.py",
         "test_your_own_game.py")  # fmt: skip
"""Files whose tests share next to nothing: any process may take any of them."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where tests run side by side, those of one file share a process, and with it what they set up; the longest begin
    first."""
    for item in items:
        group = item.nodeid if item.path.name in APART else str(item.path)
        item.add_marker(pytest.mark.xdist_group(group))
    items.sort(key=lambda item: _turn(item.path.as_posix()))


def _turn(path: str) -> int:
    return next((turn for turn, name in enumerate(LONGEST) if path.endswith("/" + name)), len(LONGEST))


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("triton") and importlib.util.find_spec("triton") is None:
        pytest.skip("Triton is not installed")


Play = Callable[..., tuple[Pixels, NDArray[np.float32]]]
WIDTH, HEIGHT = 48, 32


@pytest.fixture(autouse=True)
def _one_torch_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Toy models gain nothing from two threads, and threads that wait for each other stall on a busy machine."""
    monkeypatch.setattr("dreamcade.core.device.cpu_threads", lambda limit=None: 1)
    monkeypatch.setattr("dreamcade.engine.cores.cpu_threads", lambda limit=None: 1)
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _plain_networks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """To compile a toy takes longer than to play it: only tests that are marked so do, and they compare the two."""
    marked = request.node.get_closest_marker("openvino") is not None
    if marked and importlib.util.find_spec("openvino") is None:
        pytest.skip("OpenVINO is not installed")
    if not marked:
        monkeypatch.setattr("dreamcade.engine.executors.choice.has_openvino", lambda: False)


def play_toy(length: int, seed: int = 0) -> tuple[Pixels, NDArray[np.float32]]:
    """Frames uint8 `[length, 32, 48, 3]` of a square that follows its actions float32 `[length, 2]`."""
    rng = np.random.default_rng(seed)
    frames = np.full((length, HEIGHT, WIDTH, 3), 60, np.uint8)
    actions = np.stack([rng.uniform(-1, 1, length), rng.integers(0, 2, length)], 1).astype(np.float32)
    x = 20.0
    for frame, action in zip(frames, actions, strict=True):
        frame[12:20, int(x) : int(x) + 8] = (220, 40, 40)
        x = float(np.clip(x + 3 * action[0], 0, WIDTH - 8))
    return frames, actions


@pytest.fixture(scope="session")
def toy_play() -> Play:
    return play_toy


@pytest.fixture(scope="session")
def toy_controls() -> Controls:
    return Controls(
        axes=(
            Axis(
                "steer",
                negative_keys=("ArrowLeft",),
                positive_keys=("ArrowRight",),
                gamepad="axis:0",
                touch="left",
                label="steer",
            ),
        ),
        buttons=(Button("jump", keys=("Space",), gamepad="button:0", touch="right"),),
    )


@pytest.fixture(scope="session")
def tiny_world(toy_controls: Controls) -> World:
    """48×32, 50 Hz, one axis and one button, two starts; random weights that react to actions, noise and memory."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        codec = Codec(
            CodecConfig(
                frame_height=HEIGHT,
                frame_width=WIDTH,
                reduction=4,
                fold=2,
                gather=2,
                channels=8,
                coarse_width=16,
                coarse_blocks=1,
                fine_width=8,
                fine_blocks=1,
                context_width=16,
                context_blocks=1,
                detail_width=8,
            )
        )
        channels, height, width = codec.config.latent_shape
        dynamics = Dynamics(
            DynamicsConfig(
                latent_channels=channels,
                latent_height=height,
                latent_width=width,
                action_size=toy_controls.size,
                sampling_levels=(1.0, 0.8),
                action_history=4,
                recent=3,
                width=16,
                depth=2,
                heads=2,
                memory=4,
                memory_layers=(1,),
                condition_width=16,
            )
        )
        for module in (codec, dynamics):  # layers that start at zero would hide what depends on them
            for parameter in module.parameters():
                if not bool(parameter.any()):
                    spread = 0.5 * parameter[0].numel() ** -0.5 if parameter.ndim > 1 else 0.1
                    torch.nn.init.normal_(parameter, std=spread)
    frames, actions = play_toy(6)
    dynamics.fit(codec.encode(torch.from_numpy(frames).permute(0, 3, 1, 2)[None] / 127.5 - 1)[0].detach())
    starts = [
        make_start("left", "From the left", codec, frames[:3], actions[:3]),
        make_start("right", "From the right", codec, frames[2:], actions[2:]),
    ]
    return World.assemble(
        codec,
        dynamics,
        starts,
        name="toy",
        title="Toy",
        description="A square that slides.",
        licence="CC0-1.0",
        game="toy:square",
        controls=toy_controls,
        tick_rate=50.0,
        card={"data": "6 frames of a square", "metrics": {"psnr_h1": 12.34567, "frames": 6}, "machine": ["a laptop"]},
    )
