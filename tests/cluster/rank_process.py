"""Ranks as processes for the tests of sequence parallelism: one start of PyTorch, forked once for each.

Run as a script with the file descriptors of pipes; imported for what both sides compute.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
import time
from multiprocessing.connection import Connection
from typing import Any

import torch
from torch import Tensor

from dreamcade.cluster.dynamics_group import DynamicsRank
from dreamcade.cluster.meeting_place import meet_at
from dreamcade.cluster.process_group import PATIENCE, Group
from dreamcade.cluster.sequence_parallel import Ulysses
from dreamcade.core.errors import RankLostError
from dreamcade.dynamics import DiffusionTransformer, DiffusionTransformerConfig, Dynamics, DynamicsConfig, Keeping
from dreamcade.dynamics.exchange import ALONE, Exchange

LARGE = DiffusionTransformerConfig(
    latent_channels=3,
    latent_height=6,
    latent_width=14,
    patch=2,
    action_size=2,
    action_history=3,
    recent=2,
    heads=7,
    head_dim=16,
    depth=2,
    memory=3,
    condition_width=16,
)
"""21 tokens, 7 heads: neither 2, 3 nor 5 divides both."""
WORLD = DynamicsConfig(
    latent_channels=8,
    latent_height=3,
    latent_width=7,
    action_size=2,
    action_history=3,
    recent=2,
    width=48,
    depth=3,
    heads=6,
    memory=3,
    memory_layers=(0, 2),
    condition_width=16,
    motion_points=8,
)
FRAMES = 8
"""More than twice the memory."""


def large_model(config: DiffusionTransformerConfig, dtype: torch.dtype = torch.float32) -> DiffusionTransformer:
    """Random weights without the zeros that hide what depends on them."""
    model = DiffusionTransformer.random(config, dtype=torch.float32)
    generator = torch.Generator().manual_seed(1)
    for parameter in model.parameters():
        if parameter.ndim == 1 or not parameter.any():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return model.to(dtype)


def world_model(config: DynamicsConfig, keeping: Keeping) -> Dynamics:
    """Random weights, not so large that a frame's last place decides where things move two frames on."""
    generator = torch.Generator().manual_seed(2)
    model = Dynamics(config).eval().requires_grad_(False)
    tensors = list(model.parameters())
    assert model.movement is not None
    for tensor in (*tensors, model.movement.draw, model.movement.backdrop, model.movement.tell):
        tensor.copy_(0.05 * torch.randn(tensor.shape, generator=generator))
    for attention in model.memory_attentions():
        attention.out.weight.mul_(4)
        attention.key_value.weight.mul_(4)
    model.keeping = keeping
    return model


def large_inputs(config: DiffusionTransformerConfig, frame: int, batch: int = 1) -> tuple[Tensor, Tensor]:
    """Actions `[B, A]` and noise `[steps, B, L, P]` of a frame."""
    generator = torch.Generator().manual_seed(100 + frame)
    shape = len(config.sampling_levels), batch, config.tokens, config.token_size
    actions = torch.rand(batch, config.action_size, generator=generator) * 2 - 1
    return actions, torch.randn(shape, generator=generator)


def play_large(
    config: DiffusionTransformerConfig, bits: int, batch: int, dtype: torch.dtype, exchange: Exchange
) -> Tensor:
    """One real frame, then `FRAMES` of its own → `[FRAMES, B, c, h, w]`."""
    model = large_model(config, dtype)
    state = model.new_state(batch, bits, exchange)
    first = 0.5 * torch.randn(batch, *config.latent_shape, generator=torch.Generator().manual_seed(3))
    model.observe(state, first, torch.zeros(batch, config.action_size))
    return torch.stack([model.step(state, *large_inputs(config, frame, batch)) for frame in range(FRAMES)])


def play_world(config: DynamicsConfig, keeping: Keeping, batch: int, whole: bool, exchange: Exchange) -> Tensor:
    """The same with a world's dynamics. `whole`: every rank remembers everything, and only passes are shared."""
    model = world_model(config, keeping)
    state, rows = model.new_state(batch, ALONE if whole else exchange), torch.arange(batch)
    generator = torch.Generator().manual_seed(4)
    first = 0.5 * torch.randn(batch, *config.latent_shape, generator=generator)
    model.observe(state, rows, first, torch.zeros(batch, config.action_size))
    made = []
    for _ in range(FRAMES):
        actions = torch.rand(batch, config.action_size, generator=generator) * 2 - 1
        noise = torch.randn(2, batch, *model.noise_shape, generator=generator)
        with torch.inference_mode():
            tokens = (
                model.sample(model.context(state, rows, actions).shared_by(exchange), noise)
                if whole
                else (model.propose(state, rows, actions, noise))
            )
        model.commit(state, rows, actions, tokens)
        made.append(model.to_latents(tokens))
    return torch.stack(made)


