"""A world in fewer bits: its layers are exchanged when it is loaded, and run through the same `forward`."""

from __future__ import annotations

import copy
import dataclasses
import fnmatch
from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn

from dreamcade.core.errors import BadInputError
from dreamcade.dynamics import Keeping
from dreamcade.kernels.packed_layers import Bits, PackedConv2d, PackedLayer, PackedLinear
from dreamcade.world.world import World

WHOLE_DYNAMICS = ("leave", "movement.*", "overview.*", "transformer.condition.*", "transformer.modulation")
"""What stays as it is of the dynamics: the last layer, what decides how everything moves, and what scales every block.
Patterns of module names."""
WHOLE_CODEC = ("encoder.*", "decoder.linear", "decoder.leave", "detail.leave", "detail.interpolate")
"""Of the codec: the encoder, which no frame of a play goes through, and the layers whose errors are pixels."""


@dataclass(frozen=True, slots=True)
class LowBits:
    """What is stored in how many bits; none: as it is. `whole_…` names, by patterns, layers that stay as they are.

    `dynamics` for its linear layers and its convolution, `codec` for convolutions; `memory` for the cache of each
    session.
    """

    dynamics: Bits | None = None
    codec: Bits | None = None
    memory: Keeping = Keeping.FULL
    whole_dynamics: tuple[str, ...] = WHOLE_DYNAMICS
    whole_codec: tuple[str, ...] = WHOLE_CODEC

    @property
    def emulated_on_cpu(self) -> bool:
        """Whether a CPU only computes the same numbers, so that its speed says nothing."""
        return Bits.FP8 in (self.dynamics, self.codec)


def in_low_bits(world: World, plan: LowBits) -> World:
    """The world with copies of its modules in few bits; the world itself stays as it is.

    It plays like any other, in any dtype. It cannot be saved: that is for the world that it was made of. Raises
    `BadInputError` where the world is in few bits already.
    """
    if any(isinstance(m, PackedLayer) for part in (world.codec, world.dynamics) for m in part.modules()):
        raise BadInputError("the world is in few bits already; begin with the one that it was made of")
    codec, dynamics = copy.deepcopy(world.codec), copy.deepcopy(world.dynamics)
    if plan.dynamics is not None:
        pack_layers(dynamics, plan.dynamics, plan.whole_dynamics)
    if plan.codec is not None:
        pack_layers(codec, plan.codec, plan.whole_codec)
    dynamics.keeping = plan.memory
    return dataclasses.replace(world, codec=codec, dynamics=dynamics, folder=None)


def pack_layers(module: nn.Module, bits: Bits, whole: Sequence[str] = ()) -> list[str]:
    """Exchanges linear layers and convolutions within `module` for packed ones → their names.

    Those whose name one of `whole` matches stay as they are, as do the recurrent and any other layers.
    """
    names = [name for name, layer in module.named_modules() if isinstance(layer, nn.Linear | nn.Conv2d)]
    packed = [name for name in names if not any(fnmatch.fnmatchcase(name, pattern) for pattern in whole)]
    for name in packed:
        layer = module.get_submodule(name)
        assert isinstance(layer, nn.Linear | nn.Conv2d)
        stand_in = PackedLinear.of(layer, bits) if isinstance(layer, nn.Linear) else PackedConv2d(layer, bits)
        module.set_submodule(name, stand_in.train(layer.training))
    return packed


def weight_bytes(module: nn.Module) -> int:
    """What parameters and buffers occupy."""
    return sum(t.nbytes for t in (*module.parameters(), *module.buffers()))
