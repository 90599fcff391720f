"""Is the player of the platform game inside a wall? A small network tells wall from air at single points of a frame.

It is trained on points of real frames, whose walls are known from the level. The player hides what is behind it, and no
real player is ever inside a wall, so the middle of its body is no place to look: points at the edges of the body are
asked, and a grey patch as wide as its sprite hides a part of every other training point's surroundings, so that the
sight of a player tells nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from dreamcade.core.checkpoint import load_tensors, load_weights, save_tensors
from dreamcade.core.errors import BadInputError, CheckpointError
from dreamcade.core.types import Pixels
from dreamcade.dataset.reader import Dataset
from dreamcade.evaluation.metrics import Progress
from dreamcade.games.procgen.coinrun import VIEW, CoinRunState, parse_state
from dreamcade.games.procgen.process import ProcgenProcess

PATCH = 24
"""Pixels of a patch, which shows `REACH` cells around its point each way."""
REACH = 0.75
BODY = tuple((x, y) for x in (-0.42, 0.42) for y in (-0.3, 0.0, 0.3))
"""Points of the player's body beside its sprite, in cells from its middle: in the game they are never in a wall."""
SPRITE = (0.33, 0.85)
"""Half the width and height of the sprite, in cells."""
STEPS, BATCH, FRAMES = 500, 256, 1200


