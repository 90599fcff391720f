"""The axis `distribution`: do dreamed pictures as a whole look like the game's, near and far ahead?"""

from __future__ import annotations

from typing import Any

import numpy as np

from dreamcade.core.types import Pixels
from dreamcade.evaluation.axis import Axis, at_most, number
from dreamcade.evaluation.features import EfficientNetLite
from dreamcade.evaluation.frechet import FEWEST, Ruler
from dreamcade.evaluation.metrics import Progress
from dreamcade.evaluation.rollouts import Pair, Rollouts

KINDS = {"frames": "frames", "motion": "frame differences"}
FARTHEST = 2.0
"""How many floors the distance of the first stretch may be."""


def distribution_axis(made: Rollouts, progress: Progress) -> Axis:
    """Figures `frechet_frames_1_16`, `frechet_motion_1_16`, … each with `_floor`: what two halves of the real pictures
    differ by."""
    network = EfficientNetLite.load()
    axis = Axis(
        "distribution",
        "Distribution",
        "Fréchet distance on EfficientNet-Lite0 features (not FID), in units of how widely the game's own pictures "
        "are spread: 0 is the same cloud of pictures, 1 is far away. The floor is what two halves of the real pictures "
        "differ by. Frame differences tell whether things move as they do in the game.",
        columns=("", "dream", "floor (real against real)"),
    )
    stretches = [s for s, pairs in made.pairs.items() if len(pairs) >= FEWEST]
    for done, stretch in enumerate(stretches):
        for kind in KINDS:
            _measure(axis, network, kind, stretch, made.pairs[stretch])
        progress("distribution", done + 1, len(stretches))
    if not stretches:
        axis.notes.append(f"Too few windows: a Fréchet distance needs at least {FEWEST} pictures of a stretch.")
    _judge(axis)
    return axis


def _measure(axis: Axis, network: EfficientNetLite, kind: str, stretch: tuple[int, int], pairs: list[Pair]) -> None:
    real = network.describe(np.stack([_picture(p.real, kind) for p in pairs]))
    dream = network.describe(np.stack([_picture(p.dream, kind) for p in pairs]))
    ruler = Ruler.fit(real)
    order = np.random.default_rng(0).permutation(len(real))
    half = len(real) // 2
    # Two halves are smaller clouds than the whole, which alone drives them apart: the dream is compared in halves too.
    floor = ruler.distance(real[order[:half]], real[order[half : 2 * half]])
    distance = np.mean([ruler.distance(real[order[:half]], dream[order[half : 2 * half]]),
                        ruler.distance(real[order[half : 2 * half]], dream[order[:half]])])  # fmt: skip
    key = f"frechet_{kind}_{stretch[0]}_{stretch[1]}"
    axis.figures |= {key: float(distance), f"{key}_floor": float(floor), f"{key}_pictures": 2 * half}
    words = f"{KINDS[kind].capitalize()}, {stretch[0]} to {stretch[1]} ahead ({2 * half} pictures)"
    axis.rows.append((words, number(float(distance), 3), number(float(floor), 3)))


def _picture(pair: Pixels, kind: str) -> Pixels:
    """A frame, or its difference from the one before as a picture about grey."""
    newest: Pixels = pair[1]
    if kind == "frames":
        return newest
    difference = newest.astype(np.int16) - pair[0]
    shown: Pixels = np.clip(128 + difference, 0, 255).astype(np.uint8)
    return shown


def _judge(axis: Axis) -> None:
    figures: dict[str, Any] = axis.figures
    parts = []
    for kind, words in KINDS.items():
        keys = [k for k in figures if k.startswith(f"frechet_{kind}") and k.count("_") == 3]
        if not keys:
            continue
        ratio = figures[keys[0]] / max(figures[keys[0] + "_floor"], 1e-6)
        axis.criteria.append(
            at_most(f"{words.capitalize()}, first stretch: distance over the floor", ratio, FARTHEST, " ×")
        )
        last = figures[keys[-1]] / max(figures[keys[-1] + "_floor"], 1e-6)
        parts.append(f"{words} {ratio:.1f} × the floor at first, {last:.1f} × at last")
    axis.verdict = "; ".join(parts).capitalize() + "." if parts else "Not measured."
