"""A plan: a layout of a world over devices, and what it is expected to bring. Knows no PyTorch."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dreamcade.cluster.figures import expect_figure, expect_text
from dreamcade.cluster.layout import Layout
from dreamcade.core.errors import BadInputError

FORMAT_VERSION = 1


@dataclass(frozen=True, slots=True)
class Plan:
    """Predictions are for `players` of a plan's question, evenly over the replicas.

    `fps` frames a second of each player, as fast as it goes; a world's clock gives it no more than its tick rate.
    `latency_ms` from an input that has been read to its pixels: a full pass, hand-over, drawing, without any wait for a
    tick, the network and the browser. Memory in bytes of the fullest device of each stage. `bottleneck`: what holds the
    plan back, in words. `carries`: how many players get the tick rate (and the latency objective) from it; where a
    world has no tick rate, those that were asked for (at most 4096 a pipeline are looked for).
    `meets`: whether these are enough.
    """

    layout: Layout
    fps: float
    fps_without_extrapolation: float
    latency_ms: float
    bottleneck: str
    dit_ms: float
    """A frame's passes for one replica's players, without extrapolation; of it, `exchange_ms` between devices."""
    exchange_ms: float
    decoder_ms: float
    """Drawing of one replica's frames of one tick, from the first's arrival to the last's end."""
    hand_over_ms: float
    dit_memory: float
    decoder_memory: float
    players: int
    carries: int
    meets: bool = True
    dit_kinds: Mapping[str, int] = field(default_factory=dict)
    """Devices of each kind in one pipeline's dynamics; `decoder_kinds`: in its decoder."""
    decoder_kinds: Mapping[str, int] = field(default_factory=dict)
    dit_fps: float = 0.0
    """Frames a second that the dynamics would reach if nothing else held it back; `decoder_fps`: the decoder."""
    decoder_fps: float = 0.0

    @property
    def devices(self) -> int:
        """Of all replicas."""
        return self.layout.devices

    def to_json(self) -> dict[str, Any]:
        """Flat: the layout's fields beside the predictions."""
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name != "layout"}
        kinds = {name: dict(values.pop(name)) for name in ("dit_kinds", "decoder_kinds")}
        return {**self.layout.to_json(), "devices": self.devices, **values, **kinds}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Plan:
        """Inverse of `to_json`. Raises `BadInputError` for keys that are missing or unknown, or a bad layout."""
        places = {f.name for f in dataclasses.fields(Layout)}
        fields = {f.name for f in dataclasses.fields(cls)} - {"layout"}
        missing = sorted((places | fields) - set(data))
        unknown = sorted(set(data) - places - fields - {"devices"})
        if missing or unknown:
            parts = [f"{what} {', '.join(keys)}" for what, keys in (("missing", missing), ("unknown", unknown)) if keys]
            raise BadInputError(f"wrong keys of a plan: {'; '.join(parts)}")
        _expect_values(data)
        layout = Layout.from_json({name: data[name] for name in places})
        if data.get("devices", layout.devices) != layout.devices:
            raise BadInputError(f"a plan of {layout.devices} devices cannot have {data['devices']!r} in all")
        return cls(layout=layout, **{name: data[name] for name in fields})


_COUNTS = ("dit_devices", "decoder_devices", "replicas", "players", "carries")
_WORDS = ("decoding", "bottleneck")
_SWITCHES = ("shared", "meets")
_KINDS = ("dit_kinds", "decoder_kinds")


def _expect_values(data: Mapping[str, Any]) -> None:
    """Raises `BadInputError` for a value that is of another type than a plan's."""
    for name in _WORDS:
        expect_text(f"{name} of a plan", data[name])
    for name in _SWITCHES:
        if not isinstance(data[name], bool):
            raise BadInputError(f"{name} of a plan must be true or false; got {data[name]!r}")
    for name in _KINDS:
        if not isinstance(data[name], dict):
            raise BadInputError(f"{name} of a plan must be devices by kind; got {data[name]!r}")
        for kind, count in data[name].items():
            expect_figure(f"{kind} in {name} of a plan", count, whole=True)
    for name in sorted(set(data) - {"devices", *_WORDS, *_SWITCHES, *_KINDS}):
        expect_figure(f"{name} of a plan", data[name], whole=name in _COUNTS)


def read_plan(file: str | Path) -> Plan:
    """The best plan of a file that `dreamcade plan --json FILE` wrote.

    Raises `BadInputError` that names the file: none, no JSON, no plans in it, a newer format, a damaged plan.
    """
    file = Path(file)
    how = "write one with: dreamcade plan WORLD --devices KIND:N --json FILE"
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInputError(f"cannot read the plan {file}: {error.strerror or error}; {how}") from error
    except (ValueError, RecursionError) as error:
        raise BadInputError(f"{file} is no plan: no valid JSON ({error}); {how}") from error
    plans = data.get("plans") if isinstance(data, dict) else None
    version = data.get("format_version") if isinstance(data, dict) else None
    if isinstance(version, int | float) and version > FORMAT_VERSION:
        raise BadInputError(
            f"{file} is a plan of format version {version}, and this build reads {FORMAT_VERSION}; "
            "upgrade with: pip install --upgrade dreamcade"
        )
    if version != FORMAT_VERSION or not isinstance(plans, list) or not plans or not isinstance(plans[0], dict):
        raise BadInputError(f"{file} holds no plans; {how}")
    try:
        return Plan.from_json(plans[0])
    except BadInputError as error:
        raise BadInputError(f"{file}: {error}; {how}") from error
