"""Controls for games that only know numbered actions or a vector: derived from the action space, or from a file.

The file is JSON; every part is optional:

    {"tick_rate": 30,
     "buttons": [{"name": "left", "keys": ["ArrowLeft"], "gamepad": "button:14", "touch": "left", "label": "Left"}],
     "actions": {"1": ["left"], "3": ["right"], "5": ["left", "fire"]},
     "axes": [{"name": "steer", "negative_keys": ["ArrowLeft"], "positive_keys": ["ArrowRight"]}]}

`actions` says which buttons together stand for which numbered action; no button at all stands for action 0. `axes` name
the entries of a continuous action in their order; −1…1 spans from its lowest to its highest value.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from dreamcade.core.bindings import AXIS_KEYS, FREE_KEYS
from dreamcade.core.controls import Button, Controls
from dreamcade.core.errors import BadInputError
from dreamcade.core.types import ActionVector

WAYS = {
    "UP": Button("up", ("ArrowUp", "KeyW"), "button:12", "left", "Up"),
    "DOWN": Button("down", ("ArrowDown", "KeyS"), "button:13", "left", "Down"),
    "LEFT": Button("left", ("ArrowLeft", "KeyA"), "button:14", "left", "Left"),
    "RIGHT": Button("right", ("ArrowRight", "KeyD"), "button:15", "left", "Right"),
    "FIRE": Button("fire", ("Space",), "button:0", "right", "Fire"),
}
"""The words that Atari's action names are made of."""
MOST_CONTROLS = len(FREE_KEYS)


class ActionMap(Protocol):
    """Turns settings of the controls into what a game's `step` takes."""

    @property
    def controls(self) -> Controls: ...
    def __call__(self, action: ActionVector) -> Any: ...


@dataclass(frozen=True)
class Numbered:
    """Buttons, and the numbered action that each combination of them stands for."""

    controls: Controls
    actions: Mapping[frozenset[str], int]
    """Always holds the empty combination."""

    def __call__(self, action: ActionVector) -> int:
        """The action of all buttons that are down, or of as many of them as there is an action for (those listed first
        count first)."""
        down = [n for n, value in zip(self.controls.names, action, strict=True) if value >= 0.5]
        for count in range(len(down), 0, -1):
            for some in combinations(down, count):
                if (chosen := self.actions.get(frozenset(some))) is not None:
                    return chosen
        return self.actions[frozenset()]


@dataclass(frozen=True)
class Continuous:
    """One axis per entry of a continuous action; rest is the entry's own zero where it has one, else its middle."""

    controls: Controls
    low: NDArray[np.float32]
    high: NDArray[np.float32]
    rest: NDArray[np.float32]

    def __call__(self, action: ActionVector) -> NDArray[np.float32]:
        up, down = np.clip(action, 0, 1), np.clip(-action, 0, 1)
        vector: NDArray[np.float32] = self.rest + up * (self.high - self.rest) - down * (self.rest - self.low)
        return vector.astype(np.float32)


def read_control_file(path: Path) -> dict[str, Any]:
    """The file described above. Raises `BadInputError` naming it."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        unknown = {*data} - {"tick_rate", "buttons", "actions", "axes"}
    except (OSError, ValueError, TypeError) as error:
        raise BadInputError(f"{path} must be a JSON file that names controls; {error}") from error
    if unknown:
        raise BadInputError(
            f"{path} may have tick_rate, buttons, actions and axes; got also {', '.join(sorted(unknown))}"
        )
    return dict(data)


def numbered(count: int, names: list[str] | None, file: Mapping[str, Any]) -> Numbered:
    """The map for `count` numbered actions: from the file, from Atari's kind of names, or a button for each.

    Raises `BadInputError` where the file does not fit, or there are too many actions to have a key each.
    """
    if "buttons" in file or "actions" in file:
        return _from_file(count, file)
    if names and all(_words(name) is not None for name in names):
        buttons = tuple(b for word, b in WAYS.items() if any(word in (_words(n) or ()) for n in names))
        actions = {frozenset(WAYS[w].name for w in _words(n) or ()): i for i, n in enumerate(names)}
        return Numbered(Controls(buttons=buttons), {frozenset(): 0, **actions})
    if count - 1 > MOST_CONTROLS:
        raise BadInputError(
            f"this game has {count} actions, too many for a key each; name controls in a file (--controls)"
        )
    buttons = tuple(Button(f"action_{i}", FREE_KEYS[i - 1], "", "right", f"{i}") for i in range(1, count))
    return Numbered(
        Controls(buttons=buttons), {frozenset(): 0, **{frozenset({b.name}): i + 1 for i, b in enumerate(buttons)}}
    )


def continuous(low: NDArray[np.float32], high: NDArray[np.float32], file: Mapping[str, Any]) -> Continuous:
    """The map for a continuous action between `low` and `high`, each float32 `[A]`.

    Raises `BadInputError` where an end is infinite, or the file names another number of axes.
    """
    if not (np.isfinite(low).all() and np.isfinite(high).all()):
        raise BadInputError("this game's actions have no ends, so no key can mean one; wrap it so that they have")
    if len(low) > len(AXIS_KEYS) and "axes" not in file:
        raise BadInputError(
            f"this game has {len(low)} axes, too many for keys of their own; name them in a file (--controls)"
        )
    given = file.get("axes", [{} for _ in low])
    if len(given) != len(low):
        raise BadInputError(f"the file of controls names {len(given)} axes; this game has {len(low)}")
    rest = np.where((low <= 0) & (high >= 0), 0, (low + high) / 2).astype(np.float32)
    axes = []
    for i, (entry, least, middle) in enumerate(zip(given, low, rest, strict=True)):
        down, up = AXIS_KEYS[i % len(AXIS_KEYS)]
        defaults = {
            "name": f"axis_{i}",
            "negative_keys": down,
            "positive_keys": up,
            "touch": "left",
            "label": f"Axis {i}",
        }
        axes.append({**defaults, "low": -1.0 if least < middle else 0.0, **entry})
    return Continuous(Controls.from_json({"axes": axes, "buttons": []}), low, high, rest)


def _words(name: str) -> tuple[str, ...] | None:
    """`UPRIGHTFIRE` → (UP, RIGHT, FIRE); None for a name that is made of other words."""
    if name == "NOOP":
        return ()
    found, rest = [], name
    while rest:
        word = next((w for w in WAYS if rest.startswith(w)), None)
        if word is None:
            return None
        found.append(word)
        rest = rest[len(word) :]
    return tuple(found)


def _from_file(count: int, file: Mapping[str, Any]) -> Numbered:
    controls = Controls.from_json({"axes": [], "buttons": file.get("buttons", [])})
    actions: dict[frozenset[str], int] = {frozenset(): 0}
    for number, together in dict(file.get("actions", {})).items():
        if not str(number).isdigit() or int(number) >= count:
            raise BadInputError(f"the file of controls maps action {number}; this game has actions 0 to {count - 1}")
        unknown = {*together} - {*controls.names}
        if unknown:
            names = ", ".join(sorted(unknown))
            raise BadInputError(f"the file of controls gives action {number} to buttons it does not name: {names}")
        actions[frozenset(together)] = int(number)
    return Numbered(controls, actions)
