"""Trained parts → a world bundle."""

from __future__ import annotations

import dataclasses
import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from dreamcade.codec import Codec, CodecConfig
from dreamcade.core.checkpoint import load_tensors, load_weights
from dreamcade.core.errors import BadInputError, CheckpointError, WorldError
from dreamcade.dataset.reader import Dataset
from dreamcade.dynamics import Dynamics, DynamicsConfig
from dreamcade.training.latent_store import expect_encoder
from dreamcade.training.predict import PREDICTOR_CARD
from dreamcade.training.starts import choose_starts, named_starts
from dreamcade.world import World
from dreamcade.world.manifest import CLIP_FILE, PREDICTOR_FILE, check_name

FIGURES_FILE = "figures.json"
CARD_FIGURES = {
    "windows": "held-out windows",
    "psnr_codec": "codec, PSNR in dB",
    "psnr_next": "next frame, PSNR in dB",
    "psnr_next_persistence": "next frame, persistence",
    "lpips_next": "next frame, LPIPS",
    "lpips_next_persistence": "next frame, LPIPS of persistence",
    "lpips_next_codec": "next frame, LPIPS of the codec",
    "psnr_h16": "16 frames ahead, PSNR in dB",
    "psnr_h16_persistence": "16 frames ahead, persistence",
    "control_ratio": "actions named from the dream, over real frames",
    "jump_ratio": "height of a jump, over the game's",
    "wall_held": "runs into a wall that stop, share",
    "outside_walls": "frames with the player outside of walls, share",
    "clear_of_walls": "movements that keep out of walls, share",
    "round_lpips": "after a full turn, LPIPS to the view before",
    "pilot_seconds_median": "pilot's plays, median of seconds",
    "pilot_progress_per_minute": "pilot, cells of progress a minute",
    "pilot_walked_per_minute": "pilot, map units walked a minute",
    "drift_contrast": "change of contrast in long play",
}
"""Which of an evaluation's figures a card shows where they were measured, and what it calls them."""


@dataclass(frozen=True, slots=True)
class Description:
    """What a person says about a world."""

    name: str
    title: str
    text: str


def training_folder(world: Path) -> Path:
    """Where checkpoints, logs and encoded latents of a world in training live: beside its bundle.

    Raises `WorldError` where that folder's name cannot be a world's.
    """
    check_name(world.name)
    return world.with_name(world.name + ".training")


def load_codec(folder: Path) -> tuple[Codec, dict[str, Any]]:
    """The trained codec in a training folder and the facts of its training."""
    tensors, facts = _load(folder / "codec.safetensors")
    codec = Codec(CodecConfig.from_json(facts["config"]))
    load_weights(codec, tensors, str(folder / "codec.safetensors"))
    return codec.eval(), facts


def load_dynamics(folder: Path) -> tuple[Dynamics, dict[str, Any]]:
    """The trained dynamics (averaged weights) in a training folder and the facts of their training."""
    tensors, facts = _load(folder / "dynamics.safetensors")
    dynamics = Dynamics(DynamicsConfig.from_json(facts["config"]))
    load_weights(dynamics, tensors, str(folder / "dynamics.safetensors"))
    return dynamics.eval(), facts


