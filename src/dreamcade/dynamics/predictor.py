"""Which action a player takes next, from those that were taken: an LSTM over a session's history.

A world's drafts are made for the likeliest ones (arXiv 2602.00608, section on speculative actions: 2 layers of 128).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from dreamcade.core.action_grid import ActionGrid
from dreamcade.core.config import JsonConfig

Memory = tuple[Tensor, Tensor]
"""Hidden and cell state of the LSTM, each `[layers, B, width]`."""


@dataclass(frozen=True, slots=True)
class PredictorConfig(JsonConfig):
    """`levels` are the grid's; `vocabulary` is the number of actions that can be predicted."""

    levels: tuple[int, ...]
    vocabulary: int
    width: int = 128
    layers: int = 2


class ActionPredictor(nn.Module):
    """Actions on the world's grid, one after the other → how likely each action of the vocabulary comes next."""

    vocabulary: Tensor

    def __init__(self, config: PredictorConfig) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("vocabulary", torch.zeros(config.vocabulary, len(config.levels)))
        self.remember = nn.LSTM(len(config.levels), config.width, config.layers, batch_first=True)
        self.choose = nn.Linear(config.width, config.vocabulary)

    @property
    def grid(self) -> ActionGrid:
        return ActionGrid(self.config.levels)

    def forward(self, actions: Tensor, memory: Memory | None = None) -> tuple[Tensor, Memory]:
        """Actions `[B, T, A]` on the grid → logits of the next one `[B, T, V]`, and the memory to go on with."""
        hidden, memory = self.remember(actions, memory)
        return self.choose(hidden), memory
