"""The network: four frames in, the action between them and the state at the last out."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from dreamcade.core.config import JsonConfig
from dreamcade.core.types import Pixels

FRAMES = 4
"""Frames that the network looks at; it names the action taken after the second and the state at the last."""
ACTED = 1
AXIS_CLASSES, BUTTON_CLASSES = 3, 2


@dataclass(frozen=True, slots=True)
class ReaderConfig(JsonConfig):
    """What is read, and from pictures of which size. `columns` are plain numbers, `angles` radians, `choices` have a
    few whole values."""

    height: int
    width: int
    axes: int
    buttons: int
    columns: tuple[str, ...]
    angles: tuple[str, ...]
    choices: tuple[str, ...]
    choice_values: tuple[tuple[float, ...], ...]
    widths: tuple[int, ...] = (24, 48, 64, 96)
    hidden: int = 256

    @property
    def names(self) -> tuple[str, ...]:
        return (*self.columns, *self.angles, *self.choices)


@dataclass(frozen=True, slots=True)
class Readings:
    """What was read from N runs of frames: `classes` int `[N, A]` of each control, and per column its value `[N]`."""

    classes: NDArray[np.int64]
    columns: dict[str, NDArray[np.float64]]


class Reader(nn.Module):
    """Pictures float `[N, FRAMES·3, h, w]` in [−1, 1] → logits and numbers; see `read`."""

    centre: Tensor
    spread: Tensor

    def __init__(self, config: ReaderConfig) -> None:
        super().__init__()
        self.config = config
        layers: list[nn.Module] = []
        inward = 3 * FRAMES
        for width in config.widths:
            layers += [nn.Conv2d(inward, width, 3, 2, 1), nn.GroupNorm(8, width), nn.ReLU(inplace=True)]
            inward = width
        self.look = nn.Sequential(*layers).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        scale = 2 ** len(config.widths)
        cells = -(-config.height // scale) * -(-config.width // scale)
        self.join = nn.Sequential(nn.Linear(inward * cells, config.hidden), nn.ReLU(), nn.Dropout(0.1))
        self.act = nn.Linear(config.hidden, AXIS_CLASSES * config.axes + BUTTON_CLASSES * config.buttons)
        with warnings.catch_warnings():
            # A game that tells nothing but its pictures has no numbers; kept readers have this layer all the same.
            warnings.filterwarnings("ignore", "Initializing zero-element tensors")
            self.number = nn.Linear(config.hidden, len(config.columns) + 2 * len(config.angles))
        # Without choices one number is made and never looked at: a layer of none would warn.
        self.choose = nn.Linear(config.hidden, max(1, sum(len(values) for values in config.choice_values)))
        self.register_buffer("centre", torch.zeros(len(config.columns)))
        self.register_buffer("spread", torch.ones(len(config.columns)))

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits of the controls, normalised numbers (then sines and cosines), logits of the choices."""
        seen = self.join(self.look(pictures).flatten(1))
        return self.act(seen), self.number(seen), self.choose(seen)

    def split_controls(self, logits: Tensor) -> list[Tensor]:
        """Logits of each control, `[N, 3]` for an axis and `[N, 2]` for a button."""
        sizes = [AXIS_CLASSES] * self.config.axes + [BUTTON_CLASSES] * self.config.buttons
        return list(torch.split(logits, sizes, 1))

    def split_choices(self, logits: Tensor) -> list[Tensor]:
        return list(torch.split(logits, [len(values) for values in self.config.choice_values], 1))

    @torch.inference_mode()
    def read(self, runs: Sequence[Pixels], batch: int = 64) -> Readings:
        """Runs of `FRAMES` frames, each uint8 `[FRAMES, H, W, 3]` of any size."""
        self.eval()
        small = np.stack([shrink(run, self.config.width, self.config.height) for run in runs])
        return self.read_small(small, batch)

    @torch.inference_mode()
    def read_small(self, small: Pixels, batch: int = 64) -> Readings:
        """The same for frames that `shrink` has made small, uint8 `[N, FRAMES, h, w, 3]`."""
        self.eval()
        parts = [self(as_input(small[at : at + batch])) for at in range(0, len(small), batch)]
        acts, numbers, choices = (torch.cat([p[i] for p in parts]) for i in range(3))
        classes = torch.stack([c.argmax(1) for c in self.split_controls(acts)], 1).numpy()
        plain = (numbers[:, : len(self.config.columns)] * self.spread + self.centre).double().numpy()
        columns = {name: plain[:, i] for i, name in enumerate(self.config.columns)}
        for i, name in enumerate(self.config.angles):
            sine, cosine = numbers[:, len(self.config.columns) + 2 * i :][:, :2].double().numpy().T
            columns[name] = np.arctan2(sine, cosine)
        if self.config.choices:
            for name, values, logits in zip(
                self.config.choices, self.config.choice_values, self.split_choices(choices), strict=True
            ):
                columns[name] = np.array(values)[logits.argmax(1).numpy()]
        return Readings(classes, columns)


def shrink(frames: Pixels, width: int, height: int) -> Pixels:
    """Frames uint8 `[T, H, W, 3]` → uint8 `[T, height, width, 3]`, averaged."""
    batch = torch.from_numpy(np.array(frames)).permute(0, 3, 1, 2).float()
    small = F.interpolate(batch, (height, width), mode="area").round().to(torch.uint8)
    return np.ascontiguousarray(small.permute(0, 2, 3, 1).numpy())


def as_input(small: Pixels) -> Tensor:
    """uint8 `[N, FRAMES, h, w, 3]` → float `[N, FRAMES·3, h, w]` in [−1, 1]."""
    pictures = torch.from_numpy(np.array(small)).permute(0, 1, 4, 2, 3).float() / 127.5 - 1
    return pictures.flatten(1, 2).contiguous(memory_format=torch.channels_last)
