"""Open-loop play: the recorded actions, the dreamed frames, and the frames that the game really showed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from dreamcade.core.types import Pixels
from dreamcade.dataset.reader import Dataset
from dreamcade.engine.engine import Engine
from dreamcade.engine.session import Session
from dreamcade.evaluation.lpips import LPIPS
from dreamcade.evaluation.metrics import Progress, lpips_of_pixels, psnr
from dreamcade.evaluation.windows import CONTEXT, Window

HORIZONS = (1, 4, 16, 64)
"""Frames ahead that the headline figures look."""
CURVE = (1, 2, 4, 6, 8, 12, 16, 24, 32, 48, 64)
"""Frames ahead on the PSNR curve."""
SOURCES = ("dream", "persistence", "codec")
"""The rollout, the last context frame held still, and the real frame through the codec alone."""


@dataclass(slots=True)
class OpenLoop:
    """`psnr[source]` `[windows, len(CURVE)]` in dB, `lpips[source]` `[windows, len(HORIZONS)]`; `episodes` names each
    window's episode; `strips` holds (real, dreamed) pictures `[len(HORIZONS), H, W, 3]` of the first windows."""

    psnr: dict[str, NDArray[np.float64]]
    lpips: dict[str, NDArray[np.float64]]
    episodes: list[str]
    strips: list[tuple[Pixels, Pixels]] = field(default_factory=list)


def batch_size(engine: Engine) -> int:
    """Sessions to step together: few on a CPU, whose caches do not hold the activations of many frames."""
    return 4 if engine.device.type == "cpu" else 16


@dataclass(frozen=True, slots=True)
class _Measured:
    psnr: dict[str, NDArray[np.float64]]
    lpips: dict[str, NDArray[np.float64]]
    strip: tuple[Pixels, Pixels]


def measure_open_loop(
    engine: Engine, dataset: Dataset, windows: Sequence[Window], lpips: LPIPS, *, seed: int, strips: int = 6,
    progress: Progress,
) -> OpenLoop:  # fmt: skip
    """Primes a session with each window's context and rolls it out under the recorded actions."""
    measured: list[_Measured] = []
    kept: list[tuple[Pixels, Pixels]] = []
    scratch = engine.open_session(frames=windows[0].context(dataset)[0][-1:])
    for at in range(0, len(windows), batch := batch_size(engine)):
        group = windows[at : at + batch]
        real = [_real_frames(dataset, window) for window in group]
        for frames, dreamed in zip(real, roll_out(engine, dataset, group, seed + at), strict=True):
            measured.append(_measure(frames, dreamed, scratch, lpips))
            if len(kept) < strips:
                kept.append(measured[-1].strip)
        progress("open-loop rollouts", len(measured), len(windows))
    scratch.close()
    return OpenLoop(
        psnr={s: np.stack([m.psnr[s] for m in measured]) for s in SOURCES},
        lpips={s: np.stack([m.lpips[s] for m in measured]) for s in SOURCES},
        episodes=[w.episode.name for w in windows],
        strips=kept,
    )


def roll_out(engine: Engine, dataset: Dataset, windows: Sequence[Window], seed: int) -> list[Pixels]:
    """The dreamed frames at `CURVE`, uint8 `[len(CURVE), H, W, 3]` for each window."""
    sessions: dict[Session, NDArray[np.float32]] = {}
    for i, window in enumerate(windows):
        frames, actions = window.context(dataset)
        session = engine.open_session(seed=seed + i, frames=frames, actions=actions)
        sessions[session] = dataset.actions(window.episode, window.newest, window.newest + CURVE[-1])
    kept: dict[Session, list[Pixels]] = {session: [] for session in sessions}
    for step in range(CURVE[-1]):
        made = engine.step_many({session: actions[step] for session, actions in sessions.items()})
        for session, frame in made.items():
            if step + 1 in CURVE:
                kept[session].append(frame.pixels.copy())
    for session in sessions:
        session.close()
    return [np.stack(pictures) for pictures in kept.values()]


def _real_frames(dataset: Dataset, window: Window) -> Pixels:
    """The last context frame, then the frames at `CURVE`: uint8 `[1 + len(CURVE), H, W, 3]`."""
    frames = dataset.frames(window.episode, window.newest, window.start + CONTEXT + CURVE[-1])
    return frames[[0, *CURVE]]


def _measure(frames: Pixels, dreamed: Pixels, scratch: Session, lpips: LPIPS) -> _Measured:
    real = frames[1:]
    idle = np.zeros((1, scratch.engine.world.controls.size), np.float32)
    through_codec = np.stack([scratch.prime(f[None], idle).pixels.copy() for f in real])
    rivals = {"dream": dreamed, "persistence": np.broadcast_to(frames[:1], real.shape), "codec": through_codec}
    at = [CURVE.index(h) for h in HORIZONS]
    seen = {"dream": dreamed[at], "persistence": frames[:1], "codec": through_codec[at]}
    return _Measured(
        psnr={name: psnr(pictures, real) for name, pictures in rivals.items()},
        lpips=lpips_of_pixels(lpips, real[at], seen),
        strip=(real[at], dreamed[at]),
    )
