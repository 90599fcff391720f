"""`dreamcade train codec | dynamics | bundle`, `world` for all three, and `predictor`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from dreamcade.dataset.reader import Dataset
    from dreamcade.dynamics import DynamicsConfig
    from dreamcade.training.picture_store import PictureEpisode

HEAD = 32
"""Width of an attention head, as in the presets from small to gpu."""

train_app = typer.Typer(name="train", help="Train a world from a dataset.", no_args_is_help=True)

Data = Annotated[Path, typer.Argument(help="Folder of the dataset (made by `dreamcade record`).")]
WorldFolder = Annotated[Path, typer.Option("--world", help="Folder of the world to make; training files go beside it.")]
PresetName = Annotated[str, typer.Option(help="smoke, small, laptop or gpu.")]
Resume = Annotated[
    bool | None,
    typer.Option("--resume/--fresh", help="Go on from the checkpoint, where there is one, or replace it."),
]
Steps = Annotated[int | None, typer.Option(min=1, help="Training steps; the preset's by default.")]
DeviceName = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")]


@train_app.command(epilog="Example: dreamcade train codec data/racing --world worlds/racing")
def codec(
    data: Data,
    world: WorldFolder,
    preset: PresetName = "laptop",
    resume: Resume = None,
    steps: Steps = None,
    channels: Annotated[
        int | None, typer.Option(min=4, help="Numbers per latent cell; more for games with fine textures.")
    ] = None,
    device: DeviceName = "auto",
) -> None:
    """Train the codec: frames to latents and back. On several GPUs: torchrun --nproc-per-node N -m dreamcade train …"""
    import dataclasses

    import numpy as np

    from dreamcade.core.device import keep_freed_memory, resolve_device
    from dreamcade.training.assemble import training_folder
    from dreamcade.training.checkpoint import goes_on
    from dreamcade.training.codec_trainer import CodecTrainer, fit_normalisation, stored_normalisation
    from dreamcade.training.frame_pool import as_pictures, draw_frames
    from dreamcade.training.picture_store import draw_pictures, open_pictures, store_pictures
    from dreamcade.training.presets import get_preset
    from dreamcade.training.progress import training_progress
    from dreamcade.training.workers import join_workers

    chosen, folder = get_preset(preset), training_folder(world)
    checkpoint = folder / "codec.checkpoint.safetensors"
    goes_on_there = goes_on(checkpoint, resume)
    dataset = _open_for_training(data)
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


@train_app.command(epilog="Example: dreamcade train dynamics data/racing --world worlds/racing --resume")
def dynamics(
    data: Data,
    world: WorldFolder,
    preset: PresetName = "laptop",
    resume: Resume = None,
    steps: Steps = None,
    width: Annotated[
        int | None, typer.Option(min=32, help="Of the transformer, a multiple of 32; the preset's by default.")
    ] = None,
    depth: Annotated[int | None, typer.Option(min=3, help="Blocks of it; the preset's by default.")] = None,
    motion_points: Annotated[
        int | None,
        typer.Option(min=0, help="Points a cell, each way, that the view's motion is applied to; 0: no such motion."),
    ] = None,
    beginning: Annotated[
        str | None,
        typer.Option("--from", help="A world (shipped name, folder or hub id) whose codec and weights to begin with."),
    ] = None,
    change_cost: Annotated[
        float | None,
        typer.Option(min=0.0, help="Keeps textures that cannot be predicted: 0.3 for games full of them; else 0."),
    ] = None,
    episodes: Annotated[
        int | None, typer.Option(min=1, help="Learn from the first so many only: what would more data bring?")
    ] = None,
    device: DeviceName = "auto",
    compiled: Annotated[
        bool, typer.Option("--compile", help="A fifth faster after a minute or two; needs a C++ compiler.")
    ] = False,
) -> None:
    """Train the dynamics: past latents and actions to the next latent. Needs the codec; torchrun as for it."""
    import dataclasses

    from dreamcade.core.device import expect_compiler, keep_freed_memory, resolve_device
    from dreamcade.training.assemble import load_codec, training_folder
    from dreamcade.training.beginning import begin_with
    from dreamcade.training.checkpoint import goes_on
    from dreamcade.training.dynamics_trainer import DynamicsTrainer, expect_sizes, stored_sizes
    from dreamcade.training.latent_store import store_latents
    from dreamcade.training.picture_store import open_pictures, store_pictures
    from dreamcade.training.presets import get_preset
    from dreamcade.training.progress import training_progress
    from dreamcade.training.workers import join_workers
    from dreamcade.world import World

    chosen, folder = get_preset(preset), training_folder(world)
    resized = _resized(chosen.dynamics, width, depth, motion_points)
    goes_on_there = goes_on(folder / "dynamics.checkpoint.safetensors", resume)
    dataset = _open_for_training(data)
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
    trained_codec, _ = load_codec(folder)
    channels, rows, columns = trained_codec.config.latent_shape
    sizes = dataclasses.replace(
        resized,
        latent_channels=channels,
        latent_height=rows,
        latent_width=columns,
        action_size=dataset.meta.controls.size,
    )
    asked = {"width": width, "depth": depth, "motion_points": motion_points}
    if goes_on_there:
        sizes = stored_sizes(folder / "dynamics.checkpoint.safetensors", asked)
    elif begun is not None:
        expect_sizes(begun.dynamics.config, asked, f"{beginning} has", "begin without --from")
        sizes = begun.dynamics.config

    def pictures(split: str) -> list[PictureEpisode]:
        opened = open_pictures(dataset, trained_codec.config, folder / "pictures", split)
        return opened[:episodes] if split == "train" else opened

    with join_workers(resolve_device(device)) as (workers, target):
        trained_codec.to(target)
        if workers.leads:
            store_pictures(dataset, trained_codec.config, folder / "pictures")
            for split in ("train", "heldout"):
                store_latents(pictures(split), trained_codec, folder / "latents")
        workers.wait()
        train, heldout = (
            store_latents(pictures(split), trained_codec, folder / "latents") for split in ("train", "heldout")
        )
        trainer = DynamicsTrainer(sizes, settings, trained_codec, folder, train, heldout, target, compiled, workers)
        trainer.prepare(goes_on_there, begun)
        logs = folder / "logs" / "dynamics"
        with training_progress("dynamics", settings.steps, trainer.step, logs, workers.leads) as report:
            trainer.run(report)


@train_app.command(epilog="Example: dreamcade train bundle data/racing --world worlds/racing --title Racing")
def bundle(
    data: Data,
    world: WorldFolder,
    title: Annotated[str | None, typer.Option(help="The world's title; its folder's name by default.")] = None,
    description: Annotated[str, typer.Option(help="One or two sentences about it.")] = "",
    starts: Annotated[
        Path | None, typer.Option(help="JSON list of starts; chosen from held-out play by default.")
    ] = None,
    report: Annotated[
        list[Path] | None,
        typer.Option(help="Folder that `dreamcade evaluate --report` wrote of this world, for its card; repeatable."),
    ] = None,
    notes: Annotated[
        Path | None, typer.Option(help="JSON object of lists of sentences: more sections for the card.")
    ] = None,
) -> None:
    """Put the trained codec and dynamics into a world that can be played."""
    from dreamcade.training.assemble import Description, assemble_world

    name = world.name
    words = Description(name, title or name.capitalize(), description)
    made = assemble_world(_open(data), world, words, starts, report or (), notes)
    typer.echo(f"made {made.folder}; play it with: dreamcade play {made.folder}")


@train_app.command("world", epilog="Example: dreamcade train world data/breakout --world runs/breakout --preset small")
def whole_world(
    data: Data,
    world: WorldFolder,
    preset: PresetName = "laptop",
    resume: Resume = None,
    title: Annotated[str | None, typer.Option(help="The world's title; its folder's name by default.")] = None,
    description: Annotated[str, typer.Option(help="One or two sentences about it.")] = "",
    device: DeviceName = "auto",
    compiled: Annotated[
        bool, typer.Option("--compile", help="A fifth faster after a minute or two; needs a C++ compiler.")
    ] = False,
) -> None:
    """Train the codec, then the dynamics, and put them into a world that can be played."""
    import os

    from dreamcade.core.device import expect_compiler
    from dreamcade.core.errors import BadInputError
    from dreamcade.training.assemble import training_folder
    from dreamcade.training.checkpoint import goes_on

    # Asked before the first of them begins, not after it has worked for an hour.
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise BadInputError("train world runs in one process; give torchrun `train codec` and `train dynamics`")
    if compiled:
        expect_compiler()
    for part in ("codec", "dynamics"):
        goes_on(training_folder(world) / f"{part}.checkpoint.safetensors", resume)
    codec(data, world, preset, resume, device=device)
    dynamics(data, world, preset, resume, device=device, compiled=compiled)
    bundle(data, world, title, description)


@train_app.command(epilog="Example: dreamcade train predictor data/racing --world worlds/racing")
def predictor(
    data: Data,
    world: Annotated[str, typer.Option("--world", help="The world: a folder, a shipped name or a hub id.")],
    out: Annotated[
        Path | None, typer.Option(help="Folder for the world with its predictor; the world's own by default.")
    ] = None,
    steps: Steps = None,
    seed: Annotated[int, typer.Option(min=0, help="Same seed: same predictor.")] = 0,
    levels: Annotated[
        str | None,
        typer.Option(help="Levels of every control, as in 64,2,2; by default what the world can tell apart."),
    ] = None,
    device: DeviceName = "auto",
    json: Annotated[Path | None, typer.Option("--json", help="Write the figures to this file.")] = None,
) -> None:
    """Train what expects the player's next action, so that its frame can be made beforehand. Minutes on one core."""
    import dataclasses

    from dreamcade.cli.stage_bars import stage_bars
    from dreamcade.core.device import resolve_device
    from dreamcade.core.files import expect_writable, write_json
    from dreamcade.training.predict import make_predictor, parse_levels, target_folder
    from dreamcade.training.predictor_trainer import PredictorSettings
    from dreamcade.world import World

    if json:
        expect_writable(json)
    dataset = _open_for_training(data)
    loaded = World.load(world)
    folder = target_folder(world, loaded, out)
    grid = parse_levels(levels, loaded.controls) if levels else None
    settings = PredictorSettings(seed=seed)
    settings = dataclasses.replace(settings, steps=steps or settings.steps)
    with stage_bars() as progress:
        made = make_predictor(loaded, dataset, settings, grid, resolve_device(device), progress)
    made.world.save(folder)
    if json:
        write_json(json, made.figures)
    for line in made.lines:
        typer.echo(line)
    typer.echo(f"saved {folder}")


