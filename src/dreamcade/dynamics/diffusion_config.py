"""Sizes of a diffusion transformer over patches, and their named presets."""

from __future__ import annotations

from dataclasses import dataclass

from dreamcade.core.config import JsonConfig
from dreamcade.core.errors import BadInputError

FULL = "full"
"""Each token sees all tokens of the frames in memory, and of its own frame."""
FACTORISED = "factorised"
"""Each token sees its own frame's tokens, and its own place in the frames in memory."""


@dataclass(frozen=True, slots=True)
class DiffusionTransformerConfig(JsonConfig):
    """A causal diffusion transformer whose tokens are `patch` × `patch` cells of a latent.

    The newest `recent` latents enter every token beside the noisy target; every layer remembers the last `memory`
    frames in a ring cache.
    """

    latent_channels: int = 16
    latent_height: int = 60
    latent_width: int = 90
    patch: int = 2
    action_size: int = 3
    action_history: int = 8
    recent: int = 4
    heads: int = 30
    head_dim: int = 64
    depth: int = 30
    memory: int = 8
    attention: str = FULL
    feed_forward: str = "gelu"
    """`gelu`: a layer of four times the width; `gated`: SwiGLU of eight thirds, which has as many weights."""
    condition_width: int = 256
    sampling_levels: tuple[float, ...] = (1.0, 0.8)
    """Noise level of each sampling step; the first is 1 (nothing but noise). Their number is the number of steps."""

    def __post_init__(self) -> None:
        if self.latent_height % self.patch or self.latent_width % self.patch:
            size = f"{self.latent_height} × {self.latent_width}"
            raise BadInputError(f"a latent of {size} cells cannot be cut into patches of {self.patch}")
        if self.head_dim % 8:
            raise BadInputError(f"head_dim must be a multiple of 8; got {self.head_dim}")
        if self.attention not in (FULL, FACTORISED):
            raise BadInputError(f"attention must be {FULL!r} or {FACTORISED!r}; got {self.attention!r}")
        if self.feed_forward not in ("gelu", "gated"):
            raise BadInputError(f"feed_forward must be 'gelu' or 'gated'; got {self.feed_forward!r}")
        if self.recent < 1 or self.memory < 1 or not self.sampling_levels:
            raise BadInputError("recent, memory and the number of sampling levels must be at least 1")

    @property
    def width(self) -> int:
        """D, channels of a token inside."""
        return self.heads * self.head_dim

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of tokens."""
        return self.latent_height // self.patch, self.latent_width // self.patch

    @property
    def tokens(self) -> int:
        """L, tokens per frame."""
        return self.grid[0] * self.grid[1]

    @property
    def token_size(self) -> int:
        """P, numbers of a latent in one token."""
        return self.latent_channels * self.patch**2

    @property
    def hidden(self) -> int:
        """Channels in the middle of a feed-forward layer."""
        return 4 * self.width if self.feed_forward == "gelu" else -(-8 * self.width // 3 // 64) * 64

    @property
    def latent_shape(self) -> tuple[int, int, int]:
        """(c, h, w) of one latent."""
        return self.latent_channels, self.latent_height, self.latent_width

    @property
    def modulation_rows(self) -> int:
        """Rows of D numbers that one pass needs: scale and shift before each of two layers a block and at the end, and
        a gate after each."""
        return 6 * self.depth + 2


PRESETS = {
    # 30 heads as in arXiv 2602.00608; 720×480 through a codec that reduces 8 times to 16 channels; 1.4 G weights.
    "paper": DiffusionTransformerConfig(),
    "paper-factorised": DiffusionTransformerConfig(attention=FACTORISED),
}
"""Sizes by name."""
