"""How far frames wander from those of plain PyTorch in float32: python benches/same_frames.py racing.

The same seed and the same actions, which change every five ticks, by every way to run a world on a CPU.
"""

from __future__ import annotations

import argparse

import numpy as np
import torch
from numpy.typing import NDArray

from dreamcade.core.types import Pixels
from dreamcade.engine import Engine
from dreamcade.world import World

MARKS = (1, 8, 30, 60)
EQUAL = 1e-3
"""Mean squared error that counts as none: 78 dB."""


def play(engine: Engine, ticks: int) -> Pixels:
    """Frames uint8 `[ticks, H, W, 3]`."""
    controls, rng = engine.world.controls, np.random.default_rng(0)
    session, frames, action = engine.open_session(seed=0), [], controls.idle()
    for tick in range(ticks):
        if tick % 5 == 0:
            action = np.clip(rng.normal(size=controls.size), *controls.bounds()).astype(np.float32)
            action[len(controls.axes) :] = action[len(controls.axes) :] > 0.5
        frames.append(session.step(action).pixels)
    return np.stack(frames)


def likeness(frames: Pixels, reference: Pixels) -> NDArray[np.float64]:
    """PSNR of each frame in dB `[ticks]`."""
    errors = np.square(frames.astype(np.float32) - reference).mean((1, 2, 3), dtype=np.float64)
    return 10 * np.log10(255**2 / np.maximum(errors, EQUAL))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("world")
    world = World.load(parser.parse_args().world)
    reference = play(Engine(world, "cpu", dtype=torch.float32, kernels="reference"), max(MARKS))
    for kernels, dtype in (("openvino", torch.float32), ("openvino", torch.bfloat16), ("reference", torch.bfloat16)):
        engine = Engine(world, "cpu", dtype=dtype, kernels=kernels)
        decibels = likeness(play(engine, max(MARKS)), reference)
        print(f"{engine.path}: " + ", ".join(f"{decibels[mark - 1]:.1f} dB after {mark}" for mark in MARKS))


if __name__ == "__main__":
    main()
