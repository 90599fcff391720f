"""Controls for games that only know numbered actions or a vector: derived from the action space, or from a file.

The file is JSON; every part is optional:

    {"tick_rate": 30,
     "buttons": [{"name": "left", "keys": ["ArrowLeft"], "gamepad": "button:14", "touch": "left", "label": "Left"}],
     "actions": {"1": ["left"], "3": ["right"], "5": ["left", "fire"]},
     "axes": [{"name": "steer", "negative_keys": ["ArrowLeft"], "positive_keys": ["ArrowRight"]}]}

`actions` says which buttons together stand for which numbered action; no button at all stands for action 0, or for the
action given as `"N": []`. Without `actions`, each button in turn stands for the next action that is not this rest;
without `buttons`, there is one for each. `axes` name the entries of a continuous action in their order; −1…1 spans from
its lowest to its highest value.
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
from dreamcade.games.base import Choices

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
    @property
    def choices(self) -> Choices | None: ...
    def __call__(self, action: ActionVector) -> Any: ...


@dataclass(frozen=True)
class Numbered:
    """Buttons, and the numbered action that each combination of them stands for."""

    controls: Controls
    actions: Mapping[frozenset[str], int]
    """Always holds the empty combination."""

    @property
    def choices(self) -> Choices | None:
        """The buttons of each action, alike often; None where there are no buttons."""
        pressed = [self.controls.encode(dict.fromkeys(together, True)) for together in self.actions if together]
        return Choices(np.stack(pressed), np.full(len(pressed), 1 / len(pressed))) if pressed else None

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

    @property
    def choices(self) -> None:
        """An axis has too many settings to list."""
        return None

    def __call__(self, action: ActionVector) -> NDArray[np.float32]:
        up, down = np.clip(action, 0, 1), np.clip(-action, 0, 1)
        vector: NDArray[np.float32] = self.rest + up * (self.high - self.rest) - down * (self.rest - self.low)
        return vector.astype(np.float32)


def read_control_file(path: Path) -> dict[str, Any]:
    """The file described above. Raises `BadInputError` naming it."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInputError(f"{path} must be a JSON file that names controls; {error}") from error
    if not isinstance(data, dict):
        raise BadInputError(f"{path} must be a JSON object with parts such as buttons and actions; got {data!r}")
    for part, kind in (("buttons", list), ("axes", list), ("actions", dict)):
        if part in data and not isinstance(data[part], kind):
            shown = {list: "a list of objects", dict: 'an object such as {"1": ["left"]}'}[kind]
            raise BadInputError(f"{part} in {path} must be {shown}; got {data[part]!r}")
    if unknown := {*data} - {"tick_rate", "buttons", "actions", "axes"}:
        raise BadInputError(
            f"{path} may have tick_rate, buttons, actions and axes; got also {', '.join(sorted(unknown))}"
        )
    return data


def numbered(count: int, names: list[str] | None, file: Mapping[str, Any]) -> Numbered:
    """The map for `count` numbered actions: from the file, from Atari's kind of names, or a button for each.

    Raises `BadInputError` where the file does not fit, or there are too many actions to have a key each.
    """
    if file.get("axes"):
        raise BadInputError("the file of controls names axes; this game has numbered actions: name buttons instead")
    given = _given_actions(count, file)
    rest = next((number for number, together in given.items() if not together), 0)
    pressed = {together: number for number, together in given.items() if together}
    if "buttons" in file:
        return _from_file(count, rest, pressed, file["buttons"])
    if pressed:
        raise BadInputError("the file of controls has actions but no buttons; name the buttons that stand for them")
    if names and all(_words(name) is not None for name in names):
        buttons = tuple(b for word, b in WAYS.items() if any(word in (_words(n) or ()) for n in names))
        actions = {frozenset(WAYS[w].name for w in _words(n) or ()): i for i, n in enumerate(names)}
        told = {frozenset[str](): rest} if given else {}
        return Numbered(Controls(buttons=buttons), {frozenset(): 0, **actions, **told})
    # Of two actions neither may be a rest, unless the file says so: then both have a button.
    return _button_each([n for n in range(count) if n != rest or (count == 2 and not given)], rest)


def continuous(low: NDArray[np.float32], high: NDArray[np.float32], file: Mapping[str, Any]) -> Continuous:
    """The map for a continuous action between `low` and `high`, each float32 `[A]`.

    Raises `BadInputError` where an end is infinite, or the file names another number of axes.
    """
    if wrong := [part for part in ("buttons", "actions") if file.get(part)]:
        raise BadInputError(
            f"the file of controls names {' and '.join(wrong)}; this game's actions are continuous: name axes instead"
        )
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
        if not isinstance(entry, dict):
            raise BadInputError(
                f'an axis in the file of controls must be an object such as {{"name": "steer"}}; got {entry!r}'
            )
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


def _button_each(pressed: list[int], rest: int) -> Numbered:
    if len(pressed) > MOST_CONTROLS:
        raise BadInputError(
            f"this game has {len(pressed) + 1} actions, too many for a key each; name controls in a file (--controls)"
        )
    # Two keys are left and right, not left and up.
    keys = (FREE_KEYS[0], FREE_KEYS[2]) if len(pressed) == 2 else FREE_KEYS
    buttons = tuple(Button(f"action_{n}", key, "", "right", f"{n}") for n, key in zip(pressed, keys, strict=False))
    actions = {frozenset({b.name}): n for n, b in zip(pressed, buttons, strict=True)}
    return Numbered(Controls(buttons=buttons), {frozenset(): rest, **actions})


def _given_actions(count: int, file: Mapping[str, Any]) -> dict[int, frozenset[str]]:
    """Which buttons the file gives to which numbered action; no two actions the same ones."""
    given: dict[int, frozenset[str]] = {}
    for number, together in file.get("actions", {}).items():
        if not number.isdecimal() or int(number) >= count:
            raise BadInputError(f"the file of controls maps action {number}; this game has actions 0 to {count - 1}")
        if not isinstance(together, list) or not all(isinstance(name, str) for name in together):
            raise BadInputError(
                f'the file of controls must give action {number} a list of buttons, such as ["left"]; got {together!r}'
            )
        if (same := frozenset(together)) in given.values():
            shown = " and ".join(sorted(same)) or "no button"
            raise BadInputError(f"the file of controls gives two actions to {shown}; leave one of them out")
        given[int(number)] = same
    return given


def _from_file(count: int, rest: int, pressed: Mapping[frozenset[str], int], entries: list[Any]) -> Numbered:
    controls = Controls.from_json({"axes": [], "buttons": entries})
    if not pressed:
        free = [number for number in range(count) if number != rest]
        if len(controls.names) > len(free):
            raise BadInputError(
                f"the file of controls names {len(controls.names)} buttons; this game has {len(free)} actions besides "
                "the rest: say under actions which buttons stand for which"
            )
        pressed = {frozenset({name}): number for name, number in zip(controls.names, free, strict=False)}
    for together, number in pressed.items():
        if unknown := together - {*controls.names}:
            names = ", ".join(sorted(unknown))
            raise BadInputError(f"the file of controls gives action {number} to buttons it does not name: {names}")
    if dead := [name for name in controls.names if not any(name in together for together in pressed)]:
        raise BadInputError(f"the file of controls gives no action to {', '.join(dead)}; add it to actions, or drop it")
    return Numbered(controls, {frozenset(): rest, **pressed})
