"""A whole frame of the paper's engine on buffers that stay where they are: denoising, cache write, decoding, pixels.

On CUDA a frame is one captured graph, a single launch.
"""

from __future__ import annotations

import torch
from torch import Tensor

from dreamcade.dynamics.diffusion_state import DiffusionState
from dreamcade.dynamics.diffusion_transformer import DiffusionTransformer
from dreamcade.engine.executors.capture import Replay
from dreamcade.evaluation.paper.models import Drawing


class FrameBuffers:
    """Where a frame comes from and goes to: `actions` float32 `[B, A]`, `noise` float32 `[steps, B, L, P]`, `latents`
    float32 `[B, c, h, w]`, `pixels` uint8 `[B, H, W, 3]`."""

    def __init__(self, dynamics: DiffusionTransformer, state: DiffusionState, drawing: Drawing) -> None:
        config, batch, device = dynamics.config, state.batch, state.count.device
        steps = len(config.sampling_levels)
        self.actions = torch.zeros(batch, config.action_size, device=device)
        self.noise = torch.zeros(steps, batch, config.tokens, config.token_size, device=device)
        self.latents = torch.zeros(batch, *config.latent_shape, device=device)
        with torch.inference_mode():
            shape = drawing.to_pixels(drawing.decode(self.latents)).shape
        self.pixels = torch.zeros(shape, dtype=torch.uint8, device=device)


class PaperEngine:
    """Frames one after the other. `graphs=False` runs every operation by itself, as a CPU does anyway.

    What is in `state` when the engine is built is forgotten: a capture needs trial runs.
    """

    def __init__(
        self, dynamics: DiffusionTransformer, state: DiffusionState, drawing: Drawing, *, graphs: bool = True
    ) -> None:
        self.dynamics, self.state, self.drawing = dynamics, state, drawing
        self.buffers = FrameBuffers(dynamics, state, drawing)
        self.device = state.count.device
        self._whole = Replay(self._make, self.device) if graphs else self._make
        self.reset()

    def frame(self, actions: Tensor, noise: Tensor) -> Tensor:
        """The next frame of every row by its action, uint8 `[B, H, W, 3]`: a buffer that the next frame overwrites."""
        self.load(actions, noise)
        self._whole()
        return self.buffers.pixels

    def reset(self) -> None:
        """Forgets all frames."""
        self.state.reset()

    def load(self, actions: Tensor, noise: Tensor) -> None:
        """Puts them where the next frame takes them from."""
        self.buffers.actions.copy_(actions)
        self.buffers.noise.copy_(noise)

    @torch.inference_mode()
    def dream(self) -> None:
        """The dynamics' half: buffers and state → `latents`, and the state with them."""
        buffers = self.buffers
        buffers.latents.copy_(self.dynamics.step(self.state, buffers.actions, buffers.noise))

    @torch.inference_mode()
    def draw(self, latents: Tensor) -> None:
        """The decoder's half: latents → `pixels`."""
        self.buffers.pixels.copy_(self.drawing.to_pixels(self.drawing.decode(latents)))

    def _make(self) -> None:
        self.dream()
        self.draw(self.buffers.latents)
