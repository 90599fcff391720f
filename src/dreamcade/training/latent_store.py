"""A dataset's latents as 8-bit numbers, kept on disk for the next time."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import track
from torch import Tensor

from dreamcade.codec import Codec
from dreamcade.core.device import fast_products
from dreamcade.core.errors import CheckpointError, DatasetError
from dreamcade.core.files import atomic_path, write_json
from dreamcade.training.picture_store import PictureEpisode, colours, read_stamp

CHUNK = 50
"""Pictures encoded at a time."""


@dataclass(frozen=True, slots=True)
class LatentEpisode:
    """`latents` int8 `[T, c, h, w]` (mapped), `actions` float32 `[T, A]`: taken after seeing each frame."""

    name: str
    latents: NDArray[np.int8]
    actions: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.latents)

    def latent(self, index: int | slice | NDArray[np.int64]) -> Tensor:
        """Latents as float32."""
        return torch.from_numpy(self.latents[index].astype(np.float32)) / 127


def store_latents(episodes: list[PictureEpisode], codec: Codec, folder: Path) -> list[LatentEpisode]:
    """The latents of `episodes`, encoded where `folder` lacks them or has another encoder's.

    Raises `DatasetError` naming a file that is damaged.
    """
    facts, stamp = {"encoder": fingerprint(codec)}, folder / "latents.json"
    if not stamp.exists() or read_stamp(stamp) != facts:
        for old in folder.glob("*.npy"):
            old.unlink()
        write_json(stamp, facts)
    missing = [e for e in episodes if not (folder / f"{e.name}.npy").exists()]
    for episode in track(missing, "encoding", disable=not missing):
        with atomic_path(folder / f"{episode.name}.npy") as temporary, temporary.open("wb") as file:
            np.save(file, encode_episode(episode, codec))
    return [LatentEpisode(e.name, _read(folder / f"{e.name}.npy", len(e)), e.actions) for e in episodes]


@torch.inference_mode()
def encode_episode(episode: PictureEpisode, codec: Codec) -> NDArray[np.int8]:
    """All latents of one episode, int8 `[T, c, h, w]`: latents lie within ±1, in steps of 1 / 127."""
    parts = []
    for start in range(0, len(episode), CHUNK):
        pictures = colours(episode.pictures[start : start + CHUNK], codec.mean.device)
        with fast_products(codec.mean.device):
            latents = codec.encode_pictures(codec.normalise(pictures))
        parts.append(latents.float().mul(127).round().to(torch.int8).cpu().numpy())
    return np.concatenate(parts)


def fingerprint(codec: Codec) -> str:
    """Changes with anything that decides what the latent of a picture is."""
    digest = hashlib.sha256(json.dumps([codec.config.mean, codec.config.deviation]).encode())
    for tensor in codec.encoder.state_dict().values():
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def expect_encoder(facts: Mapping[str, Any], codec: Codec, file: Path) -> None:
    """Raises `CheckpointError` unless the dynamics of which `facts` tell learnt from latents of `codec`'s encoder."""
    if facts.get("encoder") != fingerprint(codec):
        raise CheckpointError(
            f"{file} was trained on the latents of another codec; train the dynamics anew (--fresh), "
            "or put that codec's file back beside it"
        )


def _read(path: Path, length: int) -> NDArray[np.int8]:
    try:
        latents: NDArray[np.int8] = np.load(path, mmap_mode="r")
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path} is damaged ({error}); delete it, and it is encoded anew") from error
    if len(latents) != length:
        raise DatasetError(f"{path} has {len(latents)} latents for {length} frames; delete it, and it is encoded anew")
    return latents
