"""Pictures side by side, with captions: real above dreamed."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from dreamcade.core.errors import BadInputError
from dreamcade.core.files import atomic_path
from dreamcade.core.types import Pixels

_INK, _PAPER, _GAP = (226, 232, 240), (15, 23, 42), 6
_CAPTION = 22
_CARD_SECONDS = 6.0


def contact_sheet(
    rows: Sequence[Sequence[Pixels]], column_names: Sequence[str], row_names: Sequence[str], width: int = 300
) -> Image.Image:
    """A grid of uint8 `[H, W, 3]` pictures of one shape, each `width` pixels wide, captions above and to the left.

    Raises `BadInputError` when the names do not match the grid.
    """
    if not rows or len(row_names) != len(rows) or any(len(row) != len(column_names) for row in rows):
        raise BadInputError(
            f"a sheet needs a name per row and column; got {len(rows)} rows, {len(row_names)} row names "
            f"and {len(column_names)} column names"
        )
    height = round(rows[0][0].shape[0] * width / rows[0][0].shape[1])
    font = ImageFont.load_default(size=14)
    margin = round(max(font.getlength(name) for name in row_names)) + 2 * _GAP
    size = (margin + len(column_names) * (width + _GAP), _CAPTION + len(rows) * (height + _GAP))
    sheet = Image.new("RGB", size, _PAPER)
    draw = ImageDraw.Draw(sheet)
    for column, name in enumerate(column_names):
        draw.text((margin + column * (width + _GAP), 3), name, fill=_INK, font=font)
    for line, (name, row) in enumerate(zip(row_names, rows, strict=True)):
        top = _CAPTION + line * (height + _GAP)
        draw.text((_GAP, top + height // 2 - 8), name, fill=_INK, font=font)
        for column, pixels in enumerate(row):
            picture = Image.fromarray(pixels).resize((width, height), Image.Resampling.LANCZOS)
            sheet.paste(picture, (margin + column * (width + _GAP), top))
    return sheet


def save_picture(picture: Image.Image, path: Path) -> None:
    """PNG, atomically."""
    with atomic_path(path) as temporary:
        picture.save(temporary, "PNG", optimize=True)


def card_clip(real: Pixels, dreamed: Pixels, tick_rate: float) -> bytes:
    """The clip that a world carries on its card: a few seconds of `clip`, every second frame, small."""
    few = np.arange(0, min(len(real), round(_CARD_SECONDS * tick_rate)), 2)
    return clip(real[few], dreamed[few], tick_rate / 2, width=270)


def clip(real: Pixels, dreamed: Pixels, tick_rate: float, width: int = 300) -> bytes:
    """An animated WebP of two plays `[T, H, W, 3]` side by side at the game's own pace."""
    height = round(real.shape[1] * width / real.shape[2])
    pictures = []
    for pair in zip(real, dreamed, strict=True):
        picture = Image.new("RGB", (2 * width + _GAP, height), _PAPER)
        for column, pixels in enumerate(pair):
            small = Image.fromarray(pixels).resize((width, height), Image.Resampling.LANCZOS)
            picture.paste(small, (column * (width + _GAP), 0))
        pictures.append(picture)
    buffer = io.BytesIO()
    options = {"save_all": True, "append_images": pictures[1:], "duration": round(1000 / tick_rate), "loop": 0}
    pictures[0].save(buffer, "WEBP", quality=60, method=2, **options)
    return buffer.getvalue()
