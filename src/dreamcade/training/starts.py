"""Chooses where a world's sessions may begin: held-out moments that differ from each other."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dreamcade.codec import Codec
from dreamcade.core.errors import BadInputError
from dreamcade.dataset.format import EpisodeInfo
from dreamcade.dataset.reader import Dataset
from dreamcade.world.starts import Start, make_start

CONTEXT = 12
"""Frames in a start's context."""


def choose_starts(dataset: Dataset, codec: Codec, count: int = 8) -> list[Start]:
    """`count` starts from held-out episodes, each the moment that is farthest from those chosen before it."""
    moments = [(e, t) for e in dataset.episodes("heldout") for t in range(CONTEXT, e.length, max(1, e.length // 12))]
    looks = np.stack([_look(dataset.frames(e, t, t + 1)[0]) for e, t in moments])
    chosen = [int(np.argmin(np.linalg.norm(looks - looks.mean(0), axis=1)))]
    while len(chosen) < min(count, len(moments)):
        distances = np.linalg.norm(looks[:, None] - looks[chosen][None], axis=2).min(1)
        chosen.append(int(distances.argmax()))
    return [
        _start(dataset, codec, moments[index], f"start-{i + 1}", f"Start {i + 1}") for i, index in enumerate(chosen)
    ]


def named_starts(dataset: Dataset, codec: Codec, file: Path) -> list[Start]:
    """Starts listed in a JSON file: `[{"episode": name, "tick": t, "name": …, "title": …}, …]`."""
    try:
        entries = json.loads(file.read_text())
        wanted = [(str(e["episode"]), int(e["tick"]), str(e["name"]), str(e["title"])) for e in entries]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInputError(
            f"{file} must be a list of episode, tick, name, title; {type(error).__name__}: {error}"
        ) from error
    episodes = {e.name: e for e in dataset.episodes("all")}
    starts = []
    for episode, tick, name, title in wanted:
        if episode not in episodes or not CONTEXT <= tick < episodes[episode].length:
            raise BadInputError(f"{file}: {episode!r} at tick {tick} is not in {dataset.path} (from tick {CONTEXT} on)")
        starts.append(_start(dataset, codec, (episodes[episode], tick), name, title))
    return starts


def _start(dataset: Dataset, codec: Codec, moment: tuple[EpisodeInfo, int], name: str, title: str) -> Start:
    episode, tick = moment
    window = (tick - CONTEXT + 1, tick + 1)
    return make_start(name, title, codec, dataset.frames(episode, *window), dataset.actions(episode, *window))


def _look(frame: NDArray[np.uint8]) -> NDArray[np.float64]:
    """A frame as a coarse mosaic, to compare moments by."""
    height, width = frame.shape[0] // 12 * 12, frame.shape[1] // 18 * 18
    mosaic = frame[:height, :width].reshape(12, height // 12, 18, width // 18, 3)
    return np.asarray(mosaic.mean((1, 3)).ravel(), np.float64)