class WallReader(nn.Module):
    """Patches float `[N, 3, PATCH, PATCH]` in [−1, 1] → logits `[N]`: positive where the middle is wall."""

    def __init__(self) -> None:
        super().__init__()
        self.look = nn.Sequential(
            nn.Conv2d(3, 24, 3, 2, 1), nn.ReLU(), nn.Conv2d(24, 48, 3, 2, 1), nn.ReLU(), nn.Flatten(),
            nn.Linear(48 * (PATCH // 4) ** 2, 96), nn.ReLU(), nn.Linear(96, 1),
        )  # fmt: skip

    def forward(self, patches: Tensor) -> Tensor:
        logits: Tensor = self.look(patches).flatten()
        return logits

    @classmethod
    def kept(cls, dataset: Dataset, progress: Progress) -> WallReader:
        """The one that lies beside the recording, or a new one, which is put there."""
        about = [(e.name, e.video_bytes) for e in dataset.episodes("train")], PATCH, REACH, SPRITE, STEPS, BATCH, FRAMES
        stamp = hashlib.sha256(json.dumps(about).encode()).hexdigest()[:16]
        file = dataset.path / "readers" / f"walls-{stamp}.safetensors"
        reader = cls()
        if file.exists():
            try:
                load_weights(reader, load_tensors(file)[0], str(file))
                return reader.eval()
            except CheckpointError:
                file.unlink()
        train_walls(reader, dataset, progress)
        save_tensors(file, reader.state_dict())
        return reader.eval()


def patches_at(frame: Pixels, points: NDArray[np.float64]) -> Tensor:
    """Patches of a frame `[H, W, 3]` around `points` `[N, 2]`, cells to the right of and above the player, with the
    player's sprite greyed out: float `[N, 3, PATCH, PATCH]`."""
    picture = torch.from_numpy(np.array(frame)).permute(2, 0, 1)[None].float() / 127.5 - 1
    height, width = frame.shape[:2]
    x = (torch.arange(width) + 0.5) / width * VIEW - VIEW / 2
    y = VIEW / 2 - (torch.arange(height) + 0.5) / height * VIEW
    sprite = (x.abs() < SPRITE[0])[None, :] & (y.abs() < SPRITE[1])[:, None]
    picture = picture.masked_fill(sprite, 0.0)
    steps = (torch.arange(PATCH) + 0.5) / PATCH * 2 - 1
    at = torch.from_numpy(points).float()
    across = (at[:, None, None, 0] + REACH * steps[None, None, :]) / (VIEW / 2)
    down = -(at[:, None, None, 1] - REACH * steps[None, :, None]) / (VIEW / 2)
    grid = torch.stack([across.expand(-1, PATCH, -1), down.expand(-1, -1, PATCH)], -1)
    return F.grid_sample(picture.expand(len(at), -1, -1, -1), grid, padding_mode="border", align_corners=False)


def frames_inside(reader: WallReader, frames: Sequence[Pixels]) -> NDArray[np.bool_]:
    """For each frame whether any point of the player's body is in a wall, `[N]`."""
    points = np.array(BODY)
    with torch.inference_mode():
        return np.array([bool((reader(patches_at(frame, points)) > 0).any()) for frame in frames])


def train_walls(reader: WallReader, dataset: Dataset, progress: Progress) -> None:
    """Trains on random points of the training episodes. Raises `BadInputError` where the recording lacks positions."""
    patches, solid = _examples(dataset, progress)
    optimizer = torch.optim.AdamW(reader.parameters(), lr=2e-3)
    rng = np.random.default_rng(0)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for step in range(STEPS):
            drawn = torch.from_numpy(rng.integers(len(patches), size=BATCH))
            shown = _hide(patches[drawn].float() / 127.5 - 1, rng)
            loss = F.binary_cross_entropy_with_logits(reader(shown), solid[drawn])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            if step % 50 == 0:
                progress("learning to see walls", step, STEPS)
    reader.eval()


def _hide(patches: Tensor, rng: np.random.Generator) -> Tensor:
    """Every other patch gets a grey strip over one side, as a sprite beside the point would be."""
    cut = rng.integers(4, PATCH // 2 - 1, len(patches))
    for i in range(0, len(patches), 2):
        side = slice(0, int(cut[i])) if rng.random() < 0.5 else slice(PATCH - int(cut[i]), PATCH)
        patches[i, :, :, side] = 0.0
    return patches


def _examples(dataset: Dataset, progress: Progress) -> tuple[Tensor, Tensor]:
    """Patches uint8 `[N, 3, PATCH, PATCH]` and whether their middle is wall, float `[N]`; as many of each."""
    rng = np.random.default_rng(1)
    episodes = dataset.episodes("train")
    if not episodes or not {"x", "y", "level"} <= set(dataset.column_names(episodes[0])):
        raise BadInputError(
            f"{dataset.path} does not tell x, y and level, which seeing walls is learnt from; record it again"
        )
    levels = _Levels()
    patches, solid = [], []
    for done in range(FRAMES):
        episode = episodes[int(rng.integers(len(episodes)))]
        tick = int(rng.integers(episode.length))
        x, y, level = (float(dataset.column(episode, name)[tick]) for name in ("x", "y", "level"))
        points = rng.uniform(-5.5, 5.5, (40, 2))
        walls = np.array([levels.get(int(level)).solid(x + px, y + py) for px, py in points])
        few = min(int(walls.sum()), int((~walls).sum()), 6)
        chosen = np.concatenate([np.flatnonzero(walls)[:few], np.flatnonzero(~walls)[:few]])
        if len(chosen):
            frame = dataset.frames(episode, tick, tick + 1)[0]
            patches.append(((patches_at(frame, points[chosen]) + 1) * 127.5).round().to(torch.uint8))
            solid.append(torch.from_numpy(walls[chosen]).float())
        if done % 50 == 0:
            progress("looking for walls", done, FRAMES)
    levels.close()
    return torch.cat(patches), torch.cat(solid)


class _Levels:
    """The walls of each level, from the real game."""

    def __init__(self) -> None:
        self._process = ProcgenProcess("coinrun", "hard")
        self._states: dict[int, CoinRunState] = {}

    def get(self, level: int) -> CoinRunState:
        if level not in self._states:
            self._states[level] = parse_state(self._process.reset(level, drawn=False).state)
        return self._states[level]

    def close(self) -> None:
        self._process.close()
