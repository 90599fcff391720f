"""Sizes of a codec."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dreamcade.core.config import JsonConfig
from dreamcade.core.errors import BadInputError


@dataclass(frozen=True, slots=True)
class CodecConfig(JsonConfig):
    """A pyramid codec: frames are averaged over `reduction`², folded by 2, and redrawn by a small network.

    `mean` and `deviation` normalise each colour of the reduced picture (values in [−1, 1]).
    """

    frame_height: int = 480
    frame_width: int = 720
    reduction: int = 4
    width: int = 64
    blocks: int = 4
    detail_width: int = 24
    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    deviation: tuple[float, ...] = (0.5, 0.5, 0.5)

    def __post_init__(self) -> None:
        step = 2 * self.reduction
        if self.frame_height % step or self.frame_width % step:
            raise BadInputError(
                f"a frame's height and width must be multiples of {step}; got {self.frame_width}x{self.frame_height}"
            )

    def encoder_facts(self) -> dict[str, Any]:
        """All that decides what the latent of a frame is; the decoder may change without making latents worthless."""
        names = ("frame_height", "frame_width", "reduction", "mean", "deviation")
        return {name: value for name, value in self.to_json().items() if name in names}

    @property
    def latent_shape(self) -> tuple[int, int, int]:
        """(c, h, w) of one latent."""
        step = 2 * self.reduction
        return 12, self.frame_height // step, self.frame_width // step
