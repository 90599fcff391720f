"""Where may a frame be extrapolated? The guards are set on held-out play: as many skips as a budget of quality allows.

Every setting that is tried continues the same windows under the same actions and the same noise, so that what differs
is due to the skips.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dreamcade.dynamics import ExtrapolationConfig, Extrapolator
from dreamcade.dynamics.extrapolation import straight_on
from dreamcade.evaluation.lpips import LPIPS
from dreamcade.evaluation.machine import machine_name
from dreamcade.evaluation.metrics import Progress
from dreamcade.evaluation.skipping import Method, Playground, Scores, Track
from dreamcade.world.world import World

CAPS = (1, 2, 3)
"""Skips in a row that are tried."""
BENDS, NO_LIMIT = (0.05, 0.1, 0.2, 0.3, 0.45, 0.6, 0.8), 1e3
"""Limits of curvature that are tried: those that let these shares of the ticks of full inference pass, and one that
lets nearly all of them."""
DISTANCES, FARTHEST = (0.3, 0.5, 0.8), 0.5
"""The same for the distance of actions, but at most half a button (or half of a wheel's way to one side): what a player
newly asks for is computed, whatever the figures would allow."""
COARSE = 3
"""The search looks at a third of the windows and of the ticks; what it finds is then measured on all of them."""
CONFIRMED = 6
"""Settings at most that are measured on all windows."""


@dataclass(frozen=True, slots=True)
class Tried:
    """A setting, the share of ticks that it skipped, what that cost in dB of PSNR against the real frames, and on how
    many windows; `blur` is by what share LPIPS grew, where it was looked at."""

    config: ExtrapolationConfig
    share: float
    loss: float
    windows: int
    blur: float | None = None


@dataclass(frozen=True, slots=True)
class Budget:
    """What skipping may cost: dB of PSNR, and a share of LPIPS, since PSNR alone takes blur for a gain."""

    psnr: float = 0.5
    lpips: float = 0.1

    def used(self, tried: Tried) -> float:
        """Of the scarcer of both, the part that a setting uses; more than 1 is too much."""
        if tried.share == 0:
            return 0.0
        parts = [tried.loss / self.psnr if self.psnr > 0 else float("inf")]
        if tried.blur is not None:
            parts.append(tried.blur / self.lpips if self.lpips > 0 else float("inf"))
        return max(parts)


@dataclass(slots=True)
class Calibration:
    """What a search came to: `chosen` is none where even the fewest skips cost more than the budget. `methods` are the
    rows of the comparison at the chosen setting."""

    budget: Budget
    ticks: int
    windows: int
    chosen: Tried | None = None
    tried: list[Tried] = field(default_factory=list)
    methods: list[dict[str, Any]] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        curve = [
            {**t.config.to_json(), "skipped": t.share, "loss_db": t.loss, "lpips_growth": t.blur, "windows": t.windows}
            for t in self.tried
        ]
        return {
            "budget_db": self.budget.psnr, "budget_lpips": self.budget.lpips,
            "ticks": self.ticks, "windows": self.windows,
            "chosen": None if self.chosen is None else self.chosen.config.to_json(),
            "methods": self.methods, "tried": curve, "machine": machine_name(torch.device("cpu")),
        }  # fmt: skip


def calibrated(world: World, extrapolator: Extrapolator, found: Calibration) -> World | None:
    """`world` with the setting that was found and its figures on the card, or none where none was."""
    if found.chosen is None:
        return None
    chosen = copy.deepcopy(extrapolator)
    chosen.config = found.chosen.config
    ours = next(row for row in found.methods if row["method"] == "ours")
    full = next(row for row in found.methods if row["method"] == "full")
    said = {
        "passes skipped, share": round(ours["skipped"], 3),
        "PSNR lost in dB, of a budget of": [round(ours["loss_db"], 3), found.budget.psnr],
        "PSNR to the real frames in dB": round(ours["psnr"], 2), "of full inference": round(full["psnr"], 2),
        "PSNR to full inference in dB": round(ours["psnr_to_full"], 2),
        "LPIPS to the real frames, of full inference": [ours["lpips"], full["lpips"]],
        "ms of a skip, of a full pass": [round(ours["ms"], 2), round(full["ms"], 2)],
        "measured": f"{found.windows} held-out windows played on for {found.ticks} ticks",
        "machine": machine_name(torch.device("cpu")),
    }  # fmt: skip
    made = world.with_extrapolator(chosen)
    card = {**world.manifest.card, "extrapolation": said}
    return dataclasses.replace(made, manifest=dataclasses.replace(made.manifest, card=card))


class Search:
    """Looks for the most skips within the budget; every measurement is kept in `tried`."""

    def __init__(self, playground: Playground, extrapolator: Extrapolator, budget: Budget, progress: Progress) -> None:
        self.playground, self.budget, self.progress = playground, budget, progress
        self.extrapolator = copy.deepcopy(extrapolator).to(playground.dtype)
        self.full = playground.roll()
        self.near = playground.glance(self.full, np.arange(playground.ticks))
        """PSNR of full inference to the real frames `[T, W]`."""
        # Drawn by lot: every n-th tick could be always a skipped one, or never.
        few = max(1, playground.ticks // COARSE)
        self._glances = np.sort(np.random.default_rng(0).choice(playground.ticks, few, replace=False))
        self.judge = LPIPS.load()
        self.sharp = playground.look(self.full, self.judge)
        """LPIPS of full inference to the real frames."""
        self.tried: list[Tried] = []

    def run(self) -> Tried | None:
        """The best setting, measured on all windows, or none."""
        few = max(1, self.playground.count // COARSE)
        settings, best = list(_settings(self.full, self.extrapolator.config)), 0.0
        for done, limits in enumerate(settings):
            found = self._widest(limits, few, best)
            best = max(best, found.share if found is not None else 0.0)
            self.progress("looking for limits", done + 1, len(settings))
        return self._confirm(settings)

    def measure(self, config: ExtrapolationConfig, windows: int) -> Tried:
        """Skips and loss of one setting: at all ticks of all windows, or at some of the first `windows` ones."""
        track = self.playground.roll(config, self.extrapolator, windows)
        ticks = np.arange(self.playground.ticks) if windows == self.playground.count else self._glances
        lost = self.near[ticks, :windows] - self.playground.glance(track, ticks)
        blur = None
        if windows == self.playground.count and self.sharp is not None:
            blur = (self.playground.look(track, self.judge) or 0.0) / max(self.sharp, 1e-6) - 1
        tried = Tried(config, track.share, float(lost.mean()), windows, blur)
        self.tried.append(tried)
        return tried

    def _widest(self, limits: Sequence[ExtrapolationConfig], windows: int, best: float) -> Tried | None:
        """Of settings that let more and more pass, the last that keeps within the budget: by bisection. Given up early
        where even the widest skips no more than `best`."""
        widest = self.measure(limits[-1], windows)
        if self.budget.used(widest) <= 1:
            return widest
        low, high, found = 0, len(limits) - 2, None
        while low <= high and widest.share > best:
            middle = (low + high) // 2
            tried = self.measure(limits[middle], windows)
            if self.budget.used(tried) <= 1:
                found, low = tried, middle + 1
            else:
                high = middle - 1
        return found

    def _confirm(self, settings: Sequence[Sequence[ExtrapolationConfig]]) -> Tried | None:
        """Settings on all windows, most skips first, until one keeps within the budget. By how much those windows cost
        more than the few did, the next ones are expected to."""
        glanced, harder, best = [t for t in self.tried if t.share > 0], 1.0, None
        for done in range(CONFIRMED):
            least = 0.0 if best is None else best.share
            left = [t for t in glanced if self.budget.used(t) * harder <= 1 and t.share > least]
            if not left:
                break
            candidate = max(left, key=lambda t: t.share)
            glanced.remove(candidate)
            tried = self.measure(candidate.config, self.playground.count)
            if self.budget.used(tried) <= 1:
                best = tried if tried.share > least else best
            else:
                harder = max(harder, 0.9 * self.budget.used(tried) / max(self.budget.used(candidate), 1e-2))
            self.progress("measuring on all windows", done + 1, CONFIRMED)
        if best is None:  # the few windows were kinder than all of them: narrower limits were never looked at
            strictest = min(settings, key=lambda limits: (limits[0].most_skips, limits[0].action_distance))
            best = self._widest(strictest, self.playground.count, 0.0)
        self.progress("measuring on all windows", CONFIRMED, CONFIRMED)
        return best if best is not None and best.share > 0 else None


def calibrate(playground: Playground, extrapolator: Extrapolator, budget: Budget, progress: Progress) -> Calibration:
    """Searches the guards of `extrapolator` and compares it with simpler ways at the setting found."""
    search = Search(playground, extrapolator, budget, progress)
    made = Calibration(budget, playground.ticks, playground.count)
    made.chosen, made.tried = search.run(), search.tried
    compared = made.chosen.config if made.chosen is not None else _least(search.tried)
    made.methods = compare(search, compared, progress)
    return made


def compare(search: Search, config: ExtrapolationConfig, progress: Progress) -> list[dict[str, Any]]:
    """Every method at one setting, as rows of a table: figures of shown frames, averaged over ticks and windows."""
    playground, judge = search.playground, search.judge
    free = dataclasses.replace(config, action_distance=NO_LIMIT, curvature=NO_LIMIT)
    methods: dict[str, tuple[ExtrapolationConfig, Method]] = {
        "repeat": (config, _repeat), "blend": (config, _repeat), "linear": (config, _straight),
        "linear, unguarded": (free, _straight), "ours, unguarded": (free, search.extrapolator),
        "ours": (config, search.extrapolator),
    }  # fmt: skip
    tracks = {"full": search.full}
    for name, (guard, method) in methods.items():
        tracks[name] = dataclasses.replace(playground.roll(guard, method), blended=name == "blend")
    scores: dict[str, list[Scores]] = {name: [] for name in tracks}
    for window in range(playground.count):
        for name, score in playground.score(tracks, window, judge).items():
            scores[name].append(score)
        progress("comparing methods", window + 1, playground.count)
    costs = {name: playground.milliseconds(methods[name][1] if name in methods else None) for name in tracks}
    return [_row(name, track, scores[name], search.near, costs[name]) for name, track in tracks.items()]


def _row(name: str, track: Track, scores: Sequence[Scores], full: NDArray[np.float64], cost: float) -> dict[str, Any]:
    near, skipped = np.stack([s.real for s in scores], 1), track.skipped.numpy()
    same = np.stack([s.full for s in scores if s.full is not None], 1)
    seen = [s.lpips for s in scores if s.lpips is not None]
    return {
        "method": name, "skipped": track.share, "psnr": float(near.mean()), "loss_db": float((full - near).mean()),
        "psnr_to_full": None if name == "full" else float(same.mean()),
        "lpips": float(np.mean(seen)) if seen else None, "ms": cost,
        "loss_db_by_tick": [round(float(loss), 3) for loss in (full - near).mean(1)],
        "psnr_of_skipped": float(near[skipped].mean()) if skipped.any() else None,
    }  # fmt: skip


def _settings(full: Track, config: ExtrapolationConfig) -> Iterator[list[ExtrapolationConfig]]:
    """For every cap and limit of the actions' distance, widest first, the limits of curvature that are tried, narrowest
    first."""
    bends = [*_levels(full.curvatures, BENDS), NO_LIMIT]
    for cap in reversed(CAPS):
        for distance in reversed(_levels(full.distances.clamp(max=FARTHEST), DISTANCES)):
            yield [
                dataclasses.replace(config, action_distance=distance, curvature=bend, most_skips=cap) for bend in bends
            ]


def _levels(values: Tensor, shares: Sequence[float]) -> list[float]:
    """Limits that let more and more of the values pass, each once."""
    found = np.quantile(values.float().numpy(), shares)
    return sorted({float(f"{level:.4g}") for level in found})


def _least(tried: Sequence[Tried]) -> ExtrapolationConfig:
    """Of all settings that skip anything, the one that costs least."""
    return min(tried, key=lambda t: (t.share == 0, -t.windows, t.loss)).config


def _repeat(recent: Tensor, actions: Tensor) -> Tensor:
    return recent[:, 0]


def _straight(recent: Tensor, actions: Tensor) -> Tensor:
    return straight_on(recent)
