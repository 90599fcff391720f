"""Recorded plays end to end in the memory of the device that trains: a batch is drawn there, not carried to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dreamcade.training.latent_store import LatentEpisode


@dataclass(frozen=True, slots=True)
class LatentPool:
    """`latents` int8 `[T, c, h, w]` and `actions` float32 `[T, A]` of all plays; play `i` lies at `begins[i]` and has
    `lengths[i]` frames (both int64 `[plays]`, on the CPU)."""

    latents: Tensor
    actions: Tensor
    begins: NDArray[np.int64]
    lengths: NDArray[np.int64]

    @classmethod
    def of(cls, episodes: Sequence[LatentEpisode], device: torch.device) -> LatentPool:
        """All of `episodes` in the memory of `device`."""
        lengths = np.array([len(e) for e in episodes], np.int64)
        begins = np.concatenate([np.zeros(1, np.int64), lengths.cumsum()[:-1]])
        latents = torch.empty((int(lengths.sum()), *episodes[0].latents.shape[1:]), dtype=torch.int8, device=device)
        for begin, episode in zip(begins.tolist(), episodes, strict=True):
            latents[begin : begin + len(episode)] = torch.from_numpy(np.array(episode.latents))
        actions = torch.from_numpy(np.concatenate([e.actions for e in episodes])).to(device)
        return cls(latents, actions, begins, lengths)

    def __len__(self) -> int:
        """How many plays there are."""
        return len(self.lengths)

    def latents_at(self, plays: NDArray[np.int64], positions: NDArray[np.int64]) -> Tensor:
        """Latents float32 `[…, c, h, w]` of frames `positions` of `plays`, which have one shape or broadcast to it."""
        return self.latents[self._places(plays, positions)].float() / 127

    def actions_at(self, plays: NDArray[np.int64], positions: NDArray[np.int64]) -> Tensor:
        """The actions `[…, A]` taken after seeing those frames; zeros before a play's beginning."""
        real = torch.from_numpy(positions >= 0).to(self.actions.device)
        return self.actions[self._places(plays, np.maximum(positions, 0))] * real[..., None]

    def _places(self, plays: NDArray[np.int64], positions: NDArray[np.int64]) -> Tensor:
        return torch.from_numpy(self.begins[plays] + positions).to(self.latents.device)
