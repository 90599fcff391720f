"""What a layout becomes when workers are lost, and who does what then. Pure: knows no process and no PyTorch.

The head, which holds every session, is the dynamics' first device and is never replaced. Every worker holds the whole
world, so each can do either part; who has one keeps it as long as that is possible.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dreamcade.cluster.layout import Decoding, Layout


@dataclass(frozen=True, slots=True)
class Roles:
    """Names of the workers that make latents beside the head, and of those that draw. Nobody draws: the head does."""

    dynamics: tuple[str, ...] = ()
    decoders: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        return (*self.dynamics, *self.decoders)


def remain(layout: Layout, roles: Roles, there: Sequence[str]) -> Layout:
    """What of `layout` remains with those of the workers that are `there`: each stage without whom it lost, and a
    decoder in any case. Whoever is there without a role fills the gaps, decoders first."""
    free = [name for name in there if name not in roles.names]
    dynamics = [name for name in roles.dynamics if name in there]
    decoders = [name for name in roles.decoders if name in there]
    wanted_decoders = 0 if layout.shared else layout.decoder_devices
    gap = min(len(free), max(0, wanted_decoders - len(decoders)))
    count = len(decoders) + gap
    ranks = min(layout.dit_devices - 1, len(dynamics) + len(free) - gap)
    if count == 0 and ranks > 0 and not layout.shared:
        count, ranks = 1, ranks - 1
    if count == 0:
        return Layout(shared=True)
    decoding = layout.decoding if count > 1 else Decoding.ROUND_ROBIN.value
    return Layout(1 + ranks, count, decoding)


def assign(layout: Layout, roles: Roles, there: Sequence[str]) -> Roles:
    """Who does what of `layout`, for which enough workers are `there`: whoever had a part keeps it, if it is still to
    be had; the others fill in, in order."""
    wanted_dynamics, wanted_decoders = (0, 0) if layout.shared else (layout.dit_devices - 1, layout.decoder_devices)
    dynamics = [name for name in roles.dynamics if name in there][:wanted_dynamics]
    decoders = [name for name in roles.decoders if name in there][:wanted_decoders]
    free = [name for name in there if name not in dynamics and name not in decoders]
    while len(decoders) < wanted_decoders and free:
        decoders.append(free.pop(0))
    while len(dynamics) < wanted_dynamics and free:
        dynamics.append(free.pop(0))
    return Roles(tuple(dynamics), tuple(decoders))
