"""Where the learning of movement begins: at the codec's own pictures, and at how motions follow each other in play."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from dreamcade.codec import Codec
from dreamcade.dynamics import Dynamics
from dreamcade.dynamics.motion import TERMS
from dreamcade.dynamics.movement import Movement
from dreamcade.dynamics.transformer import action_features
from dreamcade.training.dynamics_loss import motion_loss
from dreamcade.training.latent_store import LatentEpisode
from dreamcade.training.schedule import learning_rate

PICTURES, SLIDES, SLID = 200, 48, 24
"""Pictures that the maps are fitted to; slides of them, and of how many each."""
USUAL, FARTHEST = 0.35, 0.8
"""Of a cell: deviation of the slides, and where they end."""
PLAYS, FEW = 12_000, 1_500
"""Moments of play that the next motion is learnt from, and those that tell which points move."""
CHUNK = 50
A_STEP, BATCH, RATE = 8, 64, 1.5e-3
"""For how many moments the network that expects them learns a step, on how many, and how fast."""
RIDGE = 1e-3
NOTHING = 1e-3
"""Squared difference below which a point tells nothing about whether it moves."""


@torch.no_grad()
def fit_movement(model: Dynamics, codec: Codec, sample: Tensor, episodes: list[LatentEpisode], seed: int) -> None:
    """Sets what the model's movement, where it has one, begins with.

    `sample` holds latents `[N, c, h, w]` from all over the recording.
    """
    movement = model.movement
    if movement is None:
        return
    rng = np.random.default_rng(seed)
    drawn = sample[torch.from_numpy(rng.choice(len(sample), min(PICTURES, len(sample)), replace=False))]
    _fit_maps(model, movement, codec, drawn, rng)
    _fit_to_play(model, movement, episodes, rng)


def _fit_maps(model: Dynamics, movement: Movement, codec: Codec, latents: Tensor, rng: np.random.Generator) -> None:
    """`draw` after the codec's pictures, `tell` after what its encoder makes of slides of them."""
    points = movement.config.motion_points
    pictures = torch.cat([codec.decode_pictures(part) for part in torch.split(latents, CHUNK)])
    size = movement.moves.shape[2:]
    drawn = F.pixel_unshuffle(F.adaptive_avg_pool2d(pictures, size), points).flatten(2).mT  # type: ignore[arg-type]
    cells = latents.flatten(2).mT
    fitted = _least_squares(torch.cat([cells, torch.ones_like(cells[..., :1])], 2), drawn)
    movement.draw.copy_(model.deviation[:, None] * fitted[:-1])
    movement.backdrop.copy_(model.centre @ fitted[:-1] + fitted[-1])

    cell = codec.config.fold * codec.config.gather
    rows, columns = model.config.latent_height, model.config.latent_width
    inner = torch.arange(rows * columns, device=latents.device).view(rows, columns)
    inner = (inner[1:-1, 1:-1] if min(rows, columns) > 2 else inner).flatten()
    tokens = model.to_tokens(torch.cat([codec.encode_pictures(part) for part in torch.split(pictures, CHUNK)]))
    made, wanted = [], []
    for _ in range(SLIDES):
        which = torch.from_numpy(rng.choice(len(pictures), min(SLID, len(pictures)), replace=False)).to(latents.device)
        right, down = np.clip(rng.normal(0, USUAL, 2), -FARTHEST, FARTHEST)
        right, down = round(right * cell), round(down * cell)
        slid = torch.roll(pictures[which], (down, right), (2, 3))  # what comes round the edge reaches no inner cell
        wanted.append((model.to_tokens(codec.encode_pictures(slid)) - tokens[which])[:, inner])
        motions = torch.zeros(len(which), 2, TERMS, device=latents.device)
        motions[:, 0, 0], motions[:, 1, 0] = right / cell, down / cell
        before = movement.pictures(tokens[which])
        made.append(F.pixel_unshuffle(movement.grid.move(before, motions) - before, points).flatten(2).mT[:, inner])
    movement.tell.copy_(_least_squares(torch.cat(made), torch.cat(wanted)))


