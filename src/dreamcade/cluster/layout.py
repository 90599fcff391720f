"""How a world is spread over devices: the part of a plan that is carried out."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from dreamcade.core.config import JsonConfig
from dreamcade.core.errors import BadInputError


class Decoding(StrEnum):
    """What several decoder devices share."""

    ROUND_ROBIN = "round-robin"
    """Each draws whole frames, in turn: more frames a second, no sooner."""
    SPATIAL = "spatial"
    """Each draws a strip of every frame: sooner, at the price of their borders."""


@dataclass(frozen=True, slots=True)
class Layout(JsonConfig):
    """`dit_devices` make latents, each with a share of the attention's heads; `decoder_devices` draw them. `shared`:
    one device does both, on two streams, and both numbers are 1. Each of `replicas` is such a pipeline, for players of
    its own.

    Raises `BadInputError` for numbers below 1, another decoding, or more than one device that is shared.
    """

    dit_devices: int = 1
    decoder_devices: int = 1
    decoding: str = Decoding.ROUND_ROBIN.value
    shared: bool = False
    replicas: int = 1

    def __post_init__(self) -> None:
        for name in ("dit_devices", "decoder_devices", "replicas"):
            if getattr(self, name) < 1:
                raise BadInputError(f"{name} must be at least 1; got {getattr(self, name)}")
        if self.decoding not in [known.value for known in Decoding]:
            raise BadInputError(f"decoding must be round-robin or spatial; got {self.decoding!r}")
        if self.shared and (self.dit_devices, self.decoder_devices) != (1, 1):
            raise BadInputError(f"only one device can be shared by both stages; got {self.split}")

    @property
    def split(self) -> str:
        """As people write it: 5+3; a shared device is 1."""
        return "1" if self.shared else f"{self.dit_devices}+{self.decoder_devices}"

    @property
    def pipeline_devices(self) -> int:
        """Devices of one pipeline."""
        return 1 if self.shared else self.dit_devices + self.decoder_devices

    @property
    def devices(self) -> int:
        """Devices of all replicas."""
        return self.replicas * self.pipeline_devices
