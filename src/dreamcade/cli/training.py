"""What `dreamcade train codec` and `train dynamics` do: from a folder of play to weights beside a world's folder.

Every process of several does the same; the first of them also prepares what all of them read.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import typer

from dreamcade.codec import Codec, CodecConfig
from dreamcade.core.device import expect_compiler, keep_freed_memory, resolve_device
from dreamcade.core.errors import BadInputError, DatasetError
from dreamcade.dataset.format import LEAST_TICKS, Split
from dreamcade.dataset.reader import Dataset
from dreamcade.dynamics import DynamicsConfig
from dreamcade.training.assemble import load_codec, training_folder
from dreamcade.training.beginning import begin_with
from dreamcade.training.checkpoint import goes_on
from dreamcade.training.codec_trainer import CodecTrainer, fit_normalisation, stored_normalisation
from dreamcade.training.dynamics_trainer import DynamicsTrainer, expect_sizes, stored_sizes
from dreamcade.training.frame_pool import as_pictures, draw_frames
from dreamcade.training.latent_store import LatentEpisode, store_latents
from dreamcade.training.picture_store import draw_pictures, open_pictures, store_pictures
from dreamcade.training.presets import get_preset
from dreamcade.training.progress import training_progress
from dreamcade.training.workers import Workers, join_workers
from dreamcade.world import World

HEAD = 32
"""Width of an attention head, as in the presets from small to gpu."""
SPLITS: tuple[Split, ...] = ("train", "heldout")


def train_codec(
    data: Path, world: Path, preset: str, resume: bool | None, steps: int | None, channels: int | None, device: str
) -> None:
    """The options are those of the command."""
    chosen, folder = get_preset(preset), training_folder(world)
    checkpoint = folder / "codec.checkpoint.safetensors"
    goes_on_there = goes_on(checkpoint, resume)
    dataset = open_for_training(data)
    keep_freed_memory()
    settings = dataclasses.replace(chosen.codec_training, steps=steps or chosen.codec_training.steps)
    base = chosen.codec if channels is None else dataclasses.replace(chosen.codec, channels=channels)
    sizes = base.fitted(*dataset.meta.frame_size)
    with join_workers(resolve_device(device)) as (workers, target):
        if workers.leads:
            store_pictures(dataset, sizes, folder / "pictures")
        workers.wait()
        whole = sizes.reduction == 1
        frames = draw_frames(dataset, "train", chosen.codec_frames * (2 if whole else 1), settings.seed)
        pictures = as_pictures(frames) if whole else open_pictures(dataset, sizes, folder / "pictures", "train")
        heldout = draw_frames(dataset, "heldout", 48, settings.seed)
        if goes_on_there:
            sizes = stored_normalisation(sizes, checkpoint)
        else:
            sizes = fit_normalisation(sizes, draw_pictures(pictures, 300, np.random.default_rng(settings.seed)))
        trainer = CodecTrainer(sizes, settings, folder, pictures, frames, heldout, target, workers)
        trainer.prepare(goes_on_there)
        with training_progress(
            "codec", settings.steps, trainer.step, folder / "logs" / "codec", workers.leads
        ) as report:
            trainer.run(report)


@dataclass(frozen=True, slots=True)
class Resized:
    """What is asked for in place of a preset's sizes."""

    width: int | None = None
    depth: int | None = None
    motion_points: int | None = None

    def of(self, config: DynamicsConfig) -> DynamicsConfig:
        """The same transformer in another size, its heads as wide as ever."""
        if self.width is not None and self.width % HEAD:
            raise BadInputError(f"the width must be a multiple of {HEAD}, a head's; got {self.width}")
        if self.width is not None:
            config = dataclasses.replace(config, width=self.width, heads=self.width // HEAD)
        if self.motion_points is not None:
            config = dataclasses.replace(config, motion_points=self.motion_points)
        return config if self.depth is None else dataclasses.replace(config, depth=self.depth)


def train_dynamics(
    data: Path, world: Path, preset: str, resume: bool | None, steps: int | None, resized: Resized,
    beginning: str | None, change_cost: float | None, episodes: int | None, device: str, compiled: bool,
) -> None:  # fmt: skip
    """The options are those of the command."""
    chosen, folder = get_preset(preset), training_folder(world)
    preferred = resized.of(chosen.dynamics)
    checkpoint = folder / "dynamics.checkpoint.safetensors"
    goes_on_there = goes_on(checkpoint, resume)
    dataset = open_for_training(data)
    if compiled:
        expect_compiler()
    keep_freed_memory()
    settings = dataclasses.replace(chosen.dynamics_training, steps=steps or chosen.dynamics_training.steps)
    if change_cost is not None:
        settings = dataclasses.replace(settings, change_cost=change_cost)
    begun = None
    if beginning is not None and not goes_on_there:
        begun = World.load(beginning)
        begin_with(begun, dataset, folder)
    codec, _ = load_codec(folder)
    asked = dataclasses.asdict(resized)
    if goes_on_there:
        sizes = stored_sizes(checkpoint, asked)
    elif begun is not None:
        expect_sizes(begun.dynamics.config, asked, f"{beginning} has", "begin without --from")
        sizes = begun.dynamics.config
    else:
        sizes = _fitted(preferred, codec.config, dataset.meta.controls.size)
    with join_workers(resolve_device(device)) as (workers, target):
        codec.to(target)
        train, heldout = _latents(dataset, codec, folder, workers, episodes)
        trainer = DynamicsTrainer(sizes, settings, codec, folder, train, heldout, target, compiled, workers)
        trainer.prepare(goes_on_there, begun)
        logs = folder / "logs" / "dynamics"
        with training_progress("dynamics", settings.steps, trainer.step, logs, workers.leads) as report:
            trainer.run(report)


def _fitted(sizes: DynamicsConfig, codec: CodecConfig, action_size: int) -> DynamicsConfig:
    """For the latents of a codec, and a game's actions."""
    channels, rows, columns = codec.latent_shape
    return dataclasses.replace(
        sizes, latent_channels=channels, latent_height=rows, latent_width=columns, action_size=action_size
    )


def _latents(
    dataset: Dataset, codec: Codec, folder: Path, workers: Workers, episodes: int | None
) -> list[list[LatentEpisode]]:
    """Of the training split, its first `episodes` only, and of the held-out one; encoded by the first process."""

    def latents(split: Split) -> list[LatentEpisode]:
        pictures = open_pictures(dataset, codec.config, folder / "pictures", split)
        return store_latents(pictures[:episodes] if split == "train" else pictures, codec, folder / "latents")

    if workers.leads:
        store_pictures(dataset, codec.config, folder / "pictures")
        for split in SPLITS:
            latents(split)
    workers.wait()
    return [latents(split) for split in SPLITS]


def open_for_training(data: Path) -> Dataset:
    """Names the episodes that are damaged, and raises `DatasetError` where too little is left to learn from."""
    dataset = Dataset.open(data)
    for name, reason in dataset.damaged:
        typer.echo(f"skipped {name}: {reason}", err=True)
    for split in SPLITS:
        longest = max((e.length for e in dataset.episodes(split)), default=0)
        if longest < LEAST_TICKS:
            raise DatasetError(
                f"{data} has no {split} episode of at least {LEAST_TICKS} ticks; record more episodes "
                "(of two or more, at least one is held out), or longer ones (--ticks)"
            )
    return dataset
