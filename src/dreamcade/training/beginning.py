"""A world that is there, as the beginning of another training."""

from __future__ import annotations

from pathlib import Path

from dreamcade.core.checkpoint import save_tensors
from dreamcade.core.errors import BadInputError, CheckpointError
from dreamcade.dataset.reader import Dataset
from dreamcade.training.assemble import load_codec
from dreamcade.training.latent_store import fingerprint
from dreamcade.world import World


def begin_with(world: World, dataset: Dataset, folder: Path) -> None:
    """Puts the codec of `world` into the training folder `folder`, so that its dynamics can be trained on `dataset`.

    Raises `BadInputError` where frames or controls are others than the world's, `CheckpointError` where the folder has
    another codec.
    """
    name = world.manifest.name
    if dataset.meta.frame_size != world.frame_size:
        (width, height), (wide, high) = dataset.meta.frame_size, world.frame_size
        raise BadInputError(
            f"the dataset's frames are {width}x{height}, those of {name} {wide}x{high}: record with --size"
        )
    if dataset.meta.controls.names != world.controls.names:
        got, wanted = ", ".join(dataset.meta.controls.names), ", ".join(world.controls.names)
        raise BadInputError(f"the dataset's controls are {got}, those of {name} {wanted}: they must be the same")
    file = folder / "codec.safetensors"
    if file.exists():
        if fingerprint(load_codec(folder)[0]) != fingerprint(world.codec):
            raise CheckpointError(f"{file} is another codec than that of {name}; name a new folder with --world")
        return
    trained = world.manifest.card.get("codec training", {})
    facts = {
        "step": trained.get("steps", 0),
        "seconds": 3600 * trained.get("hours", 0.0),
        "config": world.codec.config.to_json(),
        "settings": {"batch": trained.get("batch", 0), "seed": trained.get("seed", 0)},
        "machine": world.manifest.card.get("machine", "unknown"),
    }
    save_tensors(file, world.codec.state_dict(), facts)


def history(world: World) -> str:
    """How the dynamics of `world` came to be, in a line."""
    card = world.manifest.card
    trained = card.get("dynamics training", {})
    steps, batch = trained.get("steps", "unknown"), trained.get("batch", "unknown")
    before = f"; before: {trained['begun from']}" if trained.get("begun from") else ""
    return f"{world.manifest.name}, {steps} steps of {batch} at commit {card.get('commit', 'unknown')}{before}"
