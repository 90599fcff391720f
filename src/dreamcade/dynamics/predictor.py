"""Which action a player takes next, from those that were taken: an LSTM over a session's history.

A world's drafts are made for the likeliest ones (arXiv 2602.00608, section on speculative actions: 2 layers of 128).
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from dreamcade.core.action_grid import ActionGrid
from dreamcade.core.config import JsonConfig
from dreamcade.core.errors import BadInputError

Memory = tuple[Tensor, Tensor]
"""Hidden and cell state of the LSTM, each `[layers, B, width]`; sessions are columns of dimension 1."""


REACH = 3
"""Places that a control moves in a tick; more counts as so many."""


@dataclass(frozen=True, slots=True)
class PredictorConfig(JsonConfig):
    """`levels` are the grid's; `vocabulary` is the number of actions that can be predicted."""

    levels: tuple[int, ...]
    vocabulary: int
    width: int = 128
    layers: int = 2

    def __post_init__(self) -> None:
        ActionGrid(self.levels)
        sizes = (self.vocabulary, self.width, self.layers)
        if not all(isinstance(n, int) and n >= 1 for n in sizes):
            raise BadInputError(f"a predictor's vocabulary, width and layers must be at least 1; got {list(sizes)}")


class ActionPredictor(nn.Module):
    """Actions on the world's grid, one after the other → how likely each action of the vocabulary comes next.

    The score of an action is its own, plus one for each control by how many places it would move (`REACH` and farther
    count alike), plus one if nothing moves: "the same again" and "a bit more to the left" are learnt once, not anew for
    every action.
    """

    places: Tensor
    levels: Tensor

    def __init__(self, config: PredictorConfig) -> None:
        super().__init__()
        self.config = config
        # Whole numbers: weights are stored in half precision, and thirds would not come back from it as they were.
        self.register_buffer("places", torch.zeros(config.vocabulary, len(config.levels), dtype=torch.int16))
        self.register_buffer("levels", torch.tensor(config.levels, dtype=torch.float32), persistent=False)
        self.remember = nn.LSTM(len(config.levels), config.width, config.layers, batch_first=True)
        self.choose = nn.Linear(config.width, config.vocabulary + 1 + len(config.levels) * (2 * REACH + 1))

    @property
    def grid(self) -> ActionGrid:
        return ActionGrid(self.config.levels)

    @property
    def vocabulary(self) -> Tensor:
        """Actions that can be predicted, float32 `[V, A]` on the grid; `grid.key` of each is its row of `places`."""
        return self.places / self.levels

    def forward(self, actions: Tensor, memory: Memory | None = None) -> tuple[Tensor, Memory]:
        """Actions `[B, T, A]` on the grid → logits of the next one `[B, T, V]`, and the memory to go on with.

        No memory is a session that begins.
        """
        hidden, memory = self.remember(actions, memory)
        return self.logits(self.choose(hidden), actions), memory

    @torch.inference_mode()
    def step(self, actions: Tensor, memory: Memory | None = None) -> tuple[Tensor, Memory]:
        """`forward` for one tick, at half of its cost: actions `[B, A]` on the grid → logits `[B, V]`, and the memory.

        The memory that comes in stays as it is, so that a tick can be taken back.
        """
        if memory is None:
            zeros = actions.new_zeros(self.config.layers, len(actions), self.config.width)
            memory = (zeros, zeros)
        below, hidden, cells = actions, list[Tensor](), list[Tensor]()
        for layer, (h, c) in enumerate(zip(*memory, strict=True)):
            below, cell = self._cell(layer, below, h, c)
            hidden.append(below)
            cells.append(cell)
        return self.logits(self.choose(below), actions), (torch.stack(hidden), torch.stack(cells))

    def logits(self, scores: Tensor, actions: Tensor) -> Tensor:
        """What `choose` says `[…, V + 1 + A·(2·REACH + 1)]` at `actions` `[…, A]` → logits `[…, V]`."""
        size, controls = self.config.vocabulary, len(self.config.levels)
        own, again, moves = torch.split(scores, [size, 1, controls * (2 * REACH + 1)], -1)
        now = (actions * self.levels).round_().to(self.places.dtype)
        moved = self.places.T.contiguous() - now[..., None]  # [..., A, V]
        same = functools.reduce(torch.bitwise_or, moved.unbind(-2)) == 0  # any(-2) takes four times as long
        at = moved.clamp_(-REACH, REACH).add_(REACH).long()
        by_control = moves.view(*moves.shape[:-1], controls, 2 * REACH + 1).gather(-1, at)
        return own + again * same + by_control.sum(-2)

    def likeliest(self, logits: Tensor, k: int) -> tuple[Tensor, Tensor]:
        """The likeliest actions float32 `[…, k, A]`, best first, and their probabilities `[…, k]`.

        `logits` `[…, V]` of any number of sessions; `k` is cut to the size of the vocabulary, and must be positive.
        """
        if k < 1:
            raise BadInputError(f"at least 1 action must be asked for; got {k}")
        best = logits.softmax(-1).topk(min(k, self.config.vocabulary))
        return self.places[best.indices] / self.levels, best.values

    def _cell(self, layer: int, below: Tensor, hidden: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
        """One tick of one layer (Hochreiter & Schmidhuber 1997): `[B, I]`, and two of `[B, width]` → two of those."""
        w_in, w_back, b_in, b_back = self.remember.all_weights[layer]
        sums = torch.addmm(b_in + b_back, below, w_in.T).addmm_(hidden, w_back.T)
        enter, forget, content, leave = sums.chunk(4, 1)
        cell = forget.sigmoid() * cell + enter.sigmoid() * content.tanh()
        return leave.sigmoid() * cell.tanh(), cell
