"""A network that reads actions and the game's own state from frames; trained on real play, then shown dreams.

It looks at four frames in a row and names the action taken after the second (an inverse dynamics model, as in Baker et
al., "Video PreTraining", 2022) and the state at the last. What it reads from real held-out frames is the ceiling for
dreamed ones; it is trained anew for each recording and kept beside it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from dreamcade.core.checkpoint import load_tensors, save_tensors
from dreamcade.core.config import JsonConfig
from dreamcade.core.controls import Controls
from dreamcade.core.errors import CheckpointError, DatasetError
from dreamcade.core.types import Pixels
from dreamcade.dataset.reader import Dataset
from dreamcade.evaluation.metrics import Progress

FRAMES = 4
"""Frames that the network looks at; it names the action taken after the second and the state at the last."""
ACTED = 1
LONGEST_SIDE = 96
REST = 0.1
"""An axis nearer to its rest than this counts as at rest."""
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
class ReaderTraining(JsonConfig):
    """How it is trained."""

    steps: int = 2000
    batch: int = 48
    samples: int = 16_000
    rate: float = 1.5e-3
    seed: int = 0


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


def classes_of(actions: NDArray[np.float32], controls: Controls) -> NDArray[np.int64]:
    """Actions `[N, A]` → classes: an axis is 0 below rest, 1 at rest, 2 above; a button 0 or 1."""
    count = len(controls.axes)
    axes = np.where(actions[:, :count] < -REST, 0, np.where(actions[:, :count] > REST, 2, 1))
    return np.concatenate([axes, actions[:, count:] >= 0.5], 1).astype(np.int64)


def balanced_accuracy(named: NDArray[np.int64], true: NDArray[np.int64]) -> list[float | None]:
    """Per control, the mean over the classes that occur of the share that is named right; None for one never used."""
    found: list[float | None] = []
    for said, was in zip(named.T, true.T, strict=True):
        classes = [c for c in np.unique(was) if (was == c).sum() >= 5]
        shares = [float((said[was == c] == c).mean()) for c in classes]
        found.append(float(np.mean(shares)) if len(shares) > 1 else None)
    return found


@dataclass(slots=True)
class Examples:
    """Runs of small frames uint8 `[N, FRAMES, h, w, 3]`, classes `[N, A]`, and columns `[N]`."""

    frames: Pixels
    classes: NDArray[np.int64]
    columns: dict[str, NDArray[np.float64]]


def draw_examples(
    dataset: Dataset, split: str, names: Sequence[str], size: tuple[int, int], count: int, seed: int, progress: Progress
) -> Examples:
    """About `count` runs from all over a split; whole stretches are read, for seeking costs more than reading on."""
    episodes = [e for e in dataset.episodes(split) if e.length > 4 * FRAMES]  # type: ignore[arg-type]
    if not episodes:
        raise DatasetError(f"{dataset.path} has no {split} episode of more than {4 * FRAMES} ticks; record longer ones")
    rng = np.random.default_rng(seed)
    stretch = 64
    pieces = max(1, -(-count // stretch))
    frames, classes, columns = [], [], {name: list[NDArray[Any]]() for name in names}
    for piece in range(pieces):
        episode = episodes[int(rng.integers(len(episodes)))]
        length = min(stretch + FRAMES - 1, episode.length)
        start = int(rng.integers(0, episode.length - length + 1))
        small = shrink(dataset.frames(episode, start, start + length), *size)
        runs = np.lib.stride_tricks.sliding_window_view(small, FRAMES, 0).transpose(0, 4, 1, 2, 3)
        frames.append(np.ascontiguousarray(runs))
        first = start + ACTED
        classes.append(classes_of(dataset.actions(episode, first, first + len(runs)), dataset.meta.controls))
        for name in names:
            values = dataset.column(episode, name)[start + FRAMES - 1 : start + FRAMES - 1 + len(runs)]
            columns[name].append(values.astype(np.float64))
        if piece % 8 == 0:
            progress(f"reading {split} play", piece, pieces)
    return Examples(np.concatenate(frames), np.concatenate(classes), {n: np.concatenate(v) for n, v in columns.items()})


def reader_size(frame_size: tuple[int, int]) -> tuple[int, int]:
    """(width, height) of the small pictures: the longest side `LONGEST_SIDE`, both multiples of 16."""
    width, height = frame_size
    scale = min(1.0, LONGEST_SIDE / max(width, height))
    return max(16, round(width * scale / 16) * 16), max(16, round(height * scale / 16) * 16)


def train_reader(
    dataset: Dataset, columns: Sequence[str], angles: Sequence[str], choices: Sequence[str], settings: ReaderTraining,
    progress: Progress,
) -> Reader:  # fmt: skip
    """A reader of these columns, trained on the training episodes of `dataset`."""
    size = reader_size(dataset.meta.frame_size)
    examples = draw_examples(dataset, "train", columns, size, settings.samples, settings.seed, progress)
    plain = tuple(c for c in columns if c not in angles and c not in choices)
    chosen = tuple(c for c in choices if c in columns)
    controls = dataset.meta.controls
    values = tuple(tuple(float(v) for v in np.unique(examples.columns[c])) for c in chosen)
    turned = tuple(c for c in angles if c in columns)
    with torch.random.fork_rng():
        torch.manual_seed(settings.seed)
        config = ReaderConfig(
            size[1], size[0], len(controls.axes), len(controls.buttons), plain, turned, chosen, values
        )
        reader = Reader(config)
        if plain:
            numbers = torch.from_numpy(np.stack([examples.columns[c] for c in plain], 1)).float()
            reader.centre.copy_(numbers.mean(0))
            reader.spread.copy_(numbers.std(0).clamp(min=1e-6))
        _fit(reader, examples, settings, progress)
    return reader.eval()


def _fit(reader: Reader, examples: Examples, settings: ReaderTraining, progress: Progress) -> None:
    optimizer = torch.optim.AdamW(reader.parameters(), lr=settings.rate, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, settings.rate, total_steps=settings.steps)
    rng = np.random.default_rng(settings.seed)
    loss_of = _losses(reader, examples)
    reader.train()
    for step in range(settings.steps):
        drawn = rng.integers(len(examples.frames), size=settings.batch)
        loss = loss_of(drawn)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
        if step % 25 == 0:
            progress("training the reader", step, settings.steps)


def _losses(reader: Reader, examples: Examples) -> Callable[[NDArray[np.int64]], Tensor]:
    """The loss on the examples of given indices."""
    config = reader.config
    classes = torch.from_numpy(examples.classes)
    # Rare settings count as much as common ones, within reason.
    weights = [
        (len(column) / (counts + 0.02 * len(column))).sqrt()
        for column, counts in (
            (
                classes[:, i],
                torch.bincount(classes[:, i], minlength=AXIS_CLASSES if i < config.axes else BUTTON_CLASSES),
            )
            for i in range(classes.shape[1])
        )
    ]
    plain = [(torch.from_numpy(examples.columns[n]).float() - c) / s
             for n, c, s in zip(config.columns, reader.centre, reader.spread, strict=True)]  # fmt: skip
    turns = [torch.from_numpy(f(examples.columns[n])).float() for n in config.angles for f in (np.sin, np.cos)]
    numbers = torch.stack([*plain, *turns], 1) if plain or turns else torch.zeros(len(classes), 0)
    choices = [
        torch.from_numpy(np.searchsorted(np.array(v), examples.columns[n]))
        for n, v in zip(config.choices, config.choice_values, strict=True)
    ]

    def loss_of(drawn: NDArray[np.int64]) -> Tensor:
        at = torch.from_numpy(drawn)
        acts, read, chosen = reader(as_input(examples.frames[drawn]))
        loss = torch.zeros(())
        for i, logits in enumerate(reader.split_controls(acts)):
            loss = loss + F.cross_entropy(logits, classes[at, i], weights[i])
        if numbers.shape[1]:
            loss = loss + 3 * F.smooth_l1_loss(read, numbers[at], beta=0.3)
        if choices:
            for logits, values in zip(reader.split_choices(chosen), choices, strict=True):
                loss = loss + 0.5 * F.cross_entropy(logits, values[at])
        return loss

    return loss_of


def kept_reader(
    dataset: Dataset, columns: Sequence[str], angles: Sequence[str], choices: Sequence[str], settings: ReaderTraining,
    progress: Progress,
) -> Reader:  # fmt: skip
    """The reader that lies beside the recording, where it was trained on the same; else a new one, put there."""
    about = {
        "episodes": [(e.name, e.video_bytes) for e in dataset.episodes("train")], "columns": [*columns],
        "angles": [*angles], "choices": [*choices], "settings": settings.to_json(),
    }  # fmt: skip
    stamp = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:16]
    file = dataset.path / "readers" / f"{stamp}.safetensors"
    if file.exists():
        try:
            return _load(file)
        except (CheckpointError, RuntimeError, KeyError):
            file.unlink()
    reader = train_reader(dataset, columns, angles, choices, settings, progress)
    save_tensors(file, reader.state_dict(), {"config": reader.config.to_json()})
    return reader


def _load(file: Path) -> Reader:
    tensors, facts = load_tensors(file)
    reader = Reader(ReaderConfig.from_json(facts["config"]))
    reader.load_state_dict(tensors)
    return reader.eval()
