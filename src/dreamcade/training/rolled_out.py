"""How well a model in training continues held-out plays on its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from dreamcade.codec import Codec
from dreamcade.core.errors import DatasetError
from dreamcade.dynamics import Dynamics
from dreamcade.training.latent_pool import LatentPool
from dreamcade.training.latent_store import LatentEpisode
from dreamcade.training.streams import Streams

ROWS = 16
HORIZONS = (1, 8, 32)
A_SHADE = 2 / 255
"""What two neighbouring shades of a frame of eight bits differ by."""


@torch.no_grad()
def roll_out(model: Dynamics, store: list[LatentEpisode], frames: int, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Open-loop play from held-out contexts under the recorded actions.

    Returns dreamed latents, true latents, each `[ROWS, frames, c, h, w]`, and the last true latents before them.
    """
    streams = Streams.empty(model, ROWS)
    rng = np.random.default_rng(seed)
    longest = model.config.memory + frames + 2
    store = [e for e in store if len(e) > longest]
    if not store:
        raise DatasetError(f"no held-out episode is longer than {longest} ticks; record longer ones (--ticks)")
    pool = LatentPool.of(store, model.centre.device)
    plays = rng.integers(len(pool), size=ROWS)
    positions = rng.integers(model.config.memory, pool.lengths[plays] - frames - 2)
    streams.place(model, np.arange(ROWS), pool, plays, positions, np.full(ROWS, model.config.memory))
    first, dreamed, real = streams.frames[:, 0], [], []
    generator = torch.Generator().manual_seed(seed)
    for _ in range(frames):
        actions = streams.actions(pool, model.config.action_history)
        real.append(streams.targets(model, pool))
        noise = torch.randn(len(model.config.sampling_levels), ROWS, *model.noise_shape, generator=generator)
        streams.advance(model.sample(streams.context(model, actions), noise.to(first.device)), actions[:, -1])
        dreamed.append(streams.frames[:, 0])
    return model.to_latents(torch.stack(dreamed, 1)), model.to_latents(torch.stack(real, 1)), model.to_latents(first)


def small_pictures(codec: Codec, latents: Tensor) -> Tensor:
    """Latents `[N, …, c, h, w]` as small pictures `[N, …, 3, h, w]` in [−1, 1]."""
    pictures = codec.colours(codec.decode_pictures(latents.flatten(0, -4)))
    return pictures.clamp(-1, 1).reshape(*latents.shape[:-3], *pictures.shape[1:])


@torch.no_grad()
def held_out_figures(model: Dynamics, codec: Codec, store: list[LatentEpisode], strip: Path) -> dict[str, float]:
    """PSNR (dB) of the small picture at each horizon, and persistence's; writes a strip, real above dreamed."""
    dreamed, real, first = roll_out(model, store, max(HORIZONS))
    dreamed, real, still = (small_pictures(codec, x) for x in (dreamed, real, first))
    figures = {}
    for horizon in HORIZONS:
        figures[f"psnr_h{horizon}"] = psnr(dreamed[:, horizon - 1], real[:, horizon - 1])
        figures[f"psnr_h{horizon}_persistence"] = psnr(still, real[:, horizon - 1])
    shown = [0, 3, 7, 15, 31]
    rows = [torch.cat([x[row, t] for t in shown], -1) for row in range(3) for x in (real, dreamed)]
    picture = torch.cat(rows, -2).permute(1, 2, 0).add(1).mul(127.5).byte().cpu().numpy()
    strip.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(strip)
    return figures


def psnr(x: Tensor, y: Tensor) -> float:
    """Mean over rows of the PSNR in dB of pictures `[B, 3, h, w]` in [−1, 1], each at most 48: where a game stands
    still, persistence would else score what it likes."""
    error = (x - y).square().mean((1, 2, 3)).clamp(min=A_SHADE**2)
    return float((10 * torch.log10(4 / error)).mean())
