"""How a picture as a whole moves from one frame to the next: measured, and applied.

A motion is 12 numbers, `[…, 2, 6]`: how far things go to the right and downwards, in cells, each a polynomial of second
degree in the place (x and y from −1 to 1). That covers a view that slides, turns, zooms, or walks over a floor.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

TERMS = 6
COARSE = 4
"""Points of a cell, each way, of the picture in which slides are searched for …"""
FINE = 8
"""… and of the one in which the rest is measured."""
COARSE_STEPS = 3
"""Gauss-Newton steps on the coarse picture; one more follows on the fine one."""
FARTHEST = 4
"""Coarse points that a picture may slide by, each way."""
SHORTER = 3e-5
"""Of two slides that explain a picture equally well the shorter is taken: squared grey value a squared point costs."""
STIFF = 1e-3
"""How far what is measured is drawn to a mere slide: squared grey value a squared cell costs …"""
SLIDES_STIFF = 1e-4
"""… and that slide to the one found before."""
OUTLIER = 0.5
"""Grey value off by which a point counts half: it moves by itself, or was hidden before."""


class Grid(nn.Module):
    """The points of pictures of `rows` × `columns` cells, `points` a cell each way."""

    terms: Tensor
    inner: Tensor
    stiff: Tensor
    ridge: Tensor

    def __init__(self, rows: int, columns: int, points: int) -> None:
        super().__init__()
        self.rows, self.columns, self.points = rows, columns, points
        self.register_buffer("terms", torch.empty(0), persistent=False)
        self.register_buffer("inner", torch.empty(0), persistent=False)
        self.register_buffer("stiff", torch.empty(0), persistent=False)
        self.register_buffer("ridge", torch.empty(0), persistent=False)
        self._fill(torch.device("cpu"))

    def _fill(self, device: torch.device) -> None:
        rows, columns, edge = self.rows * self.points, self.columns * self.points, self.points // 2
        y = (2 * torch.arange(rows, device=device) + 1) / rows - 1
        x = (2 * torch.arange(columns, device=device) + 1) / columns - 1
        y, x = torch.meshgrid(y, x, indexing="ij")
        self.terms = torch.stack([torch.ones_like(x), x, y, x * y, x * x, y * y])
        self.inner = F.pad(torch.ones_like(x)[edge:-edge, edge:-edge], (edge,) * 4)[None, None]
        stiff = torch.full((2, TERMS), STIFF, device=device)
        stiff[:, 0] = SLIDES_STIFF
        self.stiff, self.ridge = stiff.flatten(), torch.diag(stiff.flatten())

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Coordinates need float32, whatever the weights are converted to."""
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        self._fill(self.terms.device)
        return self

    def move(self, pictures: Tensor, motions: Tensor, mode: str = "bicubic") -> Tensor:
        """Pictures `[B, C, h, w]` after motions `[B, 2, 6]`; what comes into sight repeats the edge."""
        distance = (motions.flatten(0, 1) @ self.terms.flatten(1)).view(-1, 2, *pictures.shape[2:])
        right, down = distance.unbind(1)
        places = torch.stack([self.terms[1] - right * (2 / self.columns), self.terms[2] - down * (2 / self.rows)], -1)
        return F.grid_sample(pictures, places, mode=mode, padding_mode="border", align_corners=False)

    def refine(self, motions: Tensor, now: Tensor, before: Tensor, weight: Tensor) -> Tensor:
        """Motions that make grey pictures `now` of `before` a little better: one Gauss-Newton step."""
        both = torch.cat([before, weight.expand_as(before)], 1)
        made, counted_before = self.move(both, motions, mode="bilinear").chunk(2, dim=1)
        edge = F.pad(made, (1, 1, 1, 1), mode="replicate")
        right = edge[:, 0, 1:-1, 2:] - edge[:, 0, 1:-1, :-2]
        down = edge[:, 0, 2:, 1:-1] - edge[:, 0, :-2, 1:-1]
        slopes = (torch.stack([right, down], 1)[:, :, None] * (self.points / 2) * self.terms).flatten(3).flatten(1, 2)
        off = (made - now).flatten(2)
        counts = (weight * counted_before * self.inner).flatten(2) / (1 + (off / OUTLIER).square())
        counted = slopes * (counts / counts.sum(2, keepdim=True).clamp(min=1e-6))
        bent = torch.cat([torch.zeros_like(motions[:, :, :1]), motions[:, :, 1:]], 2).flatten(1)
        wanted = counted @ off.transpose(-1, -2) - (self.stiff * bent)[:, :, None]
        # Not `solve`: on a GPU that waits to see whether a system is singular, which the ridge rules out.
        step, _ = torch.linalg.solve_ex(counted @ slopes.transpose(-1, -2) + self.ridge, wanted)
        return motions + step.view_as(motions)


class MotionMeter(nn.Module):
    """What motion made one grey picture of another, each `[B, 1, rows · FINE, columns · FINE]`."""

    def __init__(self, rows: int, columns: int) -> None:
        super().__init__()
        self.coarse, self.fine = Grid(rows, columns, COARSE), Grid(rows, columns, FINE)

    def forward(self, now: Tensor, before: Tensor, weight: Tensor) -> Tensor:
        """Motions `[B, 2, 6]`: Gauss-Newton steps from the best of all whole slides. `weight` `[1, 1, h, w]` tells how
        much each point counts."""
        small = [F.avg_pool2d(x, FINE // COARSE) for x in (now, before, weight)]
        slide = _best_slide(*small) / COARSE
        motions = torch.cat([slide[:, :, None], slide.new_zeros(len(slide), 2, TERMS - 1)], 2)
        for _ in range(COARSE_STEPS):
            motions = self.coarse.refine(motions, *small)
        return self.fine.refine(motions, now, before, weight)


def _best_slide(now: Tensor, before: Tensor, weight: Tensor) -> Tensor:
    """Whole points (right, down) `[B, 2]` by which `before` slid to become `now`."""
    reach = min(FARTHEST, (min(now.shape[2:]) - 1) // 4)
    window = (slice(None), 0, slice(reach, -reach), slice(reach, -reach))
    now, height, width = now[window], now.shape[2] - 2 * reach, now.shape[3] - 2 * reach
    slid, slid_weight = (x[:, 0].unfold(1, height, 1).unfold(2, width, 1) for x in (before, weight))
    counts = slid_weight * weight[window][:, None, None]
    error = ((slid - now[:, None, None]).square() * counts).sum((3, 4)) / counts.sum((3, 4)).clamp(min=1e-6)
    away = torch.arange(-reach, reach + 1, device=now.device).square()
    error = error + SHORTER * (away[:, None] + away)
    best, side = error.flatten(1).argmin(1), 2 * reach + 1
    return torch.stack([reach - best % side, reach - best // side], 1).to(now.dtype)
