"""Keys for controls that nobody has given any: the usual one where a name tells it, else in turn."""

from __future__ import annotations

import re
from collections.abc import Sequence

from dreamcade.core.errors import BadInputError

Keys = tuple[str, ...]

FREE_KEYS = (
    ("ArrowLeft", "KeyA"), ("ArrowUp", "KeyW"), ("ArrowRight", "KeyD"), ("ArrowDown", "KeyS"), ("Space",), ("KeyE",),
    ("KeyQ",), ("KeyF",), ("KeyR",), ("Digit1",), ("Digit2",), ("Digit3",), ("Digit4",), ("Digit5",), ("Digit6",),
    ("Digit7",), ("Digit8",), ("Digit9",),
)  # fmt: skip
"""Of buttons."""
AXIS_KEYS = (
    (("ArrowLeft", "KeyA"), ("ArrowRight", "KeyD")), (("ArrowDown", "KeyS"), ("ArrowUp", "KeyW")),
    (("KeyQ",), ("KeyE",)), (("Digit1",), ("Digit2",)), (("Digit3",), ("Digit4",)), (("Digit5",), ("Digit6",)),
)  # fmt: skip
"""Of axes: down, up."""
_LEFT, _UP, _RIGHT, _DOWN = FREE_KEYS[:4]
_MAIN = (("Space",), ("KeyE",), ("KeyQ",), ("KeyF",))
USUAL_KEYS: dict[str, tuple[Keys, ...]] = {
    **dict.fromkeys(("left",), (_LEFT,)), **dict.fromkeys(("right",), (_RIGHT,)),
    **dict.fromkeys(("up", "forward", "gas", "throttle", "accelerate"), (_UP,)),
    **dict.fromkeys(("down", "back", "backward", "brake"), (_DOWN,)),
    **dict.fromkeys(("jump", "fire", "shoot", "attack"), _MAIN), "use": _MAIN[1:],
    "run": (("ShiftLeft",),), "sprint": (("ShiftLeft",),), "reload": (("KeyR",),),
}  # fmt: skip
"""Of controls whose name has such a word: the first that is free."""


class FreshKeys:
    """Hands out keys, none of them twice. Raises `BadInputError` when there are no more."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def by_name(self, names: Sequence[str]) -> dict[str, Keys]:
        """The usual keys of those `names` that have any; a name that is such a word goes before one that holds it."""
        found: dict[str, Keys] = {}
        for name in sorted(names, key=lambda name: name.lower() not in USUAL_KEYS):
            words = [word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+", name)]
            choices = [keys for word in words for keys in USUAL_KEYS.get(word, ()) if self._free(keys)]
            if choices:
                found[name] = self._take(choices[0])
        return found

    def single(self) -> Keys:
        """For a control that goes one way; arrows last."""
        for keys in (*FREE_KEYS[4:], *FREE_KEYS[:4]):
            if self._free(keys):
                return self._take(keys)
        raise self._none_left()

    def pair(self) -> tuple[Keys, Keys]:
        """Down and up, for a control that goes both ways."""
        for down, up in AXIS_KEYS:
            if self._free(down) and self._free(up):
                return self._take(down), self._take(up)
        raise self._none_left()

    def _free(self, keys: Keys) -> bool:
        return not self._taken & {*keys}

    def _take(self, keys: Keys) -> Keys:
        self._taken |= {*keys}
        return keys

    def _none_left(self) -> BadInputError:
        return BadInputError("there are too many controls for keys of their own; name them in a file (--controls)")