class Rank:
    """What a process can be asked to do."""

    def __init__(self, address: str) -> None:
        self._store = meet_at(address)
        self._group: Group | None = None
        self._part: DynamicsRank | None = None

    def join(self, name: str, rank: int, size: int, meeting: float = 20.0, patience: float = 20.0) -> None:
        if self._group is not None:
            self._group.abandon()
        self._group = Group.join(self._store, name, rank, size, meeting=meeting, patience=patience)

    def large(self, config: DiffusionTransformerConfig, *args: Any) -> tuple[Any, int, int]:
        """→ frames, bytes sent, exchanges."""
        return self._counted(lambda exchange: play_large(config, *args, exchange), config.tokens, config.heads)

    def world(self, config: DynamicsConfig, *args: Any) -> tuple[Any, int, int]:
        return self._counted(lambda exchange: play_world(config, *args, exchange), config.tokens, config.heads)

    def _counted(self, play: Any, tokens: int, heads: int) -> tuple[Any, int, int]:
        assert self._group is not None
        sent, exchanges = self._group.sent_bytes, self._group.exchanges
        made = play(Ulysses(self._group, tokens, heads))
        return made.numpy(), self._group.sent_bytes - sent, self._group.exchanges - exchanges

    def play_until_lost(self, config: DiffusionTransformerConfig, most: int) -> tuple[int, float, str]:
        """Frames of two sessions until a rank is lost → frames committed, when that was, what was said."""
        assert self._group is not None
        self._part = DynamicsRank(large_model(config), Ulysses(self._group, config.tokens, config.heads), bits=16)
        for name in ("a", "b"):
            self._part.open(name)
        for frame in range(most):
            if frame == 2:
                self._group.patience = PATIENCE
            try:
                self._part.step(["a", "b"], *large_inputs(config, frame, 2))
            except RankLostError as error:
                return frame, time.time(), str(error)
        return most, time.time(), "nobody was lost"

    def pasts(self) -> dict[str, Any]:
        assert self._part is not None
        return {name: self._part.past(name) for name in self._part.sessions}

    def go_on(self, config: DiffusionTransformerConfig, pasts: Any, first: int, frames: int) -> Any:
        """In the group that was joined last, from the head's pasts."""
        assert self._group is not None
        exchange = ALONE if self._group.size == 1 else Ulysses(self._group, config.tokens, config.heads)
        part = self._part or DynamicsRank(large_model(config))
        part.regroup(exchange, pasts)
        made = [part.step(["a", "b"], *large_inputs(config, first + i, 2)) for i in range(frames)]
        return torch.stack(made).numpy()


def send(connection: Connection, message: Any) -> None:
    """Tensors as copies, not as shared memory, which outlives no kill."""
    connection.send_bytes(pickle.dumps(message))


def serve(connection: Connection) -> None:
    """Answers `(name, arguments)` with `(True, result)` or `(False, what went wrong)`, until the other side closes."""
    send(connection, os.getpid())
    rank = Rank(pickle.loads(connection.recv_bytes()))
    while True:
        try:
            name, args = pickle.loads(connection.recv_bytes())
        except EOFError:
            return
        try:
            answer = True, getattr(rank, name)(*args)
        except Exception as error:
            answer = False, f"{type(error).__name__}: {error}"
        send(connection, answer)


def main(descriptors: list[int]) -> None:
    torch.set_num_threads(1)
    play_large(LARGE, 16, 1, torch.float32, ALONE)  # what is imported late is imported once
    for own in descriptors:
        if os.fork() == 0:
            for other in descriptors:
                if other != own:
                    os.close(other)
            serve(Connection(own))
            os._exit(0)
    for descriptor in descriptors:
        os.close(descriptor)
    sys.stdin.read()  # until whoever started this closes it, or dies
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main([int(argument) for argument in sys.argv[1:]])
