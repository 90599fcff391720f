"""What a session begins with: a shipped start, recorded frames, or a single image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from dreamcade.core.controls import Controls
from dreamcade.core.errors import BadInputError
from dreamcade.core.types import Pixels
from dreamcade.world.pixels import check_frames, encode_pixels
from dreamcade.world.starts import shift_actions
from dreamcade.world.world import World

ImageLike = str | Path | Image.Image | Pixels


@dataclass(frozen=True, slots=True)
class Opening:
    """Latents float32 `[N, c, h, w]`, oldest first, and the actions float32 `[N, A]` that led to them.

    `start` names the world's start that it is, if it is one.
    """

    latents: Tensor
    actions: Tensor
    start: str | None = None


def open_from(world: World, start: str | int | None, frames: Any, actions: Any, image: ImageLike | None) -> Opening:
    """From the one thing that is given; nothing: the first start. Raises `BadInputError` for several."""
    given = [name for name, value in (("start", start), ("frames", frames), ("image", image)) if value is not None]
    if len(given) > 1:
        raise BadInputError(f"a session opens from one thing; got {' and '.join(given)}")
    if actions is not None and frames is None:
        raise BadInputError("actions go with frames: give frames= too")
    if frames is not None:
        return open_frames(world, frames, actions)
    return open_start(world, start) if image is None else open_image(world, image)


def open_start(world: World, start: str | int | None) -> Opening:
    """A start by name or number (none: the first)."""
    found = world.start(start)
    return Opening(found.latents.float(), found.actions.float(), found.name)


def open_frames(world: World, frames: Any, actions: Any) -> Opening:
    """Recorded frames uint8 `[T, H, W, 3]` and the action `[T, A]` taken after each (none: idle).

    The last action is not applied: the session's next step brings its own. Raises `BadInputError`.
    """
    pixels = check_frames(frames, world.frame_size)
    vectors = _check_actions(world.controls, actions, len(pixels))
    return Opening(encode_pixels(world.codec, pixels).float().cpu(), shift_actions(vectors))


def open_image(world: World, image: ImageLike) -> Opening:
    """One picture (path, PIL image or uint8 `[H, W, 3]`), fitted to the frame and held still for the context.

    Raises `BadInputError` when it cannot be read.
    """
    pixels = _fit(_read_image(image), world.frame_size)
    latent = encode_pixels(world.codec, pixels[None]).float().cpu()
    length = world.dynamics.config.action_history
    return Opening(latent.expand(length, -1, -1, -1), torch.zeros(length, world.controls.size))


def _check_actions(controls: Controls, actions: Any, count: int) -> NDArray[np.float32]:
    if actions is None:
        return np.tile(controls.idle(), (count, 1))
    rows: Sequence[Any] = list(actions)
    if len(rows) != count:
        raise BadInputError(f"{count} frames need {count} actions, one taken after each; got {len(rows)}")
    return np.stack([encode_action(controls, row) for row in rows])


def encode_action(controls: Controls, action: Any) -> NDArray[np.float32]:
    """A mapping of names or a vector → checked float32 `[A]`. Raises `BadInputError`."""
    return controls.encode(action) if isinstance(action, Mapping) else controls.validate(action)


def _read_image(image: ImageLike) -> Image.Image:
    if isinstance(image, Image.Image):
        return image
    if isinstance(image, np.ndarray):
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
            raise BadInputError(f"an image must be uint8 [H, W, 3]; got {image.dtype} {list(image.shape)}")
        return Image.fromarray(image)
    try:
        with Image.open(image) as opened:
            return ImageOps.exif_transpose(opened).convert("RGB")
    except FileNotFoundError as error:
        raise BadInputError(f"there is no image at {image}") from error
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError, ValueError) as error:
        raise BadInputError(f"{image} cannot be read as an image ({error}); use PNG, JPEG or WebP") from error


def _fit(image: Image.Image, size: tuple[int, int]) -> Pixels:
    image = image.convert("RGB")
    if image.size != size:
        image = ImageOps.fit(image, size, Image.Resampling.LANCZOS)
    return np.array(image)
