"""`dreamcade train codec | dynamics | bundle`, `world` for all three, and `predictor`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

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
    from dreamcade.cli.training import train_codec

    train_codec(data, world, preset, resume, steps, channels, device)


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
    from dreamcade.cli.training import Resized, train_dynamics

    resized = Resized(width, depth, motion_points)
    train_dynamics(data, world, preset, resume, steps, resized, beginning, change_cost, episodes, device, compiled)


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
    from dreamcade.dataset.reader import Dataset
    from dreamcade.training.assemble import Description, assemble_world

    name = world.name
    words = Description(name, title or name.capitalize(), description)
    made = assemble_world(Dataset.open(data), world, words, starts, report or (), notes)
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
    from dreamcade.cli.training import open_for_training
    from dreamcade.core.device import resolve_device
    from dreamcade.core.files import expect_writable, write_json
    from dreamcade.training.predict import make_predictor, parse_levels, target_folder
    from dreamcade.training.predictor_trainer import PredictorSettings
    from dreamcade.world import World

    if json:
        expect_writable(json)
    dataset = open_for_training(data)
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
