"""What a model remembers of a session, made anew from its newest frames: after a loss, or on other devices.

Entries of the caches follow from a frame's clean tokens, its action and its number alone. So the newest frames bring a
state to where it was, however many devices share it then and now.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from dreamcade.core.errors import BadInputError
from dreamcade.dynamics.config import DynamicsConfig
from dreamcade.dynamics.diffusion_config import DiffusionTransformerConfig
from dreamcade.dynamics.diffusion_state import DiffusionState
from dreamcade.dynamics.diffusion_transformer import DiffusionTransformer
from dreamcade.dynamics.dynamics import Dynamics
from dreamcade.dynamics.state import DynamicsState


def frames_that_matter(config: DiffusionTransformerConfig | DynamicsConfig) -> int:
    """How many of a session's newest frames decide what comes next; those before them are forgotten."""
    return max(config.memory, config.recent, config.action_history)


@dataclass(frozen=True, slots=True)
class Past:
    """One session's newest frames, oldest first: tokens float32 `[T, L, P]` and the actions `[T, A]` that led to them.
    `count` frames there have been in all."""

    tokens: Tensor
    actions: Tensor
    count: int

    def expect(self, config: DiffusionTransformerConfig | DynamicsConfig) -> None:
        """Raises `BadInputError` where frames are missing, or there is not an action to each."""
        needed = min(self.count, frames_that_matter(config))
        if not needed <= len(self.tokens) <= self.count or len(self.actions) != len(self.tokens):
            got = f"{len(self.tokens)} frames, {len(self.actions)} actions"
            raise BadInputError(f"a session of {self.count} frames is rebuilt from its newest {needed}; got {got}")


def rebuild_diffusion(model: DiffusionTransformer, state: DiffusionState, past: Past) -> None:
    """Brings a state of one row to where `past` had brought one."""
    past.expect(model.config)
    state.reset()
    state.count.fill_(past.count - len(past.tokens))
    for tokens, action in zip(past.tokens, past.actions, strict=True):
        model.append(state, tokens[None].to(state.tokens), action[None].to(state.actions))


def rebuild(model: Dynamics, state: DynamicsState, row: int, past: Past) -> None:
    """Brings a row to where `past` had brought it."""
    past.expect(model.config)
    rows = torch.tensor([row], device=state.count.device)
    state.reset(rows)
    state.count[rows] = past.count - len(past.tokens)
    for tokens, action in zip(past.tokens, past.actions, strict=True):
        model.commit(state, rows, action[None].to(state.actions), tokens[None].to(state.tokens))
