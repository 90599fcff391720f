"""A world in few bits: what is exchanged, what stays, and that it plays."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from dreamcade.core.errors import BadInputError
from dreamcade.dynamics import Keeping
from dreamcade.engine import Engine
from dreamcade.kernels.packed_layers import Bits, PackedConv2d, PackedLinear
from dreamcade.world import World
from dreamcade.world.low_bits import LowBits, in_low_bits, pack_layers, weight_bytes


def test_what_is_named_stays_whole(tiny_world: World) -> None:
    before = {n: type(m) for n, m in tiny_world.dynamics.named_modules()}
    packed = in_low_bits(tiny_world, LowBits(Bits.INT4))
    dynamics = packed.dynamics
    assert isinstance(dynamics.transformer.blocks[0].attention.qkv, PackedLinear)
    assert isinstance(dynamics.embed_around, PackedConv2d)
    for layer in (dynamics.leave, dynamics.transformer.modulation, dynamics.overview.join):
        assert isinstance(layer, nn.Linear)
    assert not any(isinstance(m, PackedConv2d) for m in packed.codec.modules())
    assert {n: type(m) for n, m in tiny_world.dynamics.named_modules()} == before
    assert dynamics.keeping is Keeping.FULL


def test_names_of_what_is_packed() -> None:
    module = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Conv2d(4, 4, 1))
    assert pack_layers(module, Bits.INT8, ("0",)) == ["2"]
    assert isinstance(module[0], nn.Linear) and isinstance(module[2], PackedConv2d)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("bits", Bits)
def test_it_plays_and_remembers(tiny_world: World, bits: Bits, dtype: torch.dtype) -> None:
    world = in_low_bits(tiny_world, LowBits(bits, bits, Keeping.INT8))
    assert weight_bytes(world.dynamics) < weight_bytes(tiny_world.dynamics)
    frames = []
    for played in (tiny_world, world):
        session = Engine(played, device="cpu", dtype=dtype).open_session(seed=3)
        frames.append(np.stack([session.step([0.5, 0]).pixels for _ in range(4)]).astype(int))
    assert not np.array_equal(*frames)
    assert np.abs(frames[0] - frames[1]).mean() < 12


def test_a_snapshot_goes_on_bit_for_bit(tiny_world: World) -> None:
    engine = Engine(in_low_bits(tiny_world, LowBits(Bits.INT8, memory=Keeping.INT4)), device="cpu")
    session = engine.open_session(seed=1)
    session.step([1, 0])
    restored = engine.restore_session(session.snapshot())
    np.testing.assert_array_equal(session.step([0, 1]).pixels, restored.step([0, 1]).pixels)


def test_it_is_neither_saved_nor_packed_again(tiny_world: World, tmp_path: Path) -> None:
    world = in_low_bits(tiny_world, LowBits(Bits.INT8))
    with pytest.raises(BadInputError, match="save the one that it was made of"):
        world.save(tmp_path / "packed")
    with pytest.raises(BadInputError, match="in few bits already"):
        in_low_bits(world, LowBits(Bits.INT4))