def _resized(config: DynamicsConfig, width: int | None, depth: int | None, motion_points: int | None) -> DynamicsConfig:
    """The same transformer in another size, its heads as wide as ever."""
    import dataclasses

    from dreamcade.core.errors import BadInputError

    if width is not None and width % HEAD:
        raise BadInputError(f"the width must be a multiple of {HEAD}, a head's; got {width}")
    if width is not None:
        config = dataclasses.replace(config, width=width, heads=width // HEAD)
    if motion_points is not None:
        config = dataclasses.replace(config, motion_points=motion_points)
    return config if depth is None else dataclasses.replace(config, depth=depth)


def _open(data: Path) -> Dataset:
    from dreamcade.dataset.reader import Dataset

    return Dataset.open(data)


def _open_for_training(data: Path) -> Dataset:
    """Names the episodes that are damaged, and raises `DatasetError` where too little is left to learn from."""
    from dreamcade.core.errors import DatasetError
    from dreamcade.dataset.format import LEAST_TICKS

    dataset = _open(data)
    for name, reason in dataset.damaged:
        typer.echo(f"skipped {name}: {reason}", err=True)
    for split in ("train", "heldout"):
        longest = max((e.length for e in dataset.episodes(split)), default=0)
        if longest < LEAST_TICKS:
            raise DatasetError(
                f"{data} has no {split} episode of at least {LEAST_TICKS} ticks; record more episodes "
                "(of two or more, at least one is held out), or longer ones (--ticks)"
            )
    return dataset
