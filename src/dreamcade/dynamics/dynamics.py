"""Past latents and actions → the next latent.

A diffusion transformer over the cells of one latent. What moves is told by the newest few latents, which stand beside
the noisy target in every token; what moves in from next door, by the newest latent's neighbouring cells; how all of it
moves, by the newest picture as a whole, which modulates every block; what lies further back, by attention over a ring
cache. Each sampling step predicts the clean latent (x-prediction) as a change to the newest one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from einops import rearrange
from torch import Tensor, nn

from dreamcade.core.errors import BadInputError
from dreamcade.dynamics.attention import MemoryAttention
from dreamcade.dynamics.config import DynamicsConfig
from dreamcade.dynamics.context import Context
from dreamcade.dynamics.entries import Keeping
from dreamcade.dynamics.exchange import ALONE, Exchange
from dreamcade.dynamics.motion import TERMS
from dreamcade.dynamics.movement import Movement
from dreamcade.dynamics.state import DynamicsState
from dreamcade.dynamics.transformer import Abandoned, GoOn, Overview, Transformer, action_features

__all__ = ["LOWEST_LEVEL", "Abandoned", "Context", "Dynamics"]

LOWEST_LEVEL = 0.3
"""Noise level of the last step where a number of steps is asked for that the config does not name."""


@dataclass(frozen=True, slots=True)
class Embedded:
    """`tokens` `[B, L, D]` of the newest frames, their `overview` `[B, C]`, and the newest one's tokens `moved`
    `[B, L, c]` as if moving were all that happens, by the `motion` `[B, 12]` that is expected, if any."""

    tokens: Tensor
    overview: Tensor
    moved: Tensor
    motion: Tensor | None


class Dynamics(nn.Module):
    """The world model. Stateless itself: a `DynamicsState` holds what each session remembers.

    Inside, a latent `[B, c, h, w]` is `[B, L, c]` tokens: each cell less its mean over the data, over its channel's
    `deviation`, which makes tokens 1 in the mean square and channels as large as they count in the picture.
    """

    centre: Tensor
    deviation: Tensor

    def __init__(self, config: DynamicsConfig) -> None:
        super().__init__()
        self.config = config
        self.keeping = Keeping.FULL
        """How the states that it makes store their memory; chosen when a world is loaded, no part of its config."""
        self.register_buffer("centre", torch.zeros(config.tokens, config.latent_channels))
        self.register_buffer("deviation", torch.ones(config.latent_channels))
        self.embed_recent = nn.Linear(config.recent * config.latent_channels, config.width)
        self.embed_around = nn.Conv2d(config.latent_channels, config.width, 3, padding=1, bias=False)
        self.embed_noisy = nn.Linear(config.latent_channels, config.width, bias=False)
        self.overview = Overview(config)
        self.movement = Movement(config) if config.motion_points else None
        if config.motion_points:
            self.embed_moved = nn.Linear(config.latent_channels, config.width, bias=False)
            self.embed_motion = nn.Linear(2 * TERMS, config.condition_width, bias=False)
        self.transformer = Transformer(config)
        self.leave = nn.Linear(config.width, config.latent_channels)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)

    @property
    def noise_shape(self) -> tuple[int, int]:
        """Noise of one session for one sampling step, `[L, c]`."""
        return self.config.tokens, self.config.latent_channels

    def memory_attentions(self) -> list[MemoryAttention]:
        """The memory layers, in order."""
        return [b.memory for b in self.transformer.blocks if isinstance(b.memory, MemoryAttention)]

    def new_state(self, batch: int, exchange: Exchange = ALONE) -> DynamicsState:
        """Empty state of `batch` rows on the weights' device; `exchange` with devices that share its frames."""
        weight = self.leave.weight
        return DynamicsState(self.config, batch, weight.device, weight.dtype, self.keeping, exchange)

    @torch.no_grad()
    def fit(self, latents: Tensor, importance: Tensor | None = None) -> None:
        """Sets means and deviations from sample latents `[N, c, h, w]`.

        `importance` `[c]`: how much the square of a channel's change changes the picture; all the same by default.
        """
        tokens = latents.flatten(2).transpose(-1, -2)
        importance = tokens.new_ones(tokens.shape[2]) if importance is None else importance.to(tokens)
        scale = importance.sqrt()
        self.centre.copy_(tokens.mean(0))
        self.deviation.copy_(((tokens - tokens.mean(0)) * scale).square().mean().sqrt().clamp(min=1e-6) / scale)

    def to_tokens(self, latents: Tensor) -> Tensor:
        """Latents `[…, c, h, w]` → tokens `[…, L, c]`."""
        return (latents.flatten(-2).transpose(-1, -2) - self.centre) / self.deviation

    def to_latents(self, tokens: Tensor) -> Tensor:
        """Inverse of `to_tokens`."""
        latents = (tokens * self.deviation + self.centre).transpose(-1, -2)
        return latents.reshape(*latents.shape[:-1], self.config.latent_height, self.config.latent_width)

    def embed(self, context: Context, told: Tensor | None = None) -> Embedded:
        """What every sampling step shares. `told` `[B, 12]`: the motion that will be, where it is known."""
        grid = rearrange(context.latest, "b (h w) c -> b c h w", h=self.config.latent_height)
        around = self.embed_around(grid).flatten(2).transpose(-1, -2)
        tokens = around + self.embed_recent(context.recent.transpose(1, 2).flatten(2))
        overview, moved, motion = self.overview(context.recent), context.latest, None
        if self.movement is not None:
            moved, motion = self.movement(context.recent, action_features(context.actions), told)
            tokens = tokens + self.embed_moved(moved)
            overview = overview + self.embed_motion(motion if told is None else told)
        return Embedded(tokens, overview, moved, motion)

    def denoise(
        self,
        embedded: Embedded,
        context: Context,
        noisy: Tensor,
        level: Tensor,
        go_on: GoOn | None = None,
    ) -> Tensor:
        """One sampling step: noisy tokens `[B, L, c]` at `level` `[B]` → clean tokens, all of them on every device."""
        x, overview, exchange = embedded.tokens + self.embed_noisy(noisy), embedded.overview, context.exchange
        x = self.transformer(x, level, context.actions, overview, context.memory, context.ages, go_on, exchange)
        return embedded.moved + exchange.gather(self.leave(x))

    def forward(
        self, context: Context, noisy: Tensor, level: Tensor, told: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """One step from scratch, as training needs it: noisy tokens `[B, L, c]` at `level` `[B]` → clean tokens, those
        that merely moved, and the motion `[B, 12]` that was expected, where the model has movement. `told` as in
        `embed`."""
        embedded = self.embed(context, told)
        return self.denoise(embedded, context, noisy, level), embedded.moved, embedded.motion

    def sample(
        self,
        context: Context,
        noise: Tensor,
        levels: Sequence[float] | None = None,
        go_on: GoOn | None = None,
    ) -> Tensor:
        """The next frame's tokens `[B, L, c]` from noise `[steps, B, L, c]`; `levels` default to the config's.

        Step i sees (1 − s)·clean + s·noise at level s, the clean tokens being the previous step's. `go_on` is asked
        between blocks: where it says no, `Abandoned` is raised. Raises `BadInputError` for it where devices share the
        pass: one of them cannot give up without the others.
        """
        if go_on is not None and context.exchange is not ALONE:
            raise BadInputError("a pass that devices share runs to its end; leave out go_on")
        return self.refine(self.embed(context), context, noise, levels, go_on)

    def refine(
        self,
        embedded: Embedded,
        context: Context,
        noise: Tensor,
        levels: Sequence[float] | None = None,
        go_on: GoOn | None = None,
    ) -> Tensor:
        """The sampling steps of `sample`, after what they share."""
        levels, clean = self.levels(len(noise)) if levels is None else levels, context.latest
        for step_noise, s in zip(noise, levels, strict=True):
            level = torch.full((len(clean),), s, device=clean.device, dtype=clean.dtype)
            clean = self.denoise(embedded, context, clean.lerp(step_noise.to(clean.dtype), s), level, go_on)
        return clean

    def levels(self, steps: int) -> tuple[float, ...]:
        """Noise levels for 1, 2, … steps: the configured ones, or evenly down to `LOWEST_LEVEL`."""
        configured = self.config.sampling_levels
        if steps < 1:
            raise BadInputError(f"sampling needs at least 1 step; got {steps}")
        if steps == len(configured):
            return configured
        return tuple(1.0 + (LOWEST_LEVEL - 1.0) * i / max(steps - 1, 1) for i in range(steps))

    @torch.inference_mode()
    def observe(self, state: DynamicsState, rows: Tensor, latents: Tensor, actions: Tensor) -> None:
        """Appends real latents `[B, c, h, w]` and the actions `[B, A]` that led to them (zeros for a first frame)."""
        self._expect(latents, (len(rows), *self.config.latent_shape), "latents")
        self.commit(state, rows, actions, self.to_tokens(latents))

    @torch.inference_mode()
    def step(self, state: DynamicsState, rows: Tensor, actions: Tensor, noise: Tensor) -> Tensor:
        """Makes and appends the next latents `[B, c, h, w]` under `actions` `[B, A]` taken at the newest frames.

        `noise` is standard normal `[steps, B, L, c]`. Rows without a frame raise `BadInputError`.
        """
        tokens = self.propose(state, rows, actions, noise)
        self.commit(state, rows, actions, tokens)
        return self.to_latents(tokens)

    @torch.inference_mode()
    def propose(
        self,
        state: DynamicsState,
        rows: Tensor,
        actions: Tensor,
        noise: Tensor,
        go_on: GoOn | None = None,
    ) -> Tensor:
        """Tokens `[B, L, c]` of the frames that would come next; the state stays as it is.

        A row may be asked for under several actions at once. What is proposed lives outside the ring buffers: to take
        it is one `commit`, to drop it is to forget it. `go_on` as for `sample`.
        """
        self._expect(noise, (len(noise), len(rows), *self.noise_shape), "noise")
        return self.sample(self.context(state, rows, actions), noise, go_on=go_on)

    @torch.inference_mode()
    def context(self, state: DynamicsState, rows: Tensor, actions: Tensor) -> Context:
        """What the next frames of `rows` follow from, under `actions` `[B, A]` taken at the newest ones.

        Raises `BadInputError` where a row has no frame yet.
        """
        self._expect(actions, (len(rows), self.config.action_size), "actions")
        if bool((state.count[rows] == 0).any()):
            raise BadInputError("a session needs at least one frame before it can step; prime it first")
        taken = torch.cat([state.actions[rows, 1:], actions[:, None].to(state.actions)], 1)
        return Context(state.recent(rows), taken, state.memory(rows), state.ages(rows), state.exchange)

    @torch.inference_mode()
    def commit(self, state: DynamicsState, rows: Tensor, actions: Tensor, tokens: Tensor) -> None:
        """Appends frames, tokens `[B, L, c]`, and the actions `[B, A]` that led to them, wherever they come from.

        Each goes into one slot of the rings, whatever they hold; its memory entries follow from it without a pass.
        """
        self._expect(actions, (len(rows), self.config.action_size), "actions")
        self._push_action(state, rows, actions)
        self._append(state, rows, tokens)

    def latest(self, state: DynamicsState, rows: Tensor) -> Tensor:
        """The newest latents of `rows`, `[B, c, h, w]`."""
        return self.to_latents(state.recent(rows)[:, 0])

    def _push_action(self, state: DynamicsState, rows: Tensor, actions: Tensor) -> None:
        state.actions[rows] = torch.cat([state.actions[rows, 1:], actions[:, None].to(state.actions)], 1)

    def _append(self, state: DynamicsState, rows: Tensor, tokens: Tensor) -> None:
        number = state.count[rows]
        state.tokens[rows, number % self.config.recent] = tokens.to(state.tokens)
        own = state.exchange.own(tokens)[:, None]
        for i, attention in enumerate(self.memory_attentions()):
            keys, values = attention.entries(own, state.actions[rows, -1:])
            state.remember(rows, i, number % self.config.memory, keys[:, 0], values[:, 0])
        state.count[rows] = number + 1

    def context_from_frames(self, frames: Tensor, led: Tensor, filled: Tensor, actions: Tensor) -> Context:
        """A context without a cache.

        `frames` `[B, N, L, c]` are tokens, newest first, of which each row's first `filled` (int64 `[B]`, at least 1)
        are real; `led` `[B, N, A]` the actions that led to them; `actions` `[B, history, A]` those taken, newest last.
        """
        slots = torch.arange(self.config.memory, device=frames.device)
        ages = torch.where(slots < filled[:, None], slots, -1)
        back = torch.minimum(torch.arange(self.config.recent, device=frames.device), filled[:, None] - 1)
        recent = frames[torch.arange(len(frames), device=frames.device)[:, None], back]
        memory = [attention.entries(frames, led) for attention in self.memory_attentions()]
        return Context(recent, actions, memory, ages)

    @staticmethod
    def _expect(tensor: Tensor, shape: tuple[int, ...], what: str) -> None:
        if tuple(tensor.shape) != shape:
            raise BadInputError(f"{what} must be {list(shape)}; got {list(tensor.shape)}")
