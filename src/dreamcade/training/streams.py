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
from dreamcade.training.latent_store import LatentEpisode

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

    def restart_finished(
        self, model: Dynamics, store: list[LatentEpisode], longest: int, rng: np.random.Generator
    ) -> None:
        """Begins rows anew that have reached their own limit, drawn up to `longest`, or the end of their episode."""
        for row in range(len(self)):
            at_end = self.position[row] + 2 >= len(store[self.episode[row]])
            if at_end or self.length[row] >= min(self.limit[row], longest):
                self.restart(model, row, store, rng)
                most = min(longest, SHORT) if row % 4 == 0 else longest
                self.limit[row] = rng.integers(1, most + 1)

    def end(self, rows: Tensor) -> None:
        """Has the rows that are true in `rows` `[B]` begin anew next time."""
        self.limit[rows.cpu().numpy()] = 0

    @torch.no_grad()
    def restart(self, model: Dynamics, row: int, store: list[LatentEpisode], rng: np.random.Generator) -> None:
        """Begins `row` anew at a random recorded frame, mostly with a full memory, slightly disturbed."""
        sizes = np.array([len(e) for e in store])
        index = int(rng.choice(len(store), p=sizes / sizes.sum()))
        position = int(rng.integers(0, len(store[index]) - 2))
        most = min(self.frames.shape[1], position + 1)
        keep = most if rng.random() < 0.9 else int(rng.integers(1, most + 1))
        self.place(model, row, store, index, position, keep)
        self.frames[row] += CONTEXT_NOISE * rng.random() ** 2 * torch.randn_like(self.frames[row])

    @torch.no_grad()
    def place(
        self, model: Dynamics, row: int, store: list[LatentEpisode], index: int, position: int, keep: int
    ) -> None:
        """Puts `row` at frame `position` of episode `index`, remembering `keep` true frames."""
        episode, first = store[index], position - keep + 1
        past = episode.latent(slice(first, position + 1)).flip(0).to(self.frames.device)
        led = np.concatenate([np.zeros_like(episode.actions[:1]), episode.actions])[first : position + 1][::-1]
        self.frames[row], self.led[row] = 0, 0
        self.frames[row, :keep] = model.to_tokens(past)
        self.led[row, :keep] = torch.from_numpy(led.copy()).to(self.led.device)
        self.filled[row] = keep
        self.episode[row], self.position[row], self.length[row] = index, position, 0

    def actions(self, store: list[LatentEpisode], history: int) -> Tensor:
        """The recorded actions up to each row's newest frame, `[B, history, A]`, newest last; zeros before a start."""
        rows = []
        for index, position in zip(self.episode, self.position, strict=True):
            taken = store[index].actions[max(0, position - history + 1) : position + 1]
            rows.append(np.pad(taken, ((history - len(taken), 0), (0, 0))))
        return torch.from_numpy(np.stack(rows)).to(self.frames.device)

    def targets(self, model: Dynamics, store: list[LatentEpisode]) -> Tensor:
        """Tokens of the recorded next frames, `[B, L, c]`."""
        where = zip(self.episode, self.position + 1, strict=True)
        return model.to_tokens(torch.stack([store[e].latent(int(t)) for e, t in where]).to(self.frames.device))

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
