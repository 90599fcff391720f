"""A predictor at play: it hears one tick of any number of sessions at once."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import pad

from dreamcade.dynamics.predictor import ActionPredictor, PredictorConfig

_FIRST_ROWS = 4
_LEAST_BATCH = 4
"""Smaller batches are filled up: products of fewer rows round otherwise, and what one session is told must not depend
on how many others are. With MKL, on the CPUs that were tried, rows are the same bits in any batch from four on."""

_DESKS = 8
"""Sizes of batches whose desks are kept."""


class PredictorRows:
    """`ActionPredictor.step` for many sessions, whose memory lies in rows of one tensor. float32 on the CPU.

    Rows are the callers' to name, best small: the tensor at least doubles until it holds the highest, and never
    shrinks. What a row is told does not depend on the others; against `step` it is another order of the same sums.
    A row is `[A + 2·layers·width]`: the last action, what the layers hid, their cells. So what goes into a layer, what
    is below it and what it hid, lies side by side.
    """

    def __init__(self, predictor: ActionPredictor) -> None:
        self._predictor, config = predictor, predictor.config
        self._layers = [_laid_out(predictor, layer) for layer in range(config.layers)]
        self._desks: dict[int, _Desk] = {}
        self._on_desk: list[int] = []  # rows that lie on the desk of their number as they are
        self._rows = torch.zeros(_FIRST_ROWS, len(config.levels) + 2 * config.layers * config.width)

    @property
    def capacity(self) -> int:
        """Rows that there are."""
        return len(self._rows)

    @torch.inference_mode()
    def begin(self, rows: Sequence[int]) -> None:
        """Sessions begin in `rows`."""
        needed = max(rows) + 1
        if needed > self.capacity:
            self._rows = pad(self._rows, (0, 0, 0, max(needed, 2 * self.capacity) - self.capacity))
        self._on_desk = []
        self._rows.index_fill_(0, torch.tensor(rows), 0.0)

    @torch.inference_mode()
    def tell(self, rows: Sequence[int], actions: Tensor) -> None:
        """One tick: actions `[B, A]` on the grid of the sessions in `rows`, each of which has begun and is named once.
        What went wrong has told nobody anything."""
        index, self._on_desk = _index(rows), []
        desk = self._desk(len(index))
        torch.index_select(self._rows, 0, index, out=desk.told)
        desk.actions.copy_(actions[-1:])
        if len(rows) > 1:
            desk.actions[: len(rows)] = actions
        for (weights, bias), (beside, hidden, cell) in zip(self._layers, desk.layers, strict=True):
            torch.addmm(bias, beside, weights, out=desk.sums)
            desk.gates.sigmoid_()
            desk.content.tanh_()
            cell.mul_(desk.forget).addcmul_(desk.enter, desk.content)
            torch.tanh(cell, out=hidden).mul_(desk.leave)
        self._rows.index_copy_(0, index, desk.told)
        self._on_desk = list(rows)

    @torch.inference_mode()
    def logits(self, rows: Sequence[int]) -> Tensor:
        """Of what comes next in `rows`: `[B, V]`."""
        if self._on_desk != rows:
            index, self._on_desk = _index(rows), []
            torch.index_select(self._rows, 0, index, out=self._desk(len(index)).told)
            self._on_desk = list(rows)
        desk = self._desk(max(len(rows), _LEAST_BATCH))
        scores = self._predictor.choose(desk.above)
        return self._predictor.logits(scores[: len(rows)], desk.actions[: len(rows)])

    def _desk(self, batch: int) -> _Desk:
        if batch not in self._desks:
            if len(self._desks) == _DESKS:
                self._desks.clear()
            self._desks[batch] = _Desk(batch, self._predictor.config)
        return self._desks[batch]


class _Desk:
    """Where a tick of `batch` rows is computed: tensors, and views of them, made once. Making them anew for every tick
    takes as long as computing it does for a few sessions."""

    def __init__(self, batch: int, config: PredictorConfig) -> None:
        width, controls, depth = config.width, len(config.levels), config.layers
        self.told = torch.empty(batch, controls + 2 * depth * width)
        self.sums = torch.empty(batch, 4 * width)
        self.gates, self.content = self.sums[:, : 3 * width], self.sums[:, 3 * width :]
        self.enter, self.forget, self.leave = self.gates.chunk(3, 1)
        self.actions, *parts = torch.split(self.told, [controls, *[width] * 2 * depth], 1)
        ends = range(controls + width, controls + (depth + 1) * width, width)
        below = [0, *range(controls, controls + (depth - 1) * width, width)]
        beside = [self.told[:, begin:end] for begin, end in zip(below, ends, strict=True)]
        self.layers = list(zip(beside, parts[:depth], parts[depth:], strict=True))
        self.above = parts[depth - 1]


def _index(rows: Sequence[int]) -> Tensor:
    """int64, at least `_LEAST_BATCH`: the last row once more, which then is computed, and written, to the same end."""
    return torch.tensor([*rows, *[rows[-1]] * (_LEAST_BATCH - len(rows))])


def _laid_out(predictor: ActionPredictor, layer: int) -> tuple[Tensor, Tensor]:
    """A layer's weights `[I + width, 4·width]`, for what comes from below and what was hidden, and its bias. Gates come
    as enter, forget, leave, content, so that one call squashes the first three."""
    w_in, w_back, b_in, b_back = predictor.remember.all_weights[layer]
    enter, forget, content, leave = torch.cat([w_in, w_back, (b_in + b_back)[:, None]], 1).detach().chunk(4)
    laid = torch.cat([enter, forget, leave, content]).T.contiguous()
    return laid[:-1], laid[-1]
