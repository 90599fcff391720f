"""Past latents and actions → the next latent, at any size: a diffusion transformer on fused kernels.

The same ideas as `Dynamics` (the newest latents beside the noisy target, prediction of the clean latent as a change to
the newest one, memory entries that need no pass), for models that a GPU is busy with: tokens of several cells, rotary
positions, a ring cache in every layer, AdaLN of all steps and blocks as one product a frame. A whole frame, its cache
write included, runs without waiting for the device on buffers that stay where they are, so it can be captured as one
CUDA graph (after a warm-up run, in which kernels are compiled).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from einops import rearrange
from torch import Tensor, nn

from dreamcade.core.errors import BadInputError
from dreamcade.dynamics.diffusion_blocks import Block, MemoryEntries, Moment
from dreamcade.dynamics.diffusion_config import DiffusionTransformerConfig
from dreamcade.dynamics.diffusion_state import DiffusionState
from dreamcade.dynamics.exchange import ALONE, Exchange
from dreamcade.dynamics.transformer import action_features
from dreamcade.kernels.adaln import modulations, rms_modulate
from dreamcade.kernels.rotary import rotary_table, rotary_turns

LEVEL_FEATURES = 32
"""Sines and cosines of a noise level."""


class DiffusionTransformer(nn.Module):
    """The model. Stateless itself: a `DiffusionState` holds what each session remembers, and says with which other
    devices its frames are shared, if any: these then call `step` and `observe` together, with the same arguments, and
    get the same frames.

    Inside, a latent `[B, c, h, w]` is `[B, L, P]` tokens of `patch` × `patch` cells, each channel less its mean over
    its deviation.
    """

    centre: Tensor
    deviation: Tensor
    frequencies: Tensor
    places: Tensor
    frames: Tensor

    def __init__(self, config: DiffusionTransformerConfig) -> None:
        super().__init__()
        self.config = config
        size, width, condition = config.token_size, config.width, config.condition_width
        self.embed_recent = nn.Linear(config.recent * size, width)
        self.embed_noisy = nn.Linear(size, width, bias=False)
        features = 2 * config.action_history * config.action_size + LEVEL_FEATURES
        self.condition = nn.Sequential(nn.Linear(features, condition), nn.SiLU(), nn.Linear(condition, condition))
        self.modulation = nn.Linear(condition, config.modulation_rows * width)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.depth))
        self.leave = nn.Linear(width, size)
        self.entries = MemoryEntries(config)
        self.register_buffer("centre", torch.zeros(config.latent_channels, 1, 1))
        self.register_buffer("deviation", torch.ones(config.latent_channels, 1, 1))
        self._set_constants("cpu")
        self.initialise()

    @classmethod
    def random(
        cls,
        config: DiffusionTransformerConfig,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.bfloat16,
        seed: int = 0,
    ) -> DiffusionTransformer:
        """A model of random weights, drawn where they will be: no other copy of them is ever made."""
        with torch.device("meta"):
            model = cls(config)
        model.to(dtype).to_empty(device=device)
        model._set_constants(device)
        model.initialise(torch.Generator(device).manual_seed(seed))
        return model.eval().requires_grad_(False)

    @torch.no_grad()
    def initialise(self, generator: torch.Generator | None = None) -> None:
        """New random weights. The last layer is zero: an untrained model says that nothing changes."""
        for name, parameter in self.named_parameters():
            if name.endswith("norm"):
                parameter.fill_(1)
            elif parameter.ndim == 1:
                parameter.zero_()
            else:
                parameter.normal_(std=parameter.shape[-1] ** -0.5, generator=generator)
        self.leave.weight.zero_()
        self.modulation.weight.normal_(std=0.02, generator=generator)
        gates = self.modulation.bias.view(-1, self.config.width)[2:].view(self.config.depth, 6, self.config.width)
        gates[:, [0, 3]] = 0.5

    def new_state(self, batch: int, bits: int = 16, exchange: Exchange = ALONE) -> DiffusionState:
        """Empty state of `batch` rows on the weights' device; the ring caches in 16, 8 or 4 bits."""
        weight = self.leave.weight
        return DiffusionState(
            self.config, batch, bits=bits, device=weight.device, dtype=weight.dtype, exchange=exchange
        )

    @torch.no_grad()
    def fit(self, latents: Tensor) -> None:
        """Sets each channel's mean and deviation from sample latents `[N, c, h, w]`."""
        self.centre.copy_(latents.float().mean((0, 2, 3))[:, None, None])
        self.deviation.copy_(latents.float().std((0, 2, 3)).clamp(min=1e-6)[:, None, None])

    def to_tokens(self, latents: Tensor) -> Tensor:
        """Latents `[B, c, h, w]` → tokens float32 `[B, L, P]`."""
        normal, patch = (latents.float() - self.centre) / self.deviation, self.config.patch
        return rearrange(normal, "b c (h p) (w q) -> b (h w) (c p q)", p=patch, q=patch)

    def to_latents(self, tokens: Tensor) -> Tensor:
        """Inverse of `to_tokens`."""
        patch, (rows, _) = self.config.patch, self.config.grid
        normal = rearrange(tokens, "b (h w) (c p q) -> b c (h p) (w q)", h=rows, p=patch, q=patch)
        return normal * self.deviation + self.centre

    @torch.inference_mode()
    def step(self, state: DiffusionState, actions: Tensor, noise: Tensor) -> Tensor:
        """Every row's next latent `[B, c, h, w]`, float32, by its action `[B, A]`; it is appended to the state.

        Noise `[steps, B, L, P]`: as many as the config has sampling levels. A row that has no frame yet starts from
        zero tokens, the mean latent.
        """
        config = self.config
        self._expect(actions, (state.batch, config.action_size), "actions")
        shape = (len(config.sampling_levels), state.batch, config.tokens, config.token_size)
        self._expect(noise, shape, "noise")
        state.push_action(actions)
        moment = self._moment(state)
        tokens = self.sample(state, noise, moment)
        self._append(state, tokens, moment)
        return self.to_latents(tokens)

    @torch.inference_mode()
    def observe(self, state: DiffusionState, latents: Tensor, actions: Tensor) -> None:
        """Appends real latents `[B, c, h, w]`, and the actions `[B, A]` that led to them, to every row."""
        self._expect(latents, (state.batch, *self.config.latent_shape), "latents")
        self.append(state, self.to_tokens(latents), actions)

    @torch.inference_mode()
    def append(self, state: DiffusionState, tokens: Tensor, actions: Tensor) -> None:
        """Appends frames, tokens `[B, L, P]`, and the actions `[B, A]` that led to them, wherever they come from. No
        device asks another for it."""
        self._expect(tokens, (state.batch, self.config.tokens, self.config.token_size), "tokens")
        self._expect(actions, (state.batch, self.config.action_size), "actions")
        state.push_action(actions)
        self._append(state, tokens, self._moment(state))

    def sample(self, state: DiffusionState, noise: Tensor, moment: Moment) -> Tensor:
        """The next frame's tokens, float32 `[B, L, P]`.

        Step i sees (1 − s)·clean + s·noise at level s, the clean tokens being the previous step's.
        """
        exchange, levels = state.exchange, self.config.sampling_levels
        recent, noise = exchange.own(state.recent()), exchange.own(noise)
        latest = clean = recent[:, 0]
        shared = self.embed_recent(rearrange(recent, "b r l p -> b l (r p)").to(self.leave.weight.dtype))
        rows = self.modulation_rows(state.actions, levels)
        for step_noise, s, modulation in zip(noise, levels, rows, strict=True):
            noisy = clean.lerp(step_noise.to(clean.dtype), s)
            clean = latest + self.denoise(shared, noisy, modulation, state, moment)
        return exchange.gather(clean)

    def denoise(
        self, shared: Tensor, noisy: Tensor, modulation: Tensor, state: DiffusionState, moment: Moment
    ) -> Tensor:
        """One pass: this device's noisy tokens `[B, l, P]`, on top of what all steps share `[B, l, D]` → how the clean
        ones differ from the newest frame's, float32 `[B, l, P]`. `modulation` `[B, rows, D]` of this step."""
        scale, shift, *rest = modulation.unbind(1)
        x = shared + self.embed_noisy(noisy.to(shared.dtype))
        normed = rms_modulate(x, scale, shift)
        for i, (block, ring) in enumerate(zip(self.blocks, state.rings, strict=True)):
            x, normed = block(x, normed, rest[6 * i : 6 * i + 6], ring, state.own, moment, state.exchange)
        return self.leave(normed).float()

    def modulation_rows(self, actions: Tensor, levels: Sequence[float]) -> Tensor:
        """Action history `[B, history, A]` → all that modulates a frame's passes, `[steps, B, rows, D]`."""
        angles = torch.stack([s * self.frequencies for s in levels])
        of_level = torch.cat([angles.sin(), angles.cos()], 1)[:, None].expand(-1, len(actions), -1)
        of_actions = action_features(actions).expand(len(levels), -1, -1)
        features = torch.cat([of_level, of_actions], -1).to(self.leave.weight.dtype)
        made = modulations(self.condition(features), self.modulation.weight, self.modulation.bias)
        return made.view(*made.shape[:2], self.config.modulation_rows, self.config.width)

    def _moment(self, state: DiffusionState) -> Moment:
        number = state.count.clone()
        return Moment(number, *rotary_table(number, self.places, self.frames))

    def _append(self, state: DiffusionState, tokens: Tensor, moment: Moment) -> None:
        self.entries(tokens, state.actions[:, -1], state.rings, moment, state.exchange.heads)
        state.append(tokens)

    def _set_constants(self, device: torch.device | str) -> None:
        """What follows from the config alone, and is not saved; means and deviations too, which `fit` sets."""
        with torch.device("cpu"):  # where numbers are, even while the weights are only announced
            places, frames = rotary_turns(self.config.head_dim, *self.config.grid)
            frequencies = 2.0 ** (0.4 * torch.arange(LEVEL_FEATURES // 2)) * torch.pi / 2
        for name, tensor in (("places", places), ("frames", frames), ("frequencies", frequencies)):
            self.register_buffer(name, tensor.to(device), persistent=False)
        self.centre = torch.zeros(self.config.latent_channels, 1, 1, device=device)
        self.deviation = torch.ones(self.config.latent_channels, 1, 1, device=device)

    @staticmethod
    def _expect(tensor: Tensor, shape: tuple[int, ...], what: str) -> None:
        if tuple(tensor.shape) != shape:
            raise BadInputError(f"{what} must be {list(shape)}; got {list(tensor.shape)}")
