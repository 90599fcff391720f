"""Streams: plays that a model continues from its own predictions while it learns.

Each row follows a recorded episode. After a training step its prediction becomes its newest frame, the recorded action
and the recorded next frame stay the truth, and after a while it starts anew elsewhere. So the model meets its own
mistakes at no extra cost and learns to mend them. A quarter of the rows stay short, so that the first frames after the
truth are never forgotten.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dreamcade.dynamics import Context, Dynamics
from dreamcade.training.latent_pool import LatentPool

SHORT = 3
"""How long the rows may be that stay short."""

CONTEXT_NOISE = 0.3
"""Largest deviation of the noise on the frames that a stream starts from; most get much less."""


@dataclass(slots=True)
class Streams:
    """`count` rows; every tensor has them first.

    `frames` `[B, N, L, c]` are tokens, newest first, `led` `[B, N, A]` the actions that led to them, `filled` `[B]` how
    many of them are real.
    """

    frames: Tensor
    led: Tensor
    filled: Tensor
    episode: NDArray[np.int64]
    position: NDArray[np.int64]
    length: NDArray[np.int64]
    limit: NDArray[np.int64]

    @classmethod
    def empty(cls, model: Dynamics, count: int) -> Streams:
        config, device = model.config, model.centre.device
        frames = torch.zeros(count, config.memory, *model.noise_shape, device=device)
        led = torch.zeros(count, config.memory, config.action_size, device=device)
        episode, position, length, limit = np.zeros((4, count), np.int64)
        return cls(frames, led, torch.ones(count, dtype=torch.int64, device=device), episode, position, length, limit)

    def __len__(self) -> int:
        return len(self.episode)

    def restart_finished(self, model: Dynamics, pool: LatentPool, longest: int, rng: np.random.Generator) -> None:
        """Begins rows anew that have reached their own limit, drawn up to `longest`, or the end of their play."""
        at_end = self.position + 2 >= pool.lengths[self.episode]
        rows = np.flatnonzero(at_end | (self.length >= np.minimum(self.limit, longest)))
        if len(rows):
            self.restart(model, rows, pool, rng)
            self.limit[rows] = rng.integers(1, np.where(rows % 4 == 0, min(longest, SHORT), longest) + 1)

    def end(self, rows: Tensor) -> None:
        """Has the rows that are true in `rows` `[B]` begin anew next time."""
        self.limit[rows.cpu().numpy()] = 0

    @torch.no_grad()
    def restart(self, model: Dynamics, rows: NDArray[np.int64], pool: LatentPool, rng: np.random.Generator) -> None:
        """Begins `rows` anew at random recorded frames, mostly with a full memory, slightly disturbed."""
        plays = rng.choice(len(pool), len(rows), p=pool.lengths / pool.lengths.sum())
        positions = rng.integers(0, pool.lengths[plays] - 2)
        most = np.minimum(self.frames.shape[1], positions + 1)
        keep = np.where(rng.random(len(rows)) < 0.9, most, rng.integers(1, most + 1))
        self.place(model, rows, pool, plays, positions, keep)
        disturbed = torch.from_numpy(CONTEXT_NOISE * rng.random(len(rows)) ** 2).to(self.frames)
        at = torch.from_numpy(rows).to(self.frames.device)
        noise = torch.randn(len(rows), *self.frames.shape[1:], device=self.frames.device)
        self.frames[at] += disturbed[:, None, None, None] * noise

    @torch.no_grad()
    def place(
        self, model: Dynamics, rows: NDArray[np.int64], pool: LatentPool, plays: NDArray[np.int64],
        positions: NDArray[np.int64], keep: NDArray[np.int64],
    ) -> None:  # fmt: skip
        """Puts each of `rows` at its frame of its play, remembering `keep` true frames; all of them are `[R]`."""
        ages = np.arange(self.frames.shape[1])
        at, plays, past = torch.from_numpy(rows).to(self.frames.device), plays[:, None], positions[:, None] - ages
        kept = torch.from_numpy(ages < keep[:, None]).to(self.frames.device)[..., None]
        self.frames[at] = model.to_tokens(pool.latents_at(plays, np.maximum(past, 0))) * kept[..., None]
        self.led[at] = pool.actions_at(plays, past - 1) * kept
        self.filled[at] = torch.from_numpy(keep).to(self.filled)
        self.episode[rows], self.position[rows], self.length[rows] = plays[:, 0], positions, 0

    def actions(self, pool: LatentPool, history: int) -> Tensor:
        """The recorded actions up to each row's newest frame, `[B, history, A]`, newest last; zeros before a start."""
        return pool.actions_at(self.episode[:, None], self.position[:, None] + np.arange(1 - history, 1))

    def targets(self, model: Dynamics, pool: LatentPool) -> Tensor:
        """Tokens of the recorded next frames, `[B, L, c]`."""
        return model.to_tokens(pool.latents_at(self.episode, self.position + 1))

    def context(self, model: Dynamics, actions: Tensor) -> Context:
        """The rows as a model's context, given action histories `[B, history, A]`."""
        return model.context_from_frames(self.frames, self.led, self.filled, actions)

    @torch.no_grad()
    def advance(self, tokens: Tensor, actions: Tensor) -> None:
        """Appends frames, tokens `[B, L, c]`, to which `actions` `[B, A]` led."""
        self.frames = torch.cat([tokens.float()[:, None], self.frames[:, :-1]], 1)
        self.led = torch.cat([actions[:, None], self.led[:, :-1]], 1)
        self.filled = (self.filled + 1).clamp(max=self.frames.shape[1])
        self.position += 1
        self.length += 1
