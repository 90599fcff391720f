"""A world's networks as three functions of plain tensors, as compilers of graphs want them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dreamcade.codec import Codec
from dreamcade.dynamics import Dynamics
from dreamcade.dynamics.dynamics import Context, Embedded


class Embed(nn.Module):
    """What all sampling steps of a frame share."""

    def __init__(self, dynamics: Dynamics) -> None:
        super().__init__()
        self.dynamics = dynamics

    def forward(self, recent: Tensor, actions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """`recent` `[B, R, L, c]`, `actions` `[B, history, A]` → tokens `[B, L, D]`, overview `[B, C]`, moved
        `[B, L, c]`."""
        embedded = self.dynamics.embed(Context(recent, actions, [], recent.new_zeros(0)))
        return embedded.tokens, embedded.overview, embedded.moved

    def example(self) -> tuple[Tensor, ...]:
        """Inputs of one row."""
        config = self.dynamics.config
        recent = torch.zeros(1, config.recent, config.tokens, config.latent_channels)
        return recent, torch.zeros(1, config.action_history, config.action_size)


class Refine(nn.Module):
    """All sampling steps of a frame, their noise levels and number built in."""

    def __init__(self, dynamics: Dynamics, steps: int) -> None:
        super().__init__()
        self.dynamics = dynamics
        self.steps = steps

    def forward(
        self, tokens: Tensor, overview: Tensor, moved: Tensor, actions: Tensor, ages: Tensor, latest: Tensor,
        noise: Tensor, *memory: Tensor,
    ) -> Tensor:  # fmt: skip
        """What `Embed` gives; `actions`, `ages`, `latest` and `memory` (keys, values, keys, …) as in `Context`; noise
        `[steps, B, L, c]` → clean tokens `[B, L, c]`."""
        layers = list(zip(memory[::2], memory[1::2], strict=True))
        context = Context(latest[:, None], actions, layers, ages)
        return self.dynamics.refine(Embedded(tokens, overview, moved, None), context, noise)

    def example(self) -> tuple[Tensor, ...]:
        """Inputs of one row."""
        config = self.dynamics.config
        tokens = torch.zeros(1, config.tokens, config.latent_channels)
        memory = torch.zeros(1, config.memory, config.tokens, config.width)
        return (
            torch.zeros(1, config.tokens, config.width),
            torch.zeros(1, config.condition_width),
            tokens,
            torch.zeros(1, config.action_history, config.action_size),
            torch.zeros(1, config.memory, dtype=torch.int64),
            tokens,
            torch.zeros(self.steps, *tokens.shape),
            *[memory] * 2 * len(config.memory_layers),
        )


class Draw(nn.Module):
    """The decoder, up to bytes."""

    def __init__(self, codec: Codec) -> None:
        super().__init__()
        self.codec = codec

    def forward(self, latents: Tensor) -> Tensor:
        """Latents `[B, c, h, w]` → cells uint8, for `Codec.arrange`."""
        return self.codec.decode_cells(latents)

    def example(self) -> tuple[Tensor, ...]:
        """Inputs of one row."""
        return (torch.zeros(1, *self.codec.config.latent_shape),)
