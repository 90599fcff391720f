"""Held-out play continued with some of the passes skipped, and what the pictures lose by it."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dreamcade.core.device import fast_dtype
from dreamcade.core.types import Pixels
from dreamcade.dataset.reader import Dataset
from dreamcade.dynamics import DynamicsState, ExtrapolationConfig
from dreamcade.dynamics.extrapolation import curvature
from dreamcade.evaluation.lpips import LPIPS, SMALLEST_SIDE
from dreamcade.evaluation.metrics import lpips_of_pixels, psnr
from dreamcade.evaluation.subjects import eligible_windows
from dreamcade.evaluation.windows import Window, choose_windows, expect_its_game
from dreamcade.world.pixels import encode_pixels
from dreamcade.world.world import World

ModuleT = TypeVar("ModuleT", bound=nn.Module)

LOOK_EVERY = 5
"""Ticks between the pictures whose LPIPS is taken, which is slow; odd, so that skipped and computed ones are seen."""

TIMED = 20
"""Ticks that a cost in milliseconds is the median of."""

Method = Callable[[Tensor, Tensor], Tensor]
"""Tokens of the newest frames `[B, R, L, c]` and the actions `[B, history, A]` → the next tokens `[B, L, c]`."""


@dataclass(frozen=True, slots=True)
class Track:
    """Rollouts of W windows over T ticks: `tokens` `[T, W, L, c]`, which of them were `skipped` `[T, W]`, and what the
    guards saw at each tick: `distances` of actions and `curvatures`, `[T, W]`. A `blended` one shows, where a frame was
    skipped, the two pictures before it: half of their change goes on, pixel by pixel."""

    tokens: Tensor
    skipped: Tensor
    distances: Tensor
    curvatures: Tensor
    blended: bool = False

    @property
    def share(self) -> float:
        """Of all ticks, those that were skipped."""
        return float(self.skipped.float().mean())


@dataclass(frozen=True, slots=True)
class Scores:
    """PSNR in dB, a figure a tick `[T]`, against the real frames and, where there is one, against full inference; the
    mean LPIPS to the real frames."""

    real: NDArray[np.float64]
    full: NDArray[np.float64] | None = None
    lpips: float | None = None


class Playground:
    """Windows of held-out play, ready to be continued time and again under the recorded actions and the same noise.

    The real frames stay in memory: 25 MB a second and window at 720×480. In the fast format unless another `dtype` is
    asked for.
    """

    def __init__(
        self, world: World, dataset: Dataset, windows: Sequence[Window], ticks: int, seed: int,
        dtype: torch.dtype | None = None,
    ) -> None:  # fmt: skip
        self.ticks, self.count = ticks, len(windows)
        self.dtype = dtype or fast_dtype(torch.device("cpu"))
        self.dynamics = self._own(world.dynamics)
        self.codec = self._own(world.codec).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        spans = [(w.newest + 1, w.newest + 1 + ticks) for w in windows]
        self.real = [dataset.frames(w.episode, *span) for w, span in zip(windows, spans, strict=True)]
        taken = [dataset.actions(w.episode, w.newest, w.newest + ticks) for w in windows]
        self.actions = torch.from_numpy(np.stack(taken, 1)).to(self.dtype)
        shape = (ticks, world.manifest.sampling_steps, len(windows), *self.dynamics.noise_shape)
        # Keyed by tick and window: a frame that is computed gets the same noise whatever was skipped before.
        self._noise = torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(self.dtype)
        self._begin = self._observe(dataset, windows)

    def roll(
        self, guard: ExtrapolationConfig | None = None, method: Method | None = None, windows: int | None = None
    ) -> Track:
        """Continues the first `windows` windows (all by default), skipping by `method` where `guard` lets it."""
        count = windows or self.count
        state = self.start(count)
        in_a_row = torch.zeros(count)
        kept: list[list[Tensor]] = []
        for tick in range(self.ticks):
            actions, rows = self.actions[tick, :count], torch.arange(count)
            recent = state.recent(rows)
            distance = (actions - state.actions[:, -1]).float().square().sum(1).sqrt()
            bend, skip = curvature(recent), torch.zeros(count, dtype=torch.bool)
            if guard is not None and method is not None:
                near = (distance <= guard.action_distance) & (bend <= guard.curvature)
                skip = near & (in_a_row < guard.most_skips)
                self._skip(state, rows[skip], actions[skip], method)
            in_a_row = torch.where(skip, in_a_row + 1, 0)
            if not bool(skip.all()):
                self.dynamics.step(state, rows[~skip], actions[~skip], self.noise(tick)[:, :count][:, ~skip])
            kept.append([state.recent(rows)[:, 0].clone(), skip, distance, bend])
        tokens, skipped, distances, bends = (torch.stack(tensors) for tensors in zip(*kept, strict=True))
        return Track(tokens, skipped, distances, bends)

    def noise(self, tick: int) -> Tensor:
        """Of every window, `[steps, W, L, c]`."""
        return self._noise[tick]

    def glance(self, track: Track, ticks: NDArray[np.intp]) -> NDArray[np.float64]:
        """PSNR in dB against the real frames at some `ticks` only, `[len(ticks), W]`."""
        near = [psnr(self.draw(track.tokens[ticks, w]), self.real[w][ticks]) for w in range(track.tokens.shape[1])]
        return np.stack(near, 1)

    def look(self, track: Track, judge: LPIPS) -> float | None:
        """Mean LPIPS to the real frames at every so many-th tick; none where pictures are too small for it."""
        ticks = np.arange(min(2, self.ticks - 1), self.ticks, LOOK_EVERY)
        if min(self.real[0].shape[1:3]) < SMALLEST_SIDE:
            return None
        seen = [
            lpips_of_pixels(judge, self.real[w][ticks], {"made": self.draw(track.tokens[ticks, w])})["made"].mean()
            for w in range(track.tokens.shape[1])
        ]
        return float(np.mean(seen))

    def score(self, tracks: Mapping[str, Track], window: int, judge: LPIPS | None = None) -> dict[str, Scores]:
        """How near one window's pictures come to the real ones and, where one of the tracks is "full", to its; `judge`
        adds LPIPS. All at once, so that no picture is drawn or looked at twice."""
        real, shown = self.real[window], {name: self.show(track, window) for name, track in tracks.items()}
        looks = np.arange(min(2, self.ticks - 1), self.ticks, LOOK_EVERY)
        seen: dict[str, NDArray[np.float64]] = {}
        if judge is not None and min(real.shape[1:3]) >= SMALLEST_SIDE:
            seen = lpips_of_pixels(judge, real[looks], {name: frames[looks] for name, frames in shown.items()})
        return {
            name: Scores(
                psnr(frames, real),
                psnr(frames, shown["full"]) if "full" in shown else None,
                float(seen[name].mean()) if seen else None,
            )
            for name, frames in shown.items()
        }

    def show(self, track: Track, window: int) -> Pixels:
        """A window's frames, uint8 `[T, H, W, 3]`."""
        frames = self.draw(track.tokens[:, window])
        if track.blended:
            for tick in np.flatnonzero(track.skipped[2:, window]) + 2:
                moved = 1.5 * frames[tick - 1].astype(np.float32) - 0.5 * frames[tick - 2]
                frames[tick] = np.clip(moved + 0.5, 0, 255)
        return frames

    def milliseconds(self, method: Method | None) -> float:
        """What a tick of one window costs: a skip by `method`, or a full pass. The median of a few."""
        state, row, took = self.start(1), torch.zeros(1, dtype=torch.int64), []
        for tick in range(min(self.ticks, TIMED)):
            actions, began = self.actions[tick, :1], time.perf_counter()
            if method is None:
                self.dynamics.step(state, row, actions, self.noise(tick)[:, :1])
            else:
                self._skip(state, row, actions, method)
            took.append(1000 * (time.perf_counter() - began))
        return float(np.median(took))

    @torch.inference_mode()
    def draw(self, tokens: Tensor) -> Pixels:
        """Tokens `[T, L, c]` → frames uint8 `[T, H, W, 3]`. One at a time: on a CPU the maps fill the caches."""
        latents = self.dynamics.to_latents(tokens.to(self.dtype))
        return np.concatenate([self.codec.decode_pixels(latent[None]).numpy() for latent in latents])

    @torch.inference_mode()
    def _skip(self, state: DynamicsState, rows: Tensor, actions: Tensor, method: Method) -> None:
        if len(rows):
            pushed = torch.cat([state.actions[rows, 1:], actions[:, None]], 1)
            self.dynamics.commit(state, rows, actions, method(state.recent(rows), pushed).to(self.dtype))

    def _own(self, module: ModuleT) -> ModuleT:
        return copy.deepcopy(module).eval().requires_grad_(False).to(self.dtype)

    def start(self, count: int) -> DynamicsState:
        """The first `count` windows as they begin, each time anew."""
        state = self.dynamics.new_state(count)
        for name, tensor in state.tensors().items():
            tensor.copy_(self._begin.tensors()[name][:count])
        return state

    def _observe(self, dataset: Dataset, windows: Sequence[Window]) -> DynamicsState:
        state = self.dynamics.new_state(len(windows))
        for row, window in enumerate(windows):
            frames, actions = window.context(dataset)
            led = np.concatenate([np.zeros_like(actions[:1]), actions[:-1]])
            for latent, action in zip(encode_pixels(self.codec, frames), torch.from_numpy(led), strict=True):
                self.dynamics.observe(state, torch.tensor([row]), latent[None], action[None].to(self.dtype))
        return state


def open_playground(world: World, dataset: Dataset, windows: int, ticks: int, seed: int) -> Playground:
    """A playground of held-out windows of `dataset`. Raises `BadInputError` where it is not of this world's game."""
    expect_its_game(world, dataset)
    chosen = choose_windows(dataset, windows, ticks, seed, eligible_windows(dataset))
    return Playground(world, dataset, chosen, ticks, seed)
