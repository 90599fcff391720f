"""Sizes of a dynamics model."""

from __future__ import annotations

from dataclasses import dataclass

from dreamcade.core.config import JsonConfig
from dreamcade.core.errors import BadInputError


@dataclass(frozen=True, slots=True)
class DynamicsConfig(JsonConfig):
    """A causal diffusion transformer with one token per latent cell.

    The newest `recent` latents enter every token beside the noisy target; `memory` past frames stay in the ring cache
    that the `memory_layers` attend to.
    """

    latent_channels: int = 64
    latent_height: int = 6
    latent_width: int = 9
    action_size: int = 3
    action_history: int = 8
    recent: int = 4
    width: int = 192
    depth: int = 8
    heads: int = 6
    memory: int = 8
    memory_layers: tuple[int, ...] = (2,)
    condition_width: int = 128
    motion_points: int = 0
    """Points, each way, by which a cell is drawn so that what moves can be moved in the picture; 0: the newest latent
    stands still until the transformer changes it."""
    sampling_levels: tuple[float, ...] = (1.0, 0.8)
    """Noise level of each sampling step; the first is 1 (nothing but noise). Their number is the number of steps."""

    def __post_init__(self) -> None:
        if self.width % self.heads or (self.width // self.heads) % 4:
            raise BadInputError(f"width {self.width} must be heads ({self.heads}) times a multiple of 4")
        if self.motion_points % 8:
            raise BadInputError(f"motion_points must be a multiple of 8; got {self.motion_points}")
        if not 1 <= self.recent <= self.memory:
            raise BadInputError(f"recent ({self.recent}) must be at least 1 and at most memory ({self.memory})")

    @property
    def latent_shape(self) -> tuple[int, int, int]:
        """(c, h, w) of one latent."""
        return self.latent_channels, self.latent_height, self.latent_width

    @property
    def tokens(self) -> int:
        """L, tokens per frame."""
        return self.latent_height * self.latent_width
