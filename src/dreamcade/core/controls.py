"""A world's named buttons and axes, their bindings, and how they become an action vector."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from dreamcade.core.errors import BadInputError, UnknownNameError
from dreamcade.core.types import ActionVector

_GAMEPAD = re.compile(r"-?axis:\d+|button:\d+")


@dataclass(frozen=True, slots=True)
class Axis:
    """A continuous control between `low` and `high` (−1…1, or 0…1 for a pedal); at rest it is 0.

    Keys are `KeyboardEvent.code` names. `gamepad` names a standard-mapping input: `axis:0`, `-axis:1` (turned
    round: a stick's upward half is its negative one), `button:7`.
    `touch` says where the page draws it: `left`, `right`, or empty for none.
    """

    name: str
    low: float = -1.0
    high: float = 1.0
    negative_keys: tuple[str, ...] = ()
    positive_keys: tuple[str, ...] = ()
    gamepad: str = ""
    touch: str = ""
    label: str = ""


@dataclass(frozen=True, slots=True)
class Button:
    """An on/off control (0 or 1); bindings as in `Axis`."""

    name: str
    keys: tuple[str, ...] = ()
    gamepad: str = ""
    touch: str = ""
    label: str = ""


@dataclass(frozen=True, slots=True)
class Controls:
    """All controls of a world. An action vector is float32 `[A]`: every axis in order, then every button."""

    axes: tuple[Axis, ...] = ()
    buttons: tuple[Button, ...] = ()

    def __post_init__(self) -> None:
        for name in self.names:
            if not isinstance(name, str) or not name or self.names.count(name) > 1:
                raise BadInputError(f"every control needs a name of its own, a text; got {name!r}")
        for axis in self.axes:
            if not all(isinstance(end, int | float) for end in (axis.low, axis.high)) or axis.low >= axis.high:
                raise BadInputError(
                    f"axis {axis.name!r} must go from one number to a larger one; got {axis.low!r} to {axis.high!r}"
                )
        bindings = [(a.name, a.gamepad) for a in self.axes] + [(b.name, b.gamepad) for b in self.buttons]
        for name, gamepad in bindings:
            if gamepad and not _GAMEPAD.fullmatch(str(gamepad)):
                raise BadInputError(
                    f"the gamepad input of {name!r} must be axis:N, -axis:N or button:N; got {gamepad!r}"
                )

    @property
    def names(self) -> tuple[str, ...]:
        return (*(a.name for a in self.axes), *(b.name for b in self.buttons))

    @property
    def size(self) -> int:
        """A, the length of an action vector."""
        return len(self.axes) + len(self.buttons)

    def bounds(self) -> tuple[ActionVector, ActionVector]:
        """Lowest and highest action, each float32 `[A]`."""
        low = [a.low for a in self.axes] + [0.0] * len(self.buttons)
        high = [a.high for a in self.axes] + [1.0] * len(self.buttons)
        return np.array(low, np.float32), np.array(high, np.float32)

    def idle(self) -> ActionVector:
        """Nothing pressed: zeros, float32 `[A]`."""
        return np.zeros(self.size, np.float32)

    def encode(self, action: Mapping[str, float | bool]) -> ActionVector:
        """Named settings → float32 `[A]`; controls that are not named rest at 0.

        Raises `UnknownNameError` for a name that is no control, `BadInputError` for NaN or out of range.
        """
        vector = self.idle()
        for name, value in action.items():
            if name not in self.names:
                raise UnknownNameError("control", name, self.names)
            vector[self.names.index(name)] = self._number(name, value)
        return self.validate(vector)

    def decode(self, vector: ActionVector) -> dict[str, float]:
        """float32 `[A]` → named settings; the inverse of `encode`."""
        return {name: float(v) for name, v in zip(self.names, self.validate(vector), strict=True)}

    def validate(self, vector: Any) -> ActionVector:
        """Returns `vector` as float32 `[A]`, or raises `BadInputError` (shape, NaN, range)."""
        try:
            array = np.asarray(vector, dtype=np.float32)
        except (TypeError, ValueError) as error:
            raise BadInputError(
                f"an action must be {self.size} numbers ({', '.join(self.names)}); got {vector!r}"
            ) from error
        if array.shape != (self.size,):
            raise BadInputError(
                f"an action must have shape [{self.size}] ({', '.join(self.names)}); got {list(array.shape)}"
            )
        low, high = self.bounds()
        for name, value, lo, hi in zip(self.names, array, low, high, strict=True):
            if not math.isfinite(value):
                raise BadInputError(f"control {name!r} must be a finite number in [{lo:g}, {hi:g}]; got {value}")
            if value < lo - 1e-6 or value > hi + 1e-6:
                raise BadInputError(f"control {name!r} must be in [{lo:g}, {hi:g}]; got {value:g}")
        return np.clip(array, low, high)

    @staticmethod
    def _number(name: str, value: Any) -> float:
        try:
            return float(value)
        except (TypeError, ValueError) as error:
            raise BadInputError(f"control {name!r} must be a number; got {value!r}") from error

    def to_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Controls:
        """Inverse of `to_json`; raises `BadInputError` on unknown or missing keys."""
        try:
            axes = tuple(
                Axis(
                    **{
                        **a,
                        "negative_keys": _keys(a.get("negative_keys", [])),
                        "positive_keys": _keys(a.get("positive_keys", [])),
                    }
                )
                for a in data["axes"]
            )
            buttons = tuple(Button(**{**b, "keys": _keys(b.get("keys", []))}) for b in data["buttons"])
        except (KeyError, TypeError, AttributeError) as error:
            raise BadInputError(f"controls need 'axes' and 'buttons', each with known fields; {error}") from error
        return cls(axes=axes, buttons=buttons)


def _keys(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(key, str) for key in value):
        raise TypeError(f'keys must be a list such as ["ArrowLeft", "KeyA"], got {value!r}')
    return tuple(value)
