"""Sizes of a dynamics model."""

from __future__ import annotations

from dataclasses import dataclass

from dreamcade.core.config import JsonConfig
from dreamcade.core.errors import BadInputError
from dreamcade.dynamics import view


@dataclass(frozen=True, slots=True)
class DynamicsConfig(JsonConfig):
    """A causal diffusion transformer with a motion-compensated output.

    One token stands for `patch`² latent cells. `code_size` numbers per token are what is denoised; `memory` past
    frames stay in the ring cache that the `memory_layers` attend to.
    """

    latent_channels: int = 12
    latent_height: int = 60
    latent_width: int = 90
    patch: int = 10
    action_size: int = 3
    action_history: int = 8
    code_size: int = 24
    width: int = 192
    depth: int = 4
    heads: int = 3
    memory: int = 16
    memory_layers: tuple[int, ...] = (1, 3)
    condition_width: int = 128
    feature_channels: int = 16
    painter_width: int = 24
    sampling_levels: tuple[float, ...] = (1.0, 0.3)
    """Noise level of each sampling step; the first is 1 (nothing but noise). Their number is the number of steps."""

    def __post_init__(self) -> None:
        if self.latent_height % self.patch or self.latent_width % self.patch:
            raise BadInputError(
                f"latents of {self.latent_height}x{self.latent_width} do not divide into patches of {self.patch}"
            )
        if self.width % self.heads or (self.width // self.heads) % 4:
            raise BadInputError(f"width {self.width} must be heads ({self.heads}) times a multiple of 4")

    @property
    def latent_shape(self) -> tuple[int, int, int]:
        """(c, h, w) of one latent."""
        return self.latent_channels, self.latent_height, self.latent_width

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of tokens."""
        return self.latent_height // self.patch, self.latent_width // self.patch

    @property
    def tokens(self) -> int:
        """L, tokens per frame."""
        return self.grid[0] * self.grid[1]

    @property
    def driving_size(self) -> int:
        """Numbers in `Context.driving`: the last two motions of the view, and twice the remembered actions."""
        return 2 * view.NUMBERS + 2 * self.action_history * self.action_size

    @property
    def patch_size(self) -> int:
        """Numbers in one token's patch of a latent."""
        return self.latent_channels * self.patch**2
