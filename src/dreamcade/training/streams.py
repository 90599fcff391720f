"""Streams: plays that a model continues from its own predictions while it learns.

Each row follows a recorded episode. After a training step its prediction becomes its newest frame, the recorded action
and the recorded next frame stay the truth, and after a while it starts anew elsewhere. So the model meets its own
mistakes at no extra cost and learns to mend them.

A third of the rows stay short, so that the first frames after the truth are never forgotten, and a row that has gone
astray is ended: what was recorded says nothing any more about what it should see.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dreamcade.dynamics import Context, Dynamics, view
from dreamcade.training.latent_store import StoredEpisode

SHORT = 3
"""How long the rows may be that stay short."""


@dataclass(slots=True)
class Streams:
    """`count` rows; every tensor has them first. Memory is newest-first, `filled` says how much of it is real."""

    latest: Tensor
    previous: Tensor
    motions: Tensor
    codes: Tensor
    code_actions: Tensor
    filled: Tensor
    episode: np.ndarray
    position: np.ndarray
    length: np.ndarray
    limit: np.ndarray

    @classmethod
    def empty(cls, model: Dynamics, count: int, device: torch.device) -> Streams:
        config = model.config
        latents = torch.zeros(count, *config.latent_shape, device=device)
        codes = torch.zeros(count, config.memory, config.tokens, config.code_size, device=device)
        actions = torch.zeros(count, config.memory, config.action_size, device=device)
        whole = np.zeros(count, np.int64)
        return cls(
            latents,
            latents.clone(),
            torch.zeros(count, 2, view.NUMBERS, device=device),
            codes,
            actions,
            torch.zeros(count, dtype=torch.int64, device=device),
            whole,
            whole.copy(),
            whole.copy(),
            whole.copy(),
        )

    def __len__(self) -> int:
        return len(self.episode)

    def restart_finished(self, store: list[StoredEpisode], longest: int, rng: np.random.Generator) -> None:
        """Begins rows anew that have reached their own limit, drawn up to `longest`, or the end of their episode."""
        for row in range(len(self)):
            at_end = self.position[row] + 2 >= len(store[self.episode[row]])
            if at_end or self.length[row] >= min(self.limit[row], longest):
                self.restart(row, store, rng)
                most = min(longest, SHORT) if row % 3 == 0 else longest
                self.limit[row] = rng.integers(1, most + 1)

    def end(self, rows: NDArray[np.bool_]) -> None:
        """Lets these rows begin anew at the next `restart_finished`."""
        self.limit[rows] = 0

    @torch.no_grad()
    def restart(self, row: int, store: list[StoredEpisode], rng: np.random.Generator) -> None:
        """Begins `row` anew at a random recorded frame, with a random amount of true memory."""
        sizes = np.array([len(e) for e in store])
        index = int(rng.choice(len(store), p=sizes / sizes.sum()))
        position = int(rng.integers(2, len(store[index]) - 2))
        most = min(self.codes.shape[1], position + 1)
        keep = most if rng.random() < 0.85 else int(rng.integers(1, most + 1))
        self.place(row, store, index, position, keep)
        strength = 0.15 * rng.random() ** 2
        self.latest[row] += strength * torch.randn_like(self.latest[row])
        self.previous[row] += strength * torch.randn_like(self.previous[row])
        self.motions[row] += strength * torch.randn_like(self.motions[row])

    @torch.no_grad()
    def place(self, row: int, store: list[StoredEpisode], index: int, position: int, keep: int) -> None:
        """Puts `row` at frame `position` of episode `index`, remembering `keep` true frames."""
        device = self.latest.device
        episode = store[index]
        assert episode.codes is not None and episode.motions is not None
        self.latest[row] = episode.latent(position).to(device)
        self.previous[row] = episode.latent(position - 1).to(device) if keep > 1 else self.latest[row]
        known = min(keep - 1, 2)
        self.motions[row] = 0
        motions = episode.motions[position - known + 1 : position + 1]
        self.motions[row, 2 - known :] = torch.from_numpy(motions).to(device)
        self.codes[row] = 0
        past = episode.codes[position - keep + 1 : position + 1][::-1].astype(np.float32)
        self.codes[row, :keep] = torch.from_numpy(past).to(device)
        self.code_actions[row] = 0
        led = np.stack(
            [
                episode.actions[t - 1] if t > 0 else np.zeros_like(episode.actions[0])
                for t in range(position, position - keep, -1)
            ]
        )
        self.code_actions[row, :keep] = torch.from_numpy(led).to(device)
        self.filled[row] = keep
        self.episode[row], self.position[row], self.length[row] = index, position, 0

    def actions(self, store: list[StoredEpisode], history: int) -> Tensor:
        """The recorded actions up to each row's newest frame, `[B, history, A]`, newest last; zeros before a start."""
        rows = []
        for index, position in zip(self.episode, self.position, strict=True):
            taken = store[index].actions[max(0, position - history + 1) : position + 1]
            rows.append(np.pad(taken, ((history - len(taken), 0), (0, 0))))
        return torch.from_numpy(np.stack(rows)).to(self.latest.device)

    def targets(self, store: list[StoredEpisode]) -> tuple[Tensor, Tensor]:
        """The recorded next latents `[B, c, h, w]` and the view's motions to them `[B, 4]`."""
        device, where = self.latest.device, list(zip(self.episode, self.position + 1, strict=True))
        latents = torch.stack([store[e].latent(int(t)) for e, t in where])
        motions = np.stack([store[e].motions[t] for e, t in where])
        return latents.to(device), torch.from_numpy(motions).to(device)

    def context(self, model: Dynamics, actions: Tensor) -> Context:
        """The rows as a model's context, given action histories `[B, history, A]`."""
        slots = torch.arange(self.codes.shape[1], device=self.codes.device)
        ages = torch.where(slots < self.filled[:, None], slots, -1)
        return model.context_from_codes(
            self.latest, self.previous, self.motions, actions, self.codes, self.code_actions, ages
        )

    @torch.no_grad()
    def advance(self, model: Dynamics, latents: Tensor, motion: Tensor, actions: Tensor) -> None:
        """Appends `latents` `[B, c, h, w]`, to which the view's `motion` `[B, 4]` and `actions` `[B, A]` led."""
        self.previous, self.latest = self.latest, latents.float()
        self.motions = view.follow(self.motions, motion.float())
        self.codes = torch.cat([model.coder(self.latest)[:, None], self.codes[:, :-1]], 1)
        self.code_actions = torch.cat([actions[:, None], self.code_actions[:, :-1]], 1)
        self.filled = (self.filled + 1).clamp(max=self.codes.shape[1])
        self.position += 1
        self.length += 1
