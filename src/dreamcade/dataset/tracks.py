"""What was pressed during a video: read from its file of actions, and the controls that such files need.

Rows have `time` (seconds from the video's first frame) and one value per control; each holds until the next row's time,
the last to the end. JSON is a list of objects.
"""

from __future__ import annotations

import csv
import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from dreamcade.core.bindings import FreshKeys
from dreamcade.core.controls import Axis, Button, Controls
from dreamcade.core.errors import BadInputError, DatasetError
from dreamcade.core.types import ActionVector

TIME = "time"


@dataclass(frozen=True, slots=True)
class Track:
    """What was pressed during one video: `times` `[N]` in seconds, rising, and the value of each control `[N]`. `file`
    is the name of the file that says so."""

    file: str
    times: NDArray[np.float64]
    values: Mapping[str, NDArray[np.float64]]

    def at(self, time: float, controls: Controls) -> ActionVector:
        """What was in force at `time`, float32 `[A]`."""
        row = max(0, int(np.searchsorted(self.times, time, "right")) - 1)
        return controls.validate([self.values[name][row] for name in controls.names])


def read_track(path: Path) -> Track:
    """The actions in a file. Raises `DatasetError` that names the file, and the time or the row that is wrong."""
    try:
        columns = {".csv": _from_csv, ".json": _from_json, ".parquet": _from_parquet}[path.suffix.lower()](path)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, pa.ArrowException) as error:
        raise DatasetError(f"{path.name}: cannot be read as actions ({type(error).__name__}: {error})") from error
    if TIME not in columns or len(columns) < 2 or not len(columns[TIME]):
        raise DatasetError(
            f"{path.name}: needs a column {TIME!r} (seconds) and one per control; got {', '.join(columns) or 'none'}"
        )
    times = columns.pop(TIME)
    for name, values in {TIME: times, **columns}.items():
        bad = np.flatnonzero(~np.isfinite(values))
        if len(bad):
            raise DatasetError(f"{path.name}: {name!r} is no number in row {bad[0] + 1}")
    backwards = np.flatnonzero(np.diff(times) <= 0)
    if len(backwards):
        row = int(backwards[0])
        raise DatasetError(f"{path.name}: times must rise; {times[row + 1]:.3f} s follows {times[row]:.3f} s")
    return Track(path.name, times, columns)


def _from_csv(path: Path) -> dict[str, NDArray[np.float64]]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file, skipinitialspace=True))
    return _table(rows)


def _from_json(path: Path) -> dict[str, NDArray[np.float64]]:
    return _table(json.loads(path.read_text(encoding="utf-8")))


def _table(rows: Sequence[Mapping[str, Any]]) -> dict[str, NDArray[np.float64]]:
    names = list(rows[0]) if rows else []
    return {name.strip(): np.array([_number(row.get(name)) for row in rows]) for name in names}


def _number(value: Any) -> float:
    """A number or a truth value; NaN for anything else, which is reported with its row."""
    try:
        return {"true": 1.0, "false": 0.0}.get(str(value).strip().lower()) or float(value)
    except (TypeError, ValueError):
        return 0.0 if str(value).strip().lower() == "false" else math.nan


def _from_parquet(path: Path) -> dict[str, NDArray[np.float64]]:
    table = pq.read_table(path)
    return {name: table.column(name).to_numpy().astype(np.float64) for name in table.column_names}


def derive_controls(tracks: Sequence[Track]) -> Controls:
    """A button for every column that is only ever 0 or 1, an axis for any other; no key twice, and the usual one where
    the name tells it. Where files have different columns, those that most of them have count.

    Raises `BadInputError` for a column that leaves −1…1 (nobody has said what it means), and for more columns than
    there are keys.
    """
    usual = Counter(frozenset(track.values) for track in tracks).most_common(1)[0][0]
    tracks = [track for track in tracks if usual == set(track.values)]
    names = list(tracks[0].values)
    columns = {name: np.concatenate([track.values[name] for track in tracks]) for name in names}
    for name, values in columns.items():
        if np.abs(values).max() > 1:
            raise BadInputError(f"the actions {name!r} reach {np.abs(values).max():g}; scale them to −1…1 (or 0…1)")
    both_ways = [name for name, values in columns.items() if values.min() < 0]
    on_off = [name for name, values in columns.items() if np.isin(values, (0.0, 1.0)).all()]
    fresh = FreshKeys()
    keys = fresh.by_name([name for name in names if name not in both_ways])
    pairs = {name: fresh.pair() for name in both_ways}
    keys |= {name: fresh.single() for name in names if name not in both_ways and name not in keys}
    axes = [
        Axis(name, -1.0, 1.0, *pairs[name], "", "left", name) if name in pairs
        else Axis(name, 0.0, 1.0, (), keys[name], "", "left", name)
        for name in names
        if name not in on_off
    ]  # fmt: skip
    buttons = [Button(name, keys[name], "", _side(keys[name]), name) for name in on_off]
    return Controls(tuple(axes), tuple(buttons))


def _side(keys: tuple[str, ...]) -> str:
    """Where a touch screen shows a button: ways to go on the left, all else on the right."""
    return "left" if keys[0].startswith("Arrow") else "right"


def misfit(track: Track, controls: Controls) -> str | None:
    """What keeps a file of actions from fitting `controls`, by file and time; None where it fits."""
    have, want = set(track.values), set(controls.names)
    if have != want:
        missing, extra = ", ".join(sorted(want - have)), ", ".join(sorted(have - want))
        parts = [f"lacks {missing}" if missing else "", f"has {extra} that no control is called" if extra else ""]
        return f"{track.file}: {' and '.join(p for p in parts if p)}"
    low, high = controls.bounds()
    for name, least, most in zip(controls.names, low, high, strict=True):
        values = track.values[name]
        outside = np.flatnonzero((values < least - 1e-6) | (values > most + 1e-6))
        if len(outside):
            row = int(outside[0])
            where = f"{track.file}: {name!r} is {values[row]:g} at {track.times[row]:.2f} s"
            return f"{where}; it must be {least:g} to {most:g}"
    return None
