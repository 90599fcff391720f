"""Before any training, a picture that slides is expected to slide on."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import torch

from dreamcade.codec import Codec, CodecConfig
from dreamcade.dataset.reader import Dataset
from dreamcade.dynamics import Dynamics, DynamicsConfig
from dreamcade.dynamics.transformer import action_features
from dreamcade.training.dynamics_loss import channel_importance
from dreamcade.training.latent_store import store_latents
from dreamcade.training.movement_fit import fit_movement
from dreamcade.training.picture_store import draw_pictures, open_pictures, store_pictures


def test_a_slide_goes_on_from_the_first_step(sliding_data: Dataset, tmp_path: Path) -> None:
    torch.manual_seed(0)
    tiny = CodecConfig(coarse_width=16, coarse_blocks=1, fine_width=8, fine_blocks=1)
    config = dataclasses.replace(tiny, frame_height=64, frame_width=96, reduction=2, fold=2, gather=4, channels=48)
    codec = Codec(config).eval()
    store_pictures(sliding_data, config, tmp_path / "pictures")
    pictures = {s: open_pictures(sliding_data, config, tmp_path / "pictures", s) for s in ("train", "heldout")}
    codec.fit(draw_pictures(pictures["train"], 40, np.random.default_rng(0)))
    store = {s: store_latents(p, codec, tmp_path / "latents") for s, p in pictures.items()}
    c, h, w = config.latent_shape
    model = Dynamics(
        DynamicsConfig(
            latent_channels=c,
            latent_height=h,
            latent_width=w,
            action_size=1,
            action_history=2,
            recent=3,
            motion_points=16,
            width=32,
            depth=3,
            heads=2,
        )
    )
    sample = torch.cat([e.latent(slice(None)) for e in store["train"]])
    model.fit(sample, channel_importance(codec, sample[::4]))
    fit_movement(model, codec, sample, store["train"], seed=0)
    movement = model.movement
    assert movement is not None
    play = store["heldout"][0]
    tokens = model.to_tokens(play.latent(slice(None)))
    recent = torch.stack([tokens[t - 3 : t].flip(0) for t in range(3, 20)])
    actions = action_features(torch.from_numpy(np.stack([play.actions[t - 2 : t] for t in range(3, 20)])))
    below = torch.arange(h * w).view(h, w)[2, 1:-1]  # where the square hardly reaches
    with torch.inference_mode():
        moved, _ = movement(recent, actions)
    error, still = ((x - tokens[3:])[:, below].square().mean() for x in (moved, recent[:, 0]))
    assert error < 0.5 * still