def _fit_to_play(model: Dynamics, movement: Movement, episodes: list[LatentEpisode], rng: np.random.Generator) -> None:
    """Which points move with the view, how far it usually does, and what that follows from, from recorded play."""
    tokens, actions = _draw_moments(model, episodes, rng)
    parts = torch.split(tokens, CHUNK)
    for _ in range(2):  # the second time, what moved out of places that stand still is known and left out
        movement.moves.copy_(_moving_points(movement, parts[: FEW // CHUNK]))
    before, after = (
        torch.cat([movement.measure_tokens(part[:, i + 1], part[:, i]) for part in parts]) * movement.usual
        for i in range(2)
    )
    movement.usual.copy_(after.square().mean(0).sqrt().clamp(min=1e-3))
    before, after = before / movement.usual, after / movement.usual
    features = torch.cat([before, actions, torch.ones_like(actions[:, :1])], 1)
    solved = _least_squares(features, after, 10 * RIDGE)
    movement.expect.go_on.weight.copy_(solved[:-1].T)
    movement.expect.go_on.bias.copy_(solved[-1])
    _learn_to_expect(movement, tokens[:, 1], before, after, actions, rng)


def _draw_moments(model: Dynamics, episodes: list[LatentEpisode], rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Tokens of three frames in a row `[N, 3, L, c]`, and features of the actions up to the middle one `[N, F]`."""
    history, device = model.config.action_history, model.centre.device
    sizes = np.array([len(e) for e in episodes])
    latents, actions = [], []
    for index in rng.choice(len(episodes), min(PLAYS, max(FEW, int(sizes.sum()))), p=sizes / sizes.sum()):
        episode = episodes[index]
        at = int(rng.integers(1, len(episode) - 1))
        latents.append(episode.latent(slice(at - 1, at + 2)))
        taken = episode.actions[max(0, at - history + 1) : at + 1]
        actions.append(np.pad(taken, ((history - len(taken), 0), (0, 0))))
    tokens = torch.cat(
        [model.to_tokens(torch.stack(latents[i : i + CHUNK]).to(device)) for i in range(0, len(latents), CHUNK)]
    )
    return tokens, action_features(torch.from_numpy(np.stack(actions)).to(device))


def _learn_to_expect(
    movement: Movement, now: Tensor, before: Tensor, after: Tensor, actions: Tensor, rng: np.random.Generator
) -> None:
    """Teaches the network that expects motions `after` (over the usual ones) of tokens `now` `[N, L, c]`."""
    optimizer = torch.optim.AdamW(movement.expect.parameters(), lr=RATE, betas=(0.9, 0.98), weight_decay=1e-3)
    steps = len(now) // A_STEP
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = learning_rate(step, steps, RATE)
        which = torch.from_numpy(rng.integers(len(now), size=BATCH)).to(now.device)
        pictures = movement.pictures(now[which])
        with torch.enable_grad():
            expected = movement.expect(pictures, before[which], actions[which])
            loss = motion_loss(expected, after[which], movement.usual)
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        optimizer.step()


def _moving_points(movement: Movement, plays: Sequence[Tensor]) -> Tensor:
    """How much of each point moves with the rest, `[1, 1, h, w]` from 0 to 1: the mixture of still and moved pictures
    that is nearest to the next one, over all `plays` (tokens `[B, 3, L, c]`)."""
    alike = torch.zeros_like(movement.moves)
    squared = torch.zeros_like(movement.moves)
    for tokens in plays:
        pictures = movement.pictures(tokens[:, 1:])
        now, then = pictures.unbind(1)
        motions = (movement.measure(then, now) * movement.usual).view(-1, 2, TERMS)
        moved, source = movement.moved(now, motions)
        moved = (moved - now) * source.square()
        alike += ((then - now) * moved).mean(1, keepdim=True).sum(0, keepdim=True)
        squared += moved.square().mean(1, keepdim=True).sum(0, keepdim=True)
    count = sum(len(tokens) for tokens in plays)
    smooth = [F.avg_pool2d(x / count, 3, stride=1, padding=1, count_include_pad=False) for x in (alike, squared)]
    share: Tensor = (smooth[0] + NOTHING) / (smooth[1] + NOTHING)
    return share.clamp(0, 1)


def _least_squares(inputs: Tensor, outputs: Tensor, ridge: float = RIDGE) -> Tensor:
    """`[I, O]` for inputs `[…, I]` and outputs `[…, O]`."""
    x, y = inputs.flatten(0, -2).double(), outputs.flatten(0, -2).double()
    gram = x.T @ x
    gram += ridge * gram.diagonal().mean() * torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
    solved: Tensor = torch.linalg.solve(gram, x.T @ y)
    return solved.float()
