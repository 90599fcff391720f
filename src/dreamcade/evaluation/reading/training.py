"""Trains a reader on a recording, and keeps it beside it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from dreamcade.core.checkpoint import load_tensors, save_tensors
from dreamcade.core.config import JsonConfig
from dreamcade.core.errors import CheckpointError
from dreamcade.dataset.reader import Dataset
from dreamcade.evaluation.metrics import Progress
from dreamcade.evaluation.reading.examples import Examples, draw_examples, reader_size
from dreamcade.evaluation.reading.network import AXIS_CLASSES, BUTTON_CLASSES, Reader, ReaderConfig, as_input


@dataclass(frozen=True, slots=True)
class ReaderTraining(JsonConfig):
    """How it is trained."""

    steps: int = 2000
    batch: int = 48
    samples: int = 16_000
    rate: float = 1.5e-3
    seed: int = 0


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
