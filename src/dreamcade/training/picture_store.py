"""A dataset's small pictures, read from its videos once and kept on disk; training reads them by memory map.

Frames that a codec does not reduce are not stored a second time: they are read from their videos.
"""

from __future__ import annotations

import copy
import json
import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from rich.progress import track
from torch import Tensor

from dreamcade.codec import CodecConfig
from dreamcade.core.device import cpu_threads
from dreamcade.core.errors import DatasetError
from dreamcade.core.files import atomic_path, write_json
from dreamcade.core.types import Pixels
from dreamcade.dataset.format import EpisodeInfo
from dreamcade.dataset.reader import Dataset

CPU = torch.device("cpu")
CHUNK = 64
"""Frames reduced at a time."""


@dataclass(frozen=True, slots=True)
class Footage:
    """An episode's frames, uint8 `[T, H, W, 3]`, decoded by the slice: for reading on, not for picking."""

    dataset: Dataset
    episode: EpisodeInfo

    def __len__(self) -> int:
        return self.episode.length

    def __getitem__(self, at: slice) -> Pixels:
        start, stop, _ = at.indices(len(self))
        return self.dataset.frames(self.episode, start, stop)


@dataclass(frozen=True, slots=True)
class PictureEpisode:
    """`pictures` uint8 `[T, h, w, 3]` (mapped, or a video), `actions` float32 `[T, A]`: taken after seeing each."""

    name: str
    pictures: Pixels | Footage
    actions: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.pictures)


def colours(pictures: Pixels | Tensor, device: torch.device = CPU) -> Tensor:
    """uint8 `[N, h, w, 3]` → float `[N, 3, h, w]` in [−1, 1] on `device`, whereto they travel as bytes."""
    held = pictures if isinstance(pictures, Tensor) else torch.from_numpy(np.array(pictures))
    return held.to(device).permute(0, 3, 1, 2).float().div_(127.5).sub_(1)


def stored_name(episode: EpisodeInfo) -> str:
    """What an episode's file is called here: another recording of the same name has another."""
    return f"{episode.name}-{episode.video_bytes:x}-{episode.columns_bytes:x}"


def store_pictures(dataset: Dataset, config: CodecConfig, folder: Path) -> None:
    """Reduces every episode that `folder` lacks, and deletes those of other recordings. Frames that are not reduced are
    left where they are.

    Raises `DatasetError` if it holds pictures of another size.
    """
    facts, stamp = config.picture_facts(), folder / "pictures.json"
    if stamp.exists() and read_stamp(stamp) != facts:
        raise DatasetError(
            f"{folder} holds pictures of another size, or is damaged; delete that folder to make them anew"
        )
    write_json(stamp, facts)
    if config.reduction == 1:
        return
    wanted = {stored_name(e): e for e in dataset.episodes("all")}
    for old in folder.glob("*.npy"):
        if old.stem not in wanted:
            old.unlink()
    missing = [e for name, e in wanted.items() if not (folder / f"{name}.npy").exists()]

    def reduce(episode: EpisodeInfo) -> None:
        own = copy.copy(dataset)  # readers of one dataset take turns; copies open their own files
        pictures = reduce_episode(own, episode, config.reduction)
        own.close()
        with atomic_path(folder / f"{stored_name(episode)}.npy") as temporary, temporary.open("wb") as file:
            np.save(file, pictures)

    # Threads suffice: nearly all of the time goes to decoding video, which holds no lock.
    with ThreadPoolExecutor(cpu_threads()) as pool:
        for _ in track(pool.map(reduce, missing), "reducing", total=len(missing), disable=not missing):
            pass


@torch.inference_mode()
def reduce_episode(dataset: Dataset, episode: EpisodeInfo, reduction: int) -> Pixels:
    """All small pictures of one episode, uint8 `[T, h, w, 3]`."""
    parts = []
    for start in range(0, episode.length, CHUNK):
        frames = torch.from_numpy(dataset.frames(episode, start, min(start + CHUNK, episode.length)))
        small = F.avg_pool2d(frames.permute(0, 3, 1, 2).float(), reduction)
        parts.append(small.round().to(torch.uint8).permute(0, 2, 3, 1).numpy())
    return np.concatenate(parts)


def open_pictures(dataset: Dataset, config: CodecConfig, folder: Path, split: str) -> list[PictureEpisode]:
    """The episodes of a split (`train` or `heldout`): stored ones, memory-mapped, or those of the videos themselves."""
    episodes = []
    for info in dataset.episodes(split):  # type: ignore[arg-type]
        if config.reduction == 1:
            episodes.append(PictureEpisode(stored_name(info), Footage(dataset, info), dataset.actions(info)))
            continue
        path = folder / f"{stored_name(info)}.npy"
        try:
            pictures = np.load(path, mmap_mode="r")
        except (OSError, ValueError) as error:
            raise DatasetError(f"{path} is damaged ({error}); delete it, and it is made anew") from error
        if len(pictures) != info.length:
            raise DatasetError(
                f"{path} has {len(pictures)} pictures for {info.length} frames; delete it, and it is made anew"
            )
        episodes.append(PictureEpisode(stored_name(info), pictures, dataset.actions(info)))
    if not episodes:
        raise DatasetError(
            f"{dataset.path} has no {split} episodes; record more (of two or more, at least one is held out)"
        )
    return episodes


def read_stamp(path: Path) -> Any:
    """What a store says about itself; None where that is damaged."""
    try:
        return json.loads(path.read_text())
    except ValueError:
        return None


def draw_pictures(
    episodes: list[PictureEpisode], count: int, rng: np.random.Generator, device: torch.device = CPU
) -> Tensor:
    """Random pictures of all episodes (which are in memory or mapped), float `[count, 3, h, w]` in [−1, 1]."""
    sizes = np.array([len(e) for e in episodes])
    drawn = rng.choice(len(episodes), count, p=sizes / sizes.sum())
    return colours(np.stack([episodes[i].pictures[int(rng.integers(sizes[i]))] for i in drawn]), device)


def pool_on(device: torch.device, episodes: list[PictureEpisode]) -> Tensor | None:
    """All pictures of `episodes` as bytes `[T, h, w, 3]` in the memory of a CUDA `device`; None on a CPU, and where
    they would take more than a third of what is free there."""
    if device.type != "cuda":
        return None
    _, *shape = episodes[0].pictures[:1].shape
    count = sum(len(e) for e in episodes)
    if 3 * count * math.prod(shape) > torch.cuda.mem_get_info(device)[0]:
        return None
    pool = torch.empty((count, *shape), dtype=torch.uint8, device=device)
    begin = 0
    for episode in episodes:
        pool[begin : begin + len(episode)] = torch.from_numpy(np.array(episode.pictures[:]))
        begin += len(episode)
    return pool
