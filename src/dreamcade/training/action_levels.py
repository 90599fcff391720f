"""How finely a world tells actions apart: the coarsest grid on which its dreams are as near to real play as without.

Measured on held-out play: the world goes on from real contexts under the recorded actions and under the same actions
on a grid, with the same noise. A grid is fine where the difference between these two dreams is small against the
difference between dream and game. How much farther from the game the second one is is measured too, but decides
nothing: where a dream misses the textures, as in Doom, it is no farther off however it turns.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dreamcade.core.action_grid import ActionGrid
from dreamcade.core.device import fast_dtype
from dreamcade.dataset.reader import Dataset
from dreamcade.evaluation.metrics import Progress, psnr
from dreamcade.evaluation.windows import CONTEXT, Window, anywhere, choose_windows
from dreamcade.world import World
from dreamcade.world.pixels import encode_pixels
from dreamcade.world.starts import shift_actions

CANDIDATES = (1, 2, 4, 8, 16, 32, 64, 128)
"""Levels of an axis, coarsest first."""
LEAST = 2
"""Levels of an axis that is played between its ends: half a pedal must not become none."""
AHEAD = (1, 8)
"""Frames after the context that are compared."""
TOLERANCE = (0.05, 0.25)
"""Decibels that a grid may add to the error of a dream, at each of `AHEAD`."""
BATCH = 8


@dataclass(frozen=True, slots=True)
class Trial:
    """What a grid costs: `control` names the axis that was put on `levels`, or is "all".

    In decibels, one for each of `AHEAD`: `added`, 10·log10(1 + (dream − dream on the grid)² / (dream − game)²);
    `farther`, how much PSNR to the game is lost.
    """

    control: str
    levels: tuple[int, ...]
    added: tuple[float, ...]
    farther: tuple[float, ...]

    @property
    def dearness(self) -> float:
        """1 and below is fine."""
        return max(cost / most for cost, most in zip(self.added, TOLERANCE, strict=True))

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"fine": self.dearness <= 1}


def choose_levels(
    world: World, dataset: Dataset, device: torch.device, count: int = 64, seed: int = 0,
    progress: Progress | None = None,
) -> tuple[tuple[int, ...], list[Trial]]:  # fmt: skip
    """Levels of every control (1 for a button) and what was tried, on `count` windows of held-out play.

    Each axis is put on finer and finer grids alone; if the chosen ones cost too much together, the dearest is halved.
    """
    axes, rest = world.controls.axes, (1,) * len(world.controls.buttons)
    if not axes:
        return rest, []
    windows = choose_windows(dataset, count, AHEAD[-1], seed, anywhere)
    tried = _Trials(world, dataset, device, windows, seed, progress)
    trials: list[Trial] = []
    chosen: list[Trial] = []
    for index, axis in enumerate(axes):
        least = LEAST if _between(dataset, index) else 1
        for levels in (n for n in CANDIDATES if n >= least):
            trials.append(tried.measure(axis.name, (index,), (levels,)))
            if trials[-1].dearness <= 1:
                break
        chosen.append(trials[-1])
    levels_now, dear = [t.levels[0] for t in chosen], [t.dearness for t in chosen]
    while True:
        trials.append(tried.measure("all", tuple(range(len(axes))), tuple(levels_now)))
        dearest = max(range(len(axes)), key=dear.__getitem__)
        if trials[-1].dearness <= 1 or levels_now[dearest] >= CANDIDATES[-1]:
            return (*levels_now, *rest), trials
        levels_now[dearest] *= 2
        dear[dearest] /= 4  # the square of a rounding; measuring it again would take as long as all of this


def _between(dataset: Dataset, axis: int) -> bool:
    """Whether an axis is held elsewhere than at rest and at its ends."""
    values = np.concatenate([dataset.actions(e)[:, axis] for e in dataset.episodes()])
    return not bool(np.isin(values, (-1, 0, 1)).all())


class _Trials:
    """Real contexts as latents, what came after them, and what the world dreams instead, under its own and under other
    actions."""

    def __init__(
        self, world: World, dataset: Dataset, device: torch.device, windows: Sequence[Window], seed: int,
        progress: Progress | None,
    ) -> None:  # fmt: skip
        self._world, self._progress = world, progress or (lambda what, done, total: None)
        self._dtype = fast_dtype(device)
        self._codec, self._dynamics = (
            copy.deepcopy(part).to(device=device, dtype=self._dtype).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
            for part in (world.codec, world.dynamics)
        )
        self._device = device
        generator = torch.Generator().manual_seed(seed)
        shape = (AHEAD[-1], world.manifest.sampling_steps, len(windows), *world.dynamics.noise_shape)
        self._noise = torch.randn(shape, generator=generator)
        self._latents, self._real, actions = [], [], []
        for done, window in enumerate(windows):
            frames = dataset.frames(window.episode, window.start, window.newest + AHEAD[-1] + 1)
            self._latents.append(encode_pixels(self._codec, frames[:CONTEXT]))
            self._real.append(frames[[CONTEXT - 1 + ahead for ahead in AHEAD]])
            actions.append(dataset.actions(window.episode, window.start, window.newest + AHEAD[-1]))
            self._progress("held-out play", done + 1, len(windows))
        self._actions = np.stack(actions)
        self._plain = self._dream_all(self._actions, np.arange(len(windows)), "under its own actions")
        self._off = psnr(self._plain, np.stack(self._real))

    def measure(self, control: str, which: Sequence[int], levels: tuple[int, ...]) -> Trial:
        """What it costs to put the axes `which` on grids of `levels`."""
        actions = self._actions.copy()
        actions[..., which] = ActionGrid(levels).snap(actions[..., which])
        changed = np.flatnonzero((actions != self._actions).any((1, 2)))
        added, farther = np.zeros((2, *self._off.shape))  # what is on the grid anyhow costs nothing
        if len(changed):
            dreamed = self._dream_all(actions[changed], changed, f"{control} on {'/'.join(map(str, levels))}")
            off, apart = self._off[changed], psnr(dreamed, self._plain[changed])
            added[changed] = 10 * np.log10(1 + 10 ** ((off - apart) / 10))
            farther[changed] = off - psnr(dreamed, np.stack([self._real[i] for i in changed]))
        means = (tuple(float(c) for c in costs.mean(0)) for costs in (added, farther))
        return Trial(control, levels, *means)

    def _dream_all(self, actions: NDArray[np.float32], windows: NDArray[np.intp], title: str) -> NDArray[np.uint8]:
        """Frames uint8 `[N, AHEAD, H, W, 3]` under `actions` `[N, T, A]`."""
        parts = []
        for at in range(0, len(windows), BATCH):
            parts.append(self._dream(actions[at : at + BATCH], windows[at : at + BATCH]))
            self._progress(title, at + len(parts[-1]), len(windows))
        return np.concatenate(parts)

    @torch.inference_mode()
    def _dream(self, actions: NDArray[np.float32], windows: NDArray[np.intp]) -> NDArray[np.uint8]:
        """Frames uint8 `[B, AHEAD, H, W, 3]`."""
        dynamics, rows = self._dynamics, torch.arange(len(windows), device=self._device)
        state = dynamics.new_state(len(windows))
        led = torch.stack([shift_actions(a[:CONTEXT]) for a in actions])
        latents = torch.stack([self._latents[i] for i in windows])
        for t in range(CONTEXT):
            dynamics.observe(state, rows, self._cast(latents[:, t]), self._cast(led[:, t]))
        taken, shown = torch.from_numpy(actions[:, CONTEXT - 1 :]), []
        for t, noise in enumerate(self._noise[:, :, windows]):
            made = dynamics.step(state, rows, self._cast(taken[:, t]), self._cast(noise))
            if t + 1 in AHEAD:
                shown.append(self._codec.decode_pixels(made).cpu())
        return torch.stack(shown, 1).numpy()

    def _cast(self, tensor: Tensor) -> Tensor:
        return tensor.to(device=self._device, dtype=self._dtype)
