"""Teaches an extrapolator how latents go on, from stretches of a recording. Minutes on one core."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from dreamcade.core.device import fast_products
from dreamcade.core.errors import DatasetError
from dreamcade.dataset.reader import Dataset
from dreamcade.dynamics import ExtrapolationConfig, Extrapolator
from dreamcade.dynamics.extrapolation import SEEN
from dreamcade.evaluation.metrics import Progress
from dreamcade.training.schedule import AveragedWeights, learning_rate
from dreamcade.world import World
from dreamcade.world.pixels import encode_pixels

STRETCH = 120
"""Frames in a row that are taken of an episode at a time."""
CONTEXT_NOISE = 0.1
"""Largest deviation of the noise on tokens that go in: in play they are the model's own, not the game's."""
OUTLIERS = 0.001
"""Share of a cell's numbers that lies beyond each of the bounds that results are kept within."""


@dataclass(frozen=True, slots=True)
class ExtrapolatorTraining:
    """How long and on how much to train; `frames` of play are encoded for it."""

    steps: int = 2000
    batch: int = 64
    frames: int = 12_000
    width: int = 256
    peak_rate: float = 3e-3
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Stretches:
    """Play in tokens `[N, T, L, c]`, float16, with the actions `[N, T, A]` taken after each frame."""

    tokens: Tensor
    actions: Tensor

    def draw(self, count: int, history: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """`count` moments: tokens of `SEEN` + 2 frames, newest first, `[count, SEEN + 2, L, c]`, and the actions that
        led to them, the newest frame's last, `[count, history + 1, A]`."""
        episode = torch.randint(len(self.tokens), (count,), generator=generator)
        newest = torch.randint(history + SEEN, self.tokens.shape[1], (count,), generator=generator)
        frames = [self.tokens[episode, newest - i].float() for i in range(SEEN + 2)]
        led = [self.actions[episode, newest - 1 - history + i] for i in range(history + 1)]
        return torch.stack(frames, 1), torch.stack(led, 1)


def read_stretches(world: World, dataset: Dataset, frames: int, seed: int, progress: Progress) -> Stretches:
    """About `frames` frames of the training episodes, encoded; of a short recording about as many as it has. Raises
    `DatasetError` where none is long enough."""
    shortest = world.dynamics.config.action_history + SEEN + 1
    length = min(STRETCH, max((e.length for e in dataset.episodes("train")), default=0))
    if length < shortest:
        raise DatasetError(f"no training episode has {shortest} frames; record longer ones")
    episodes = [e for e in dataset.episodes("train") if e.length >= length]
    rng = np.random.default_rng(seed)
    tokens, actions = [], []
    count = max(1, min(frames, sum(e.length for e in episodes)) // length)
    for i in range(count):
        episode = episodes[i % len(episodes)]
        start = int(rng.integers(episode.length - length + 1))
        with fast_products(world.dynamics.centre.device):
            latents = encode_pixels(world.codec, dataset.frames(episode, start, start + length))
        tokens.append(world.dynamics.to_tokens(latents.float()).half())
        actions.append(torch.from_numpy(dataset.actions(episode, start, start + length)))
        progress("encoding play", i + 1, count)
    return Stretches(torch.stack(tokens), torch.stack(actions))


def train_extrapolator(
    world: World, stretches: Stretches, training: ExtrapolatorTraining, progress: Progress
) -> Extrapolator:
    """An extrapolator for `world` whose guards let everything pass; calibration sets them. A world that expects motions
    lends it its movement, and nothing is left to learn."""
    movement = world.dynamics.movement
    if movement is not None:
        moving = Extrapolator(ExtrapolationConfig(1e3, 1e3, 1, width=0), world.dynamics.config)
        assert moving.movement is not None
        moving.movement.load_state_dict(movement.state_dict())
        _set_bounds(moving, stretches.tokens)
        return moving.eval().requires_grad_(False)
    config = ExtrapolationConfig(action_distance=1e3, curvature=1e3, most_skips=1, width=training.width)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(training.seed)
        model = Extrapolator(config, world.dynamics.config)
    generator = torch.Generator().manual_seed(training.seed)
    averaged = AveragedWeights(model, decay=0.99)
    optimizer = torch.optim.AdamW(model.parameters(), training.peak_rate, betas=(0.9, 0.98), weight_decay=0.02)
    for step in range(training.steps):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, training.steps, training.peak_rate, warm_up=50, flat=0.1)
        loss = _loss(model, *stretches.draw(training.batch, world.dynamics.config.action_history, generator), generator)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        averaged.update(model, step)
        progress("learning how play goes on", step + 1, training.steps)
    model.load_state_dict({**model.state_dict(), **averaged.weights})
    _set_bounds(model, stretches.tokens)
    return model.eval().requires_grad_(False)


def _loss(model: Extrapolator, frames: Tensor, led: Tensor, generator: torch.Generator) -> Tensor:
    """Mean square of what is wrong with the tokens of the newest frame. Half of the batch follows from a frame that the
    model extrapolated itself, so that two in a row go well."""
    recent, half = frames[:, 1:-1].clone(), len(frames) // 2
    with torch.no_grad(), fast_products(frames.device):
        recent[:half, 0] = model(frames[:half, 2:], led[:half, :-1]).float()
    noise = torch.randn(recent.shape, generator=generator) * torch.rand(len(recent), 1, 1, 1, generator=generator)
    with fast_products(frames.device):
        made = model(recent + CONTEXT_NOISE * noise, led[:, 1:])
    loss: Tensor = (made.float() - frames[:, 0]).square().mean()
    return loss


@torch.no_grad()
def _set_bounds(model: Extrapolator, tokens: Tensor) -> None:
    """Keeps each number of each cell where all but a few of the recording's lie."""
    played = tokens.flatten(0, 1)
    beyond = max(1, round(OUTLIERS * len(played)))
    for cell in range(played.shape[1]):
        numbers = played[:, cell].float()
        model.low[cell] = numbers.kthvalue(beyond, 0).values
        model.high[cell] = numbers.kthvalue(len(numbers) + 1 - beyond, 0).values
