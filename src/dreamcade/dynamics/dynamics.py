"""Past latents and actions → the next latent.

One frame is made in two halves. The transformer denoises the *code* of the next frame, a few numbers per token, in one
or more steps: this is where the world decides what comes next. The painter then draws the latent that belongs to it by
moving the last one along. Both predict the clean value (x-prediction), as a change to the newest frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from dreamcade.core.errors import BadInputError
from dreamcade.dynamics import view
from dreamcade.dynamics.attention import MemoryAttention
from dreamcade.dynamics.config import DynamicsConfig
from dreamcade.dynamics.painter import Painter
from dreamcade.dynamics.patches import Coder, patchify
from dreamcade.dynamics.state import DynamicsState
from dreamcade.dynamics.transformer import Transformer


@dataclass(frozen=True, slots=True)
class Context:
    """What the next frame follows from.

    `latest`, `previous` `[B, c, h, w]`; `motions` of the view to previous and latest `[B, 2, 4]`; `actions`
    `[B, history, A]`, newest last; `memory` (keys, values) per memory layer, each `[B, N, L, D]`; `ages` int64
    `[B, N]`.
    """

    latest: Tensor
    previous: Tensor
    motions: Tensor
    actions: Tensor
    memory: list[tuple[Tensor, Tensor]]
    ages: Tensor

    @property
    def driving(self) -> Tensor:
        """All that the next motion follows from but the scene, in one row `[B, driving_size]`."""
        return view.driving(self.motions, self.actions)


class Dynamics(nn.Module):
    """The world model. Stateless itself: a `DynamicsState` holds what each session remembers."""

    def __init__(self, config: DynamicsConfig) -> None:
        super().__init__()
        self.config = config
        self.coder = Coder(config)
        self.embed_frames = nn.Linear(2 * config.patch_size, config.width)
        self.embed_code = nn.Linear(2 * config.code_size, config.width)
        self.transformer = Transformer(config)
        self.code_out = nn.Linear(config.width, config.code_size)
        self.painter = Painter(config)
        self.inertia = nn.Linear(config.driving_size, view.NUMBERS)
        nn.init.zeros_(self.code_out.weight)
        nn.init.zeros_(self.code_out.bias)
        nn.init.zeros_(self.inertia.bias)
        with torch.no_grad():
            newest = slice(view.NUMBERS, 2 * view.NUMBERS)
            self.inertia.weight.zero_()[:, newest].copy_(torch.eye(view.NUMBERS))

    @property
    def noise_shape(self) -> tuple[int, int]:
        """Noise of one session for one sampling step, `[L, code_size]`."""
        return self.config.tokens, self.config.code_size

    def memory_attentions(self) -> list[MemoryAttention]:
        """The memory layers, in order."""
        return [b.memory for b in self.transformer.blocks if isinstance(b.memory, MemoryAttention)]

    def new_state(self, batch: int) -> DynamicsState:
        """Empty state of `batch` rows on the weights' device."""
        weight = self.embed_frames.weight
        return DynamicsState(self.config, batch, weight.device, weight.dtype)

    def embed_context(self, context: Context) -> tuple[Tensor, Tensor]:
        """Tokens `[B, L, D]` of the frames alone, and the newest frame's code; the same for every sampling step."""
        patch = self.config.patch
        frames = torch.cat([patchify(context.latest, patch), patchify(context.latest - context.previous, patch)], -1)
        return self.embed_frames(frames), self.coder(context.latest)

    def denoise(
        self, embedded: tuple[Tensor, Tensor], context: Context, noisy: Tensor, level: Tensor
    ) -> tuple[Tensor, Tensor]:
        """One sampling step: noisy code `[B, L, k]` at `level` `[B]` → clean code, tokens `[B, L, D]`."""
        frames, code = embedded
        tokens = frames + self.embed_code(torch.cat([noisy, code], -1))
        tokens = self.transformer(tokens, level, context.driving, context.memory, context.ages)
        return code + self.code_out(tokens), tokens

    def forward(self, context: Context, noisy: Tensor, level: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """One step with painting, as training needs it.

        Returns the clean code `[B, L, k]`, the next latent and the newest one as merely moved, `[B, c, h, w]`, and the
        view's motion `[B, 4]`.
        """
        code, tokens = self.denoise(self.embed_context(context), context, noisy, level)
        return code, *self.painter(tokens, context.latest, self.inertia(context.driving))

    def sample(self, context: Context, noise: Tensor, levels: Sequence[float] | None = None) -> tuple[Tensor, Tensor]:
        """The next latent `[B, c, h, w]`, and the view's motion to it `[B, 4]`.

        From noise `[steps, B, L, k]`; `levels` default to the config's.

        Step i sees (1 − s)·clean + s·noise at level s, the clean code being the previous step's.
        """
        levels = self.levels(len(noise)) if levels is None else levels
        embedded = self.embed_context(context)
        code, tokens = embedded[1], embedded[0]
        for step_noise, s in zip(noise, levels, strict=True):
            level = torch.full((len(code),), s, device=code.device, dtype=code.dtype)
            code, tokens = self.denoise(embedded, context, code.lerp(step_noise, s), level)
        latents, _, motion = self.painter(tokens, context.latest, self.inertia(context.driving))
        return latents, motion

    def levels(self, steps: int) -> tuple[float, ...]:
        """Noise levels for 1, 2, … steps: the configured ones, or evenly down to the configured last one."""
        configured = self.config.sampling_levels
        if steps < 1:
            raise BadInputError(f"sampling needs at least 1 step; got {steps}")
        if steps == len(configured):
            return configured
        last = configured[-1] if len(configured) > 1 else 0.3
        return tuple(1.0 + (last - 1.0) * i / max(steps - 1, 1) for i in range(steps))

    @torch.no_grad()
    def fit_inertia(self, driving: Tensor, motion: Tensor) -> None:
        """Starts `inertia` at the least-squares answer for motions `[N, 4]` and the `Context.driving` before them."""
        driving, motion = driving.double().clamp(-4, 4), motion.double().clamp(-4, 4)
        inputs = torch.cat([driving, torch.ones_like(driving[:, :1])], 1)
        ridge = 1e-3 * len(inputs) * torch.eye(inputs.shape[1], dtype=inputs.dtype, device=inputs.device)
        answer = torch.linalg.solve(inputs.T @ inputs + ridge, inputs.T @ motion).T
        self.inertia.weight.copy_(answer[:, :-1])
        self.inertia.bias.copy_(answer[:, -1])

    @torch.inference_mode()
    def observe(self, state: DynamicsState, rows: Tensor, latents: Tensor, actions: Tensor) -> None:
        """Appends real latents `[B, c, h, w]` and the actions `[B, A]` that led to them (zeros for a first frame)."""
        self._expect(latents, (len(rows), *self.config.latent_shape), "latents")
        self._expect(actions, (len(rows), self.config.action_size), "actions")
        self._push_action(state, rows, actions)
        motion = self.painter.measure(state.latest(rows), latents)
        self._append(state, rows, latents, motion * (state.count[rows] > 0)[:, None])

    @torch.inference_mode()
    def step(self, state: DynamicsState, rows: Tensor, actions: Tensor, noise: Tensor) -> Tensor:
        """Makes and appends the next latents `[B, c, h, w]` under `actions` `[B, A]` taken at the newest frames.

        `noise` is standard normal `[steps, B, L, code_size]`. Rows without a frame raise `BadInputError`.
        """
        self._expect(actions, (len(rows), self.config.action_size), "actions")
        self._expect(noise, (len(noise), len(rows), *self.noise_shape), "noise")
        if bool((state.count[rows] == 0).any()):
            raise BadInputError("a session needs at least one frame before it can step; prime it first")
        self._push_action(state, rows, actions)
        latents, motion = self.sample(self._context(state, rows), noise)
        self._append(state, rows, latents, motion)
        return latents

    def _context(self, state: DynamicsState, rows: Tensor) -> Context:
        return Context(
            state.latest(rows),
            state.latest(rows, back=1),
            state.motions[rows],
            state.actions[rows],
            state.memory(rows),
            state.ages(rows),
        )

    def _push_action(self, state: DynamicsState, rows: Tensor, actions: Tensor) -> None:
        state.actions[rows] = torch.cat([state.actions[rows, 1:], actions[:, None].to(state.actions)], 1)

    def _append(self, state: DynamicsState, rows: Tensor, latents: Tensor, motion: Tensor) -> None:
        state.motions[rows] = view.follow(state.motions[rows], motion.to(state.motions))
        number = state.count[rows]
        state.latents[rows, number % 2] = latents
        code, action = self.coder(latents)[:, None], state.actions[rows, -1:]
        for i, attention in enumerate(self.memory_attentions()):
            keys, values = attention.entries(code, action)
            state.keys[rows, i, number % self.config.memory] = keys[:, 0]
            state.values[rows, i, number % self.config.memory] = values[:, 0]
        state.count[rows] = number + 1

    def context_from_codes(
        self,
        latest: Tensor,
        previous: Tensor,
        motions: Tensor,
        actions: Tensor,
        codes: Tensor,
        code_actions: Tensor,
        ages: Tensor,
    ) -> Context:
        """The same context without a cache: keys and values from codes `[B, N, L, k]` and their actions `[B, N, A]`."""
        memory = [attention.entries(codes, code_actions) for attention in self.memory_attentions()]
        return Context(latest, previous, motions, actions, memory, ages)

    @staticmethod
    def _expect(tensor: Tensor, shape: tuple[int, ...], what: str) -> None:
        if tuple(tensor.shape) != shape:
            raise BadInputError(f"{what} must be {list(shape)}; got {list(tensor.shape)}")
