"""Where the learning of movement begins: at the codec's own slides, and at how movements follow each other in play."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from dreamcade.codec import Codec
from dreamcade.dynamics import Dynamics
from dreamcade.dynamics.movement import GAIN, Movement
from dreamcade.dynamics.transformer import action_features
from dreamcade.training.latent_store import LatentEpisode

FARTHEST = 0.75
"""Of a cell: how far the slides go that the basis is made of …"""
STEPS = 7
"""… in so many steps along each axis …"""
USUAL = 0.4
"""… and how far is usual: what lies beyond counts less."""
LEAST = 0.2
"""Of the largest kernel's effect, that every kernel has at least: so that small ones can be measured."""
PICTURES, PLAYS = 240, 1500
CHUNK = 40
RIDGE = 1e-3


@torch.no_grad()
def fit_movement(model: Dynamics, codec: Codec, sample: Tensor, episodes: list[LatentEpisode], seed: int) -> None:
    """Sets kernels, leading channels and inertia of the model's movement, where it has one.

    `sample` holds latents `[N, c, h, w]` from all over the recording.
    """
    movement = model.movement
    if movement is None:
        return
    rng = np.random.default_rng(seed)
    drawn = sample[torch.from_numpy(rng.choice(len(sample), min(PICTURES, len(sample)), replace=False))]
    strength = model.to_tokens(sample).square().mean((0, 1))
    movement.leading.copy_(strength.argsort(descending=True)[: len(movement.leading)])
    movement.kernels.copy_(slide_basis(model, movement, codec, drawn) / GAIN)
    _fit_inertia(model, movement, episodes, rng)


def slide_basis(model: Dynamics, movement: Movement, codec: Codec, latents: Tensor) -> Tensor:
    """Kernels `[M, 9·c, c]` that together make every slide of pictures: the principal ones of a grid of slides."""
    size = codec.config.fold * codec.config.gather
    pictures = torch.cat([codec.decode_pictures(part) for part in torch.split(latents, CHUNK)])
    tokens = model.to_tokens(torch.cat([codec.encode_pictures(part) for part in torch.split(pictures, CHUNK)]))
    inner = movement.inner(tokens.device)
    around = movement.around(tokens)[:, inner].flatten(0, 1).double()
    gram = around.T @ around
    gram += RIDGE * gram.diagonal().mean() * torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
    factor = torch.linalg.cholesky(gram)
    kernels = []
    distances = torch.linspace(-FARTHEST, FARTHEST, STEPS)
    for down in distances:
        for right in distances:
            slide = round(float(down) * size), round(float(right) * size)
            if slide == (0, 0):
                continue
            slid = torch.roll(pictures, slide, (2, 3))  # what comes round the edge reaches no inner cell
            moved = model.to_tokens(torch.cat([codec.encode_pictures(part) for part in torch.split(slid, CHUNK)]))
            change = (moved - tokens)[:, inner].flatten(0, 1).double()
            kernel = torch.cholesky_solve(around.T @ change, factor)
            kernels.append(kernel * torch.exp(-(down**2 + right**2) / (2 * USUAL**2)))
    # Principal in what they change, not in their own numbers: some inputs are much larger than others.
    effects = factor.mT @ torch.stack(kernels)
    _, sizes, basis = torch.linalg.svd(effects.flatten(1), full_matrices=False)
    count = min(len(movement.kernels), len(basis))
    scale = (sizes[:count] / sizes[0]).clamp(min=LEAST) * sizes[0] / len(kernels) ** 0.5
    made = torch.zeros_like(movement.kernels)
    parts = (basis[:count] * scale[:, None]).unflatten(1, made.shape[1:])
    made[:count] = torch.linalg.solve_triangular(factor.mT, parts, upper=True).float()
    return made


def _fit_inertia(model: Dynamics, movement: Movement, episodes: list[LatentEpisode], rng: np.random.Generator) -> None:
    """The mixture of the next movement from the last one and the actions, by least squares over recorded play."""
    history, device = model.config.action_history, model.centre.device
    frames, actions = [], []
    sizes = np.array([len(e) for e in episodes])
    for index in rng.choice(len(episodes), PLAYS, p=sizes / sizes.sum()):
        episode = episodes[index]
        at = int(rng.integers(1, len(episode) - 1))
        frames.append(episode.latent(slice(at - 1, at + 2)))
        taken = episode.actions[max(0, at - history + 1) : at + 1]
        actions.append(np.pad(taken, ((history - len(taken), 0), (0, 0))))
    tokens = model.to_tokens(torch.stack(frames).to(device))
    mixtures = [
        torch.cat([movement.measure(part[:, i + 1], part[:, i]) for part in torch.split(tokens, CHUNK)])
        for i in range(2)
    ]
    taken = action_features(torch.from_numpy(np.stack(actions)).to(device))
    features = torch.cat([mixtures[0], taken, torch.ones(len(taken), 1, device=device)], 1).double()
    gram = features.T @ features
    gram += 10 * RIDGE * gram.diagonal().mean() * torch.eye(len(gram), dtype=gram.dtype, device=device)
    solved = torch.linalg.solve(gram, features.T @ mixtures[1].double()).float()
    movement.go_on.weight.copy_(solved[:-1].T)
    movement.go_on.bias.copy_(solved[-1])
