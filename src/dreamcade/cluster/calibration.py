"""What was measured (or fitted) of devices and worlds, in the place of assumptions. Knows no PyTorch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from dreamcade.cluster.figures import expect_figure, expect_text
from dreamcade.core.config import JsonConfig
from dreamcade.core.errors import BadInputError

FORMAT_VERSION = 1
PAPER, FITTED, MEASURED, ASSUMED, COUNTED = "the paper", "fitted", "measured", "assumed", "counted"
DATA_SHEET = "data sheet"
"""Where an input comes from."""
DIVISORS = ("dit_utilisation", "dit_bandwidth", "decoder_utilisation", "decoder_bandwidth", "link")
"""Of a kind's figures those that something is divided by, so that they must not be 0."""


@dataclass(frozen=True, slots=True)
class Input(JsonConfig):
    """What a prediction rests on, for people: its name, its value with the unit, where it comes from, and how."""

    name: str
    value: str
    origin: str
    how: str = ""


@dataclass(frozen=True, slots=True)
class KindCalibration(JsonConfig):
    """What one kind of device reaches; None: not known, so that an assumption stands in.

    Shares of the data sheet's figures: `dit_utilisation` and `decoder_utilisation` of its FLOP/s, `dit_bandwidth` and
    `decoder_bandwidth` of its bandwidth. `launch`, `link_latency` in seconds, `link` in bytes/s.

    Or, for one workload, milliseconds on one device: `dit_ms` and `decoder_ms` for as many players at once as `batches`
    says, in its order. Of `dit_ms`, `dit_fixed_ms` does not shrink with more devices; None: as much as is done by every
    device by count. `exchange_ms` of a frame; None: by count. `steps` of the frames that were timed; 0: not known.
    """

    dit_utilisation: float | None = None
    dit_bandwidth: float | None = None
    decoder_utilisation: float | None = None
    decoder_bandwidth: float | None = None
    launch: float | None = None
    link: float | None = None
    link_latency: float | None = None
    batches: tuple[int, ...] = ()
    dit_ms: tuple[float, ...] = ()
    decoder_ms: tuple[float, ...] = ()
    encode_ms: float | None = None
    dit_fixed_ms: float | None = None
    exchange_ms: float | None = None
    steps: int = 0

    def __post_init__(self) -> None:
        for name in (
            "dit_utilisation", "dit_bandwidth", "decoder_utilisation", "decoder_bandwidth", "launch", "link",
            "link_latency", "encode_ms", "dit_fixed_ms", "exchange_ms", "steps",
        ):  # fmt: skip
            if getattr(self, name) is not None:
                expect_figure(f"{name} of a calibration", getattr(self, name), zero=name not in DIVISORS)
        for name in ("batches", "dit_ms", "decoder_ms"):
            for value in getattr(self, name):
                expect_figure(f"each of {name} of a calibration", value, zero=False, whole=name == "batches")
        for times in (self.dit_ms, self.decoder_ms):
            if times and len(times) != len(self.batches):
                raise BadInputError(
                    f"a calibration needs one time for each of the batches {list(self.batches)}; got {list(times)}"
                )
        if list(self.batches) != sorted(set(self.batches)) or (self.batches and self.batches[0] != 1):
            raise BadInputError(f"the batches of a calibration must rise from 1; got {list(self.batches)}")


@dataclass(frozen=True, slots=True)
class Calibration:
    """By kind of device. Times in `kinds` hold for the workload of this name only; shares for any.

    `skip`: share of frames whose passes were left out; None: not known. `inputs`: what it holds, for people.
    """

    workload: str = ""
    source: str = ""
    kinds: Mapping[str, KindCalibration] = field(default_factory=dict)
    skip: float | None = None
    inputs: tuple[Input, ...] = ()

    def __post_init__(self) -> None:
        for name in ("workload", "source"):
            expect_text(f"{name} of a calibration", getattr(self, name))
        if self.skip is not None:
            expect_figure("skip of a calibration", self.skip)
            if self.skip >= 1:
                raise BadInputError(f"skip of a calibration is a share of frames, less than 1; got {self.skip:g}")

    def of(self, kind: str) -> KindCalibration:
        """What is known of a kind; nothing, where it was not calibrated."""
        return self.kinds.get(kind, KindCalibration())

    def to_json(self) -> dict[str, Any]:
        return {
            "format_version": FORMAT_VERSION, "workload": self.workload, "source": self.source, "skip": self.skip,
            "kinds": {name: kind.to_json() for name, kind in self.kinds.items()},
            "inputs": [one.to_json() for one in self.inputs],
        }  # fmt: skip

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Calibration:
        """Inverse of `to_json`; keys that begin with `figures` are its maker's own. Raises `BadInputError`."""
        known = {f.name for f in fields(cls)}
        unknown = sorted(name for name in set(data) - known - {"format_version"} if not name.startswith("figures"))
        if unknown:
            raise BadInputError(f"a calibration does not know {', '.join(unknown)}; it has {', '.join(sorted(known))}")
        values = {name: value for name, value in data.items() if name in known}
        kinds = {name: KindCalibration.from_json(kind) for name, kind in values.pop("kinds", {}).items()}
        inputs = tuple(Input.from_json(one) for one in values.pop("inputs", ()))
        return cls(kinds=kinds, inputs=inputs, **values)


def read_calibration(file: Path) -> Calibration:
    """Of a file that `dreamcade bench calibrate` wrote. Raises `BadInputError` that names it."""
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInputError(f"cannot read {file}: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise BadInputError(f"{file} is no valid JSON ({error})") from error
    if not isinstance(data, dict) or not isinstance(data.get("format_version"), int) or "plans" in data:
        raise BadInputError(f"{file} is no calibration; write one with: dreamcade bench calibrate WORLD --json FILE")
    if data["format_version"] > FORMAT_VERSION:
        raise BadInputError(
            f"{file} has format version {data['format_version']}; this build reads {FORMAT_VERSION}: upgrade it"
        )
    try:
        return Calibration.from_json(data)
    except (BadInputError, TypeError, AttributeError, ValueError) as error:
        raise BadInputError(f"{file} is a damaged calibration ({error}); measure it again") from error
