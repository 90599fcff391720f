"""Starts: short real contexts that a session can begin from."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from dreamcade.codec import Codec
from dreamcade.core.errors import BadInputError, WorldError
from dreamcade.core.types import Pixels
from dreamcade.world.bundle import read_tensors, write_tensors
from dreamcade.world.pixels import check_frames, encode_pixels

_THUMBNAIL = (360, 360)
"""Largest width and height of a thumbnail, in pixels."""


@dataclass(frozen=True, slots=True)
class Start:
    """`latents` float16 `[N, c, h, w]`, oldest first; `actions` float32 `[N, A]`, where `actions[i]` led to
    `latents[i]` (zeros for the first); `thumbnail` a JPEG of the newest frame."""

    name: str
    title: str
    thumbnail: bytes
    latents: Tensor
    actions: Tensor


def make_start(name: str, title: str, codec: Codec, frames: Pixels, actions: NDArray[np.float32]) -> Start:
    """A start from recorded play: `frames` uint8 `[N, H, W, 3]`, `actions` float32 `[N, A]`, each the action taken
    *after* seeing its frame. Raises `BadInputError` on other shapes or dtypes."""
    frames = check_frames(frames, (codec.config.frame_width, codec.config.frame_height))
    if actions.ndim != 2 or len(actions) != len(frames):
        raise BadInputError(f"a start needs one action per frame, [{len(frames)}, A]; got {list(actions.shape)}")
    latents = encode_pixels(codec, frames).cpu().half()
    return Start(name, title, _thumbnail(frames[-1]), latents, shift_actions(actions))


def shift_actions(actions: NDArray[np.float32]) -> Tensor:
    """Actions taken after each frame `[T, A]` → actions that led to each frame, float32 `[T, A]`, zeros first."""
    led = np.zeros(actions.shape, np.float32)
    led[1:] = actions[:-1]
    return torch.from_numpy(led)


def write_starts(path: Path, starts: Sequence[Start]) -> None:
    """One file for all starts: `<i>.latents`, `<i>.actions`, `<i>.thumbnail`; names and titles in the metadata."""
    tensors: dict[str, Tensor] = {}
    for i, start in enumerate(starts):
        tensors[f"{i}.latents"] = start.latents.half()
        tensors[f"{i}.actions"] = start.actions.float()
        tensors[f"{i}.thumbnail"] = torch.frombuffer(bytearray(start.thumbnail), dtype=torch.uint8)
    write_tensors(path, tensors, {"starts": [{"name": s.name, "title": s.title} for s in starts]})


def read_starts(path: Path, latent_shape: tuple[int, int, int], action_size: int) -> tuple[Start, ...]:
    """Inverse of `write_starts`. Raises `WorldError` when the file is damaged or does not fit the world."""
    tensors, metadata = read_tensors(path)
    try:
        entries: list[dict[str, Any]] = json.loads(metadata["starts"])
        starts = tuple(
            Start(
                str(entry["name"]),
                str(entry["title"]),
                tensors[f"{i}.thumbnail"].numpy().tobytes(),
                tensors[f"{i}.latents"],
                tensors[f"{i}.actions"],
            )
            for i, entry in enumerate(entries)
        )
    except (KeyError, TypeError, ValueError) as error:
        raise WorldError(f"{path} is damaged (incomplete list of starts: {error}); get the world again") from error
    for start in starts:
        _check_shapes(path, start, latent_shape, action_size)
    return starts


def _check_shapes(path: Path, start: Start, latent_shape: tuple[int, int, int], action_size: int) -> None:
    count = len(start.latents) if start.latents.ndim else 0
    wanted = {"latents": (count, *latent_shape), "actions": (count, action_size)}
    for what, tensor in (("latents", start.latents), ("actions", start.actions)):
        if count < 1 or tuple(tensor.shape) != wanted[what]:
            raise WorldError(
                f"{path}: start {start.name!r} does not fit this world: {what} must be "
                f"{['N', *wanted[what][1:]]} with N ≥ 1, got {list(tensor.shape)}"
            )


def _thumbnail(pixels: Pixels) -> bytes:
    image = Image.fromarray(pixels)
    image.thumbnail(_THUMBNAIL, Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=85)
    return buffer.getvalue()
