"""Sizes of a codec."""

from __future__ import annotations

import dataclasses
import itertools
import math
from dataclasses import dataclass
from typing import Any

from dreamcade.core.config import JsonConfig
from dreamcade.core.errors import BadInputError

TOKENS = 54
"""Latent cells of a frame that a laptop's processor can keep up with."""
PICTURE_PIXELS = 36_000
"""Pixels of a small picture that it can learn from in hours …"""
WHOLE_PIXELS = 80_000
"""… and of a whole frame, folded by 8 instead of 4: so no detail is lost before the networks see it."""


@dataclass(frozen=True, slots=True)
class CodecConfig(JsonConfig):
    """A deep codec in two stages: frame ↔ small picture (`reduction`² pixels averaged) ↔ latent. With `reduction` 1 the
    small picture is the frame, and there is no first stage.

    The small picture is folded by `fold` to a middle grid, and that by `gather` to the latent's: one latent cell stands
    for reduction · fold · gather pixels each way. `mean` and `deviation` normalise each colour of the small picture
    (values in [−1, 1]).
    """

    frame_height: int = 480
    frame_width: int = 720
    reduction: int = 4
    fold: int = 4
    gather: int = 5
    channels: int = 64
    coarse_width: int = 256
    coarse_blocks: int = 3
    fine_width: int = 64
    fine_blocks: int = 3
    context_width: int = 48
    context_blocks: int = 1
    detail_width: int = 24
    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    deviation: tuple[float, ...] = (0.5, 0.5, 0.5)

    def __post_init__(self) -> None:
        if self.fold % 2:
            raise BadInputError(f"fold must be even; got {self.fold}")
        if self.frame_height % self.cell or self.frame_width % self.cell:
            raise BadInputError(
                f"a frame's height and width must be multiples of {self.cell}; "
                f"got {self.frame_width}x{self.frame_height}"
            )

    def fitted(self, width: int, height: int) -> CodecConfig:
        """The same codec for frames of another size: whole up to `WHOLE_PIXELS`, else reduced as little as leaves
        `PICTURE_PIXELS`; its cells as large as leaves about `TOKENS` of them. Where a whole frame is folded by 8, the
        networks on the folded grid are half as wide again.

        Raises `BadInputError` where no cell divides both sides.
        """
        enough = (r for r in (2, 4) if width * height <= PICTURE_PIXELS * r**2)
        reduction = 1 if width * height <= WHOLE_PIXELS else next(enough, 8)
        folds = (8,) if reduction == 1 and width * height > PICTURE_PIXELS else (4, 2)
        best: tuple[float, CodecConfig] | None = None
        for fold, gather in itertools.product(folds, range(8, 0, -1)):
            cell = reduction * fold * gather
            if width % cell or height % cell:
                continue
            misfit = abs(math.log(width * height / cell**2 / TOKENS))
            if best is None or misfit < best[0]:
                best = (
                    misfit,
                    dataclasses.replace(
                        self,
                        frame_width=width,
                        frame_height=height,
                        reduction=reduction,
                        fold=fold,
                        gather=gather,
                        fine_width=self.fine_width * 3 // 2 if fold == 8 else self.fine_width,
                    ),
                )
        if best is None:
            step = min(folds) * reduction
            raise BadInputError(
                f"a frame's width and height must be multiples of {step}; got {width}x{height}: "
                f"try {max(1, round(width / step)) * step}x{max(1, round(height / step)) * step}"
            )
        return best[1]

    @property
    def cell(self) -> int:
        """Frame pixels under one latent cell, each way."""
        return self.reduction * self.fold * self.gather

    @property
    def latent_shape(self) -> tuple[int, int, int]:
        """(c, h, w) of one latent."""
        return self.channels, self.frame_height // self.cell, self.frame_width // self.cell

    @property
    def picture_shape(self) -> tuple[int, int, int]:
        """(3, height, width) of one small picture."""
        return 3, self.frame_height // self.reduction, self.frame_width // self.reduction

    def picture_facts(self) -> dict[str, Any]:
        """All that decides what the small picture of a frame is."""
        return {"frame_height": self.frame_height, "frame_width": self.frame_width, "reduction": self.reduction}


COMFORTABLE_PIXELS = 110_000
"""Pixels of a frame that two cores learn and play at leisure."""


def comfortable_size(width: int, height: int) -> tuple[int, int]:
    """The (width, height) nearest to this in shape and size, but no larger, that the default codec has about `TOKENS`
    cells for; at most `COMFORTABLE_PIXELS`."""
    pixels = min(width * height, COMFORTABLE_PIXELS)
    best, found = math.inf, (width, height)
    for reduction, fold, gather in itertools.product((1, 2), (2, 4, 8), range(1, 9)):
        cell = reduction * fold * gather
        for columns, rows in itertools.product(range(4, 17), repeat=2):
            w, h = columns * cell, rows * cell
            if not 0.6 * TOKENS <= columns * rows <= 1.6 * TOKENS or w * h > 1.02 * pixels:
                continue
            shape, area = abs(math.log(w * height / (h * width))), abs(math.log(w * h / pixels))
            misfit = 6 * shape + area + 0.3 * abs(math.log(columns * rows / TOKENS))
            if misfit < best and _cell_of(w, h) == cell:
                best, found = misfit, (w, h)
    return found


def _cell_of(width: int, height: int) -> int | None:
    """The cell that the default codec has for frames of this size; None where none divides them."""
    try:
        return CodecConfig().fitted(width, height).cell
    except BadInputError:
        return None
