from __future__ import annotations

import numpy as np
import pytest

from dreamcade.core.errors import BadInputError
from dreamcade.core.types import Pixels
from dreamcade.evaluation.bench import bench_play, wiggle
from dreamcade.world import World

KEYS = {
    "fps", "frame_size", "tick_ms_p50", "tick_ms_p99", "dynamics_ms_p50", "decode_ms_p50", "encode_ms_p50",
    "interval_ms_p50", "interval_ms_p99", "peak_rss_mb", "machine",
}  # fmt: skip


def encode(pixels: Pixels) -> bytes:
    return pixels[:1].tobytes()


@pytest.mark.parametrize("unpaced", [True, False])
def test_keys_and_rates(tiny_world: World, unpaced: bool) -> None:
    figures = bench_play(tiny_world, 0.6, unpaced, encode, device="cpu")
    assert set(figures) >= KEYS
    assert figures["frame_size"] == [48, 32]
    assert figures["tick_ms_p99"] >= figures["tick_ms_p50"] >= figures["dynamics_ms_p50"] > 0
    if unpaced:
        assert figures["fps"] > tiny_world.tick_rate * 1.5
    else:
        assert tiny_world.tick_rate * 0.5 < figures["fps"] <= tiny_world.tick_rate * 1.1


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan")])
def test_needs_time(tiny_world: World, seconds: float) -> None:
    with pytest.raises(BadInputError, match="positive number of seconds"):
        bench_play(tiny_world, seconds, True, encode)


def test_failing_encoder_is_reported(tiny_world: World) -> None:
    def fail(pixels: Pixels) -> bytes:
        raise RuntimeError("no encoder")

    for unpaced in (True, False):
        with pytest.raises(RuntimeError, match="no encoder"):
            bench_play(tiny_world, 0.3, unpaced, fail, device="cpu")


def test_wiggle_stays_in_range_and_moves(tiny_world: World) -> None:
    actions = np.stack([wiggle(tiny_world.controls, t / 10) for t in range(200)])
    assert actions[:, 0].min() < -0.9
    assert actions[:, 0].max() > 0.9
    assert set(np.unique(actions[:, 1])) == {0.0, 1.0}


def test_two_paths_take_turns(tiny_world: World) -> None:
    said: list[str] = []
    figures = bench_play(
        tiny_world, 1.2, True, encode, device="cpu", kernels="reference", against="auto",
        progress=lambda what, done, total: said.append(what),
    )  # fmt: skip
    assert figures["path"] == figures["against"]["path"]  # tests compile nothing unless they are marked
    assert min(figures["fps"], figures["against"]["fps"]) > 0
    assert figures["frames"] == round(figures["fps"] * 1.2)
    assert any("turn 4 of 4" in line for line in said)
    with pytest.raises(BadInputError, match="unknown kernels"):
        bench_play(tiny_world, 1.0, True, encode, device="cpu", against="quick")
