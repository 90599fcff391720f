"""A dataset's latents, encoded once and kept on disk as 8-bit numbers; training reads them by memory map."""

from __future__ import annotations

import copy
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import track
from torch import Tensor

from dreamcade.codec import Codec
from dreamcade.core.device import cpu_threads
from dreamcade.core.errors import DatasetError
from dreamcade.core.files import atomic_path, write_json
from dreamcade.dataset.format import EpisodeInfo
from dreamcade.dataset.reader import Dataset
from dreamcade.dynamics import Dynamics, view

CHUNK = 64
"""Frames encoded at a time."""

LIMIT = 5.0
"""Latents are stored within ±LIMIT deviations, in steps of LIMIT / 127."""


@dataclass(slots=True)
class StoredEpisode:
    """`latents` int8 `[T, c, h, w]` (memory map), `actions` float32 `[T, A]`: taken after seeing each frame.

    Once `attach_past` has run: `codes` float16 `[T, L, k]` of the frames, and `motions` float32 `[T, 4]` of the view to
    each of them (zeros for the first).
    """

    name: str
    latents: NDArray[np.int8]
    actions: NDArray[np.float32]
    codes: NDArray[np.float16] | None = None
    motions: NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return len(self.latents)

    def latent(self, index: int | slice | NDArray[np.int64]) -> Tensor:
        """Latents as float32."""
        return torch.from_numpy(np.asarray(self.latents[index], dtype=np.float32)) * (LIMIT / 127)

    @torch.inference_mode()
    def attach_past(self, model: Dynamics) -> None:
        """Computes every frame's code and motion: a stream then starts with memory at the price of two latents."""
        device = model.coder.centre.device
        codes, motions = [], [np.zeros((1, view.NUMBERS), np.float32)]
        for t in range(0, len(self), CHUNK):
            latents = self.latent(slice(t, t + CHUNK + 1)).to(device)
            codes.append(model.coder(latents[:CHUNK]).half().cpu().numpy())
            if len(latents) > 1:
                motions.append(model.painter.measure(latents[:-1], latents[1:]).cpu().numpy())
        self.codes, self.motions = np.concatenate(codes), np.concatenate(motions)

    def driving(self, history: int) -> tuple[Tensor, Tensor]:
        """What each motion followed from (`Context.driving`) `[N, driving_size]`, and the motions `[N, 4]`."""
        assert self.motions is not None
        starts = np.arange(max(history, 2), len(self))
        past = np.stack([self.motions[starts - 2], self.motions[starts - 1]], 1)
        actions = np.stack([self.actions[starts - back] for back in range(history, 0, -1)], 1)
        return view.driving(torch.from_numpy(past), torch.from_numpy(actions)), torch.from_numpy(self.motions[starts])


def quantise(latents: Tensor) -> NDArray[np.int8]:
    """float `[…]` → int8, clipped at ±LIMIT."""
    return latents.mul(127 / LIMIT).round().clamp(-127, 127).to(torch.int8).cpu().numpy()


def encode_dataset(dataset: Dataset, codec: Codec, folder: Path) -> None:
    """Encodes every episode that `folder` lacks. Raises `DatasetError` if it holds another codec's latents."""
    facts = {"encoder": codec.config.encoder_facts()}
    stamp = folder / "latents.json"
    if stamp.exists() and json.loads(stamp.read_text()) != facts:
        raise DatasetError(f"{folder} holds latents of another codec; delete that folder to encode anew")
    write_json(stamp, facts)
    missing = [e for e in dataset.episodes("all") if not (folder / f"{e.name}.npy").exists()]

    def encode(episode: EpisodeInfo) -> None:
        own = copy.copy(dataset)  # readers of one dataset take turns; copies open their own files
        latents = encode_episode(own, episode, codec)
        own.close()
        with atomic_path(folder / f"{episode.name}.npy") as temporary, temporary.open("wb") as file:
            np.save(file, latents)

    # Threads suffice: nearly all of the time goes to decoding video, which holds no lock.
    with ThreadPoolExecutor(cpu_threads()) as pool:
        for _ in track(pool.map(encode, missing), "encoding", total=len(missing), disable=not missing):
            pass


@torch.inference_mode()
def encode_episode(dataset: Dataset, episode: EpisodeInfo, codec: Codec) -> NDArray[np.int8]:
    """All latents of one episode, int8 `[T, c, h, w]`."""
    device = codec.mean.device
    parts = []
    for start in range(0, episode.length, CHUNK):
        frames = torch.from_numpy(dataset.frames(episode, start, min(start + CHUNK, episode.length)))
        pixels = frames.to(device).permute(0, 3, 1, 2).contiguous().float().div_(127.5).sub_(1)
        parts.append(quantise(codec.encode_frames(pixels)))
    return np.concatenate(parts)


def open_store(dataset: Dataset, folder: Path, split: str) -> list[StoredEpisode]:
    """The stored episodes of a split (`train` or `heldout`), memory-mapped."""
    episodes = []
    for info in dataset.episodes(split):  # type: ignore[arg-type]
        path = folder / f"{info.name}.npy"
        try:
            latents = np.load(path, mmap_mode="r")
        except (OSError, ValueError) as error:
            raise DatasetError(f"{path} is damaged ({error}); delete it, and it is encoded anew") from error
        episodes.append(StoredEpisode(info.name, latents, dataset.actions(info)))
    if not episodes:
        raise DatasetError(f"{dataset.path} has no {split} episodes; record more (about 1 in 12 is held out)")
    return episodes
