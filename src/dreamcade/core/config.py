"""Frozen dataclass configs that are saved as JSON beside the weights; unknown keys raise."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Self

from dreamcade.core.errors import BadInputError


class JsonConfig:
    """Mixin of a frozen dataclass whose fields are numbers, strings, booleans or tuples of them."""

    __slots__ = ()

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON values; tuples become lists."""
        fields = dataclasses.fields(self)  # type: ignore[arg-type]
        values = {f.name: getattr(self, f.name) for f in fields}
        return {name: list(v) if isinstance(v, tuple) else v for name, v in values.items()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Inverse of `to_json`. Raises `BadInputError` that names an unknown key."""
        known = {f.name for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
        unknown = sorted(set(data) - known)
        if unknown:
            raise BadInputError(f"{cls.__name__} does not know {', '.join(unknown)}; it has {', '.join(sorted(known))}")
        return cls(**{name: tuple(v) if isinstance(v, list) else v for name, v in data.items()})
