"""Several datasets of one game put into one, for example a driver's play and a person's own.

Episodes keep their files, seed and split. Nothing is copied where the file system can link.
"""

from __future__ import annotations

import filecmp
import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from dreamcade.core.controls import Controls
from dreamcade.core.errors import BadInputError, DatasetError
from dreamcade.core.files import atomic_folder, write_json
from dreamcade.dataset.format import (
    COLUMNS_FILE,
    EPISODE_FILE,
    EPISODES_FOLDER,
    INDEX_FILE,
    VIDEO_FILE,
    DatasetMeta,
    EpisodeInfo,
    index_json,
)
from dreamcade.dataset.reader import Dataset


@dataclass(frozen=True, slots=True)
class Taken:
    """An episode of `dataset`, and its entry in the merged one: its name may be another."""

    dataset: Dataset
    source: EpisodeInfo
    info: EpisodeInfo

    @property
    def folder(self) -> Path:
        return self.dataset.path / EPISODES_FOLDER / self.source.name


def merge_datasets(datasets: Sequence[Dataset], out: Path) -> list[EpisodeInfo]:
    """Makes the dataset `out` of all whole episodes of `datasets`; what is the same in two of them comes in once.

    `out` appears whole, in one rename. Raises `BadInputError` for fewer than two datasets, one that is named twice, or
    an `out` that is not empty; `DatasetError` where the datasets do not go together: another game, frame size, tick
    rate or other controls, or a play that is held out in one of them and not in another.
    """
    if len({d.path.resolve() for d in datasets}) < max(2, len(datasets)):
        raise BadInputError(f"name two or more datasets, each once; got {', '.join(str(d.path) for d in datasets)}")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise BadInputError(f"{out} is not empty; choose another folder with --out")
    first = datasets[0]
    for other in datasets[1:]:
        if difference := _difference(first.meta, other.meta):
            raise DatasetError(
                f"{other.path} does not go with {first.path}: {difference}; record one of them again, like the other"
            )
    taken = _taken(datasets)
    if not taken:
        raise DatasetError(
            f"there is no whole episode in {', '.join(str(d.path) for d in datasets)}; record some first"
        )
    with atomic_folder(out) as folder:
        for each in taken:
            _put(each, folder / EPISODES_FOLDER / each.info.name)
        write_json(folder / INDEX_FILE, index_json(_meta(datasets), [each.info for each in taken]))
    return [each.info for each in taken]


def _difference(mine: DatasetMeta, theirs: DatasetMeta) -> str:
    """Why two recordings do not go together; empty where they do. Keys may differ: those of the first count."""
    facts = {
        "game is": (mine.game, theirs.game),
        "frame size is": ("{}x{}".format(*mine.frame_size), "{}x{}".format(*theirs.frame_size)),
        "tick rate is": (f"{mine.tick_rate:g}", f"{theirs.tick_rate:g}"),
        "controls are": (_described(mine.controls), _described(theirs.controls)),
    }
    return "; ".join(f"its {what} {its}, not {own}" for what, (own, its) in facts.items() if own != its)


def _described(controls: Controls) -> str:
    axes = [f"{axis.name} {axis.low:g}…{axis.high:g}" for axis in controls.axes]
    return ", ".join([*axes, *(button.name for button in controls.buttons)])


def _meta(datasets: Sequence[Dataset]) -> DatasetMeta:
    """What the merged dataset says of itself: what all say alike, and which ones they were. So it names a driver only
    where the same one played everywhere, and only then every episode can be replayed."""
    metas = [d.meta for d in datasets]
    same = {k: v for k, v in metas[0].recording.items() if all(m.recording.get(k) == v for m in metas)}
    return replace(
        metas[0],
        licence="; ".join(dict.fromkeys(m.licence for m in metas)),
        recorded_by="; ".join(dict.fromkeys(m.recorded_by for m in metas)),
        recording={**same, "merged": " + ".join(d.path.resolve().name for d in datasets)},
    )


def _taken(datasets: Sequence[Dataset]) -> list[Taken]:
    taken: dict[str, Taken] = {}
    by_seed: dict[int, list[Taken]] = {}
    for dataset in datasets:
        for episode in dataset.episodes():
            alike = by_seed.setdefault(episode.seed, [])
            new = Taken(dataset, episode, replace(episode, name=_free_name(episode.name, taken)))
            for other in alike:
                _expect_same_split(new, other)
            if any(_same_files(new, other) for other in alike):
                continue
            taken[new.info.name] = new
            alike.append(new)
    return [*taken.values()]


def _free_name(name: str, taken: dict[str, Taken]) -> str:
    number, free = 1, name
    while free in taken:
        number, free = number + 1, f"{name}-{number + 1}"
    return free


def _expect_same_split(new: Taken, other: Taken) -> None:
    """The same play must not be trained on and measured on: files that are the same, or one driver with one seed."""
    if new.source.split == other.source.split:
        return
    drivers = {each.dataset.meta.recording.get("driver") for each in (new, other)}
    if _same_files(new, other) or (len(drivers) == 1 and None not in drivers):
        raise DatasetError(
            f"{new.source.name} is {_called(new)} in {new.dataset.path} and {_called(other)} in {other.dataset.path}, "
            "and is the same play; record one of them again with another --seed"
        )


def _called(each: Taken) -> str:
    return "held out" if each.source.split == "heldout" else "trained on"


def _same_files(new: Taken, other: Taken) -> bool:
    files = (VIDEO_FILE, COLUMNS_FILE)
    return all(filecmp.cmp(new.folder / file, other.folder / file, shallow=False) for file in files)


def _put(each: Taken, folder: Path) -> None:
    folder.mkdir(parents=True)
    for file in (VIDEO_FILE, COLUMNS_FILE):
        _link(each.folder / file, folder / file)
    write_json(folder / EPISODE_FILE, each.info.to_json())


def _link(source: Path, target: Path) -> None:
    with suppress(OSError):  # another file system, or one that knows no links
        os.link(source.resolve(), target)
        return
    shutil.copyfile(source, target)