def _load(file: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    tensors, facts = load_tensors(file)
    if "config" not in facts:
        raise CheckpointError(
            f"{file} does not say how it was trained; put the file there that `dreamcade train` wrote"
        )
    return tensors, facts


def assemble_world(
    dataset: Dataset, world: Path, description: Description, starts_file: Path | None = None,
    reports: Sequence[Path] = (), notes_file: Path | None = None,
) -> World:  # fmt: skip
    """Builds and saves the bundle of the parts in `world`'s training folder.

    `reports` are folders that evaluations of it wrote, one or several of some axes each: their figures go on the card,
    the clip of the first that has one into the bundle.
    `notes_file` as for `card_notes`.
    """
    folder = training_folder(world)
    codec, codec_facts = load_codec(folder)
    dynamics, dynamics_facts = load_dynamics(folder)
    expect_encoder(dynamics_facts, codec, folder / "dynamics.safetensors")
    starts = named_starts(dataset, codec, starts_file) if starts_file else choose_starts(dataset, codec)
    meta = dataset.meta
    bundle = World.assemble(
        codec,
        dynamics,
        starts,
        name=description.name,
        title=description.title,
        description=description.text,
        licence=meta.licence,
        game=meta.game,
        controls=meta.controls,
        tick_rate=meta.tick_rate,
        card=card_figures(reports) | card_notes(notes_file) | world_card(dataset, codec_facts, dynamics_facts),
        clip=report_clip(reports),
    )
    return keep_predictor(bundle, world).save(world)


def keep_predictor(bundle: World, folder: Path) -> World:
    """`bundle` with the predictor of the world in `folder`, if there is one for the same controls: how people play does
    not change with new weights."""
    if not (folder / PREDICTOR_FILE).is_file():
        return bundle
    try:
        before = World.load(folder)
    except WorldError:  # damaged, and about to be replaced
        return bundle
    if before.predictor is None or before.controls.names != bundle.controls.names:
        return bundle
    said = {section: before.manifest.card[section] for section in PREDICTOR_CARD if section in before.manifest.card}
    card = {**bundle.manifest.card, **said}
    kept = dataclasses.replace(bundle, manifest=dataclasses.replace(bundle.manifest, card=card))
    return kept.with_predictor(before.predictor)


def with_card(world: World, reports: Sequence[Path], notes_file: Path | None = None) -> World:
    """`world` with the figures of evaluations of it on its card, and notes as for `card_notes`; what its card says of
    anything else stays. It is not saved. Raises `BadInputError` where a report is no report, or another world's.
    """
    said = card_figures(reports) | card_notes(notes_file)
    for report in reports:
        evaluated = json.loads((report / FIGURES_FILE).read_text(encoding="utf-8")).get("world")
        if evaluated != world.manifest.name:
            raise BadInputError(f"{report} is an evaluation of {evaluated}, not of {world.manifest.name}")
    card = said | {section: told for section, told in world.manifest.card.items() if section not in said}
    manifest = dataclasses.replace(world.manifest, card=card)
    clip = report_clip(reports) or world.clip
    return dataclasses.replace(world, manifest=manifest, clip=clip)


def world_card(dataset: Dataset, codec_facts: dict[str, Any], dynamics_facts: dict[str, Any]) -> dict[str, Any]:
    """What made a world: data, steps, hours, machine, commit."""
    train, heldout = dataset.episodes("train"), dataset.episodes("heldout")
    frames = sum(e.length for e in train)
    return {
        "data": {
            "frames": frames,
            "hours of play": round(frames / dataset.meta.tick_rate / 3600, 2),
            "episodes": len(train),
            "held-out episodes": len(heldout),
            "recorded by": dataset.meta.recorded_by,
        },
        "codec training": _training_facts(codec_facts),
        "dynamics training": _training_facts(dynamics_facts),
        "machine": dynamics_facts["machine"],
        "commit": _commit(),
    }


def card_figures(reports: Sequence[Path]) -> dict[str, Any]:
    """What a card says of evaluations, from the folders of their reports: figures, verdicts, and what must hold. What
    two of them measured counts as the later one has it.

    Raises `BadInputError` where a folder is not one.
    """
    card: dict[str, Any] = {}
    for report in reports:
        said = _card_figures(report)
        for part in ("evaluation", "verdicts"):
            card[part] = card.get(part, {}) | said[part]
        again = {line["title"] for line in said["what must hold"]}
        kept = [line for line in card.get("what must hold", []) if line["title"] not in again]
        card["what must hold"] = kept + said["what must hold"]
    return card


def _card_figures(report: Path) -> dict[str, Any]:
    file = report / FIGURES_FILE
    try:
        figures = json.loads(file.read_text(encoding="utf-8"))
        known = {title: figures[key] for key, title in CARD_FIGURES.items() if figures.get(key) is not None}
        if not known and not figures["criteria"]:
            raise KeyError("no figure that a card shows")
        criteria = [{key: line[key] for key in ("title", "value", "target", "holds")} for line in figures["criteria"]]
        return {"evaluation": known, "verdicts": dict(figures["summary"]), "what must hold": criteria}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadInputError(
            f"{file} must be what `dreamcade evaluate --report` writes; {type(error).__name__}: {error}"
        ) from error


def report_clip(reports: Sequence[Path]) -> bytes | None:
    """The real game beside the dream, where an evaluation drew it."""
    files = (report / CLIP_FILE for report in reports)
    return next((file.read_bytes() for file in files if file.is_file()), None)


def card_notes(file: Path | None) -> dict[str, list[str]]:
    """What a person says of a world beside the figures: a JSON object of lists of sentences, a section each.

    Raises `BadInputError` where the file is not such a thing.
    """
    if file is None:
        return {}
    wanted = f'{file} must be a JSON object of lists of sentences, as in {{"does badly": ["…"]}}'
    try:
        notes = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInputError(f"{wanted}; {error}") from error
    if not isinstance(notes, dict):
        raise BadInputError(f"{wanted}; got a {type(notes).__name__}")
    for section, sentences in notes.items():
        if not isinstance(sentences, list) or not all(isinstance(sentence, str) for sentence in sentences):
            raise BadInputError(f"{wanted}; {section!r} is not a list of sentences")
    return notes


def _training_facts(facts: dict[str, Any]) -> dict[str, Any]:
    settings = facts["settings"]
    trained = {
        "steps": facts["step"],
        "batch": settings["batch"],
        "hours": round(facts["seconds"] / 3600, 2),
        "seed": settings["seed"],
    }
    return trained | ({"begun from": facts["begun_from"]} if facts.get("begun_from") else {})


def _commit() -> str:
    """The commit of this package's checkout, with a + where files were changed since; "unknown" outside of one."""
    here = Path(__file__)

    def git(*words: str) -> str:
        return subprocess.run(
            ["git", *words], capture_output=True, text=True, timeout=5, cwd=here.parent, check=True
        ).stdout.strip()

    try:
        git("ls-files", "--error-unmatch", here.name)  # installed inside somebody else's repository, it is not tracked
        changed = git("status", "--porcelain", "--untracked-files=no", ".")
        return git("rev-parse", "--short", "HEAD") + ("+" if changed else "")
    except (OSError, subprocess.SubprocessError):
        return "unknown"
