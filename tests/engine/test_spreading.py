from __future__ import annotations

import pytest

from dreamcade.cluster.layout import Decoding
from dreamcade.core.errors import BadInputError
from dreamcade.engine import Engine
from dreamcade.engine.spreading import folder_of, name_devices, planner_of
from dreamcade.world import World


def test_devices_are_named() -> None:
    assert name_devices("cpu:3") == ("cpu", "cpu", "cpu")
    assert name_devices(["cpu"]) == ("cpu",)
    for wrong in ("cpu", "cpu:0", "3", []):
        with pytest.raises(BadInputError, match="devices are"):
            name_devices(wrong)


def test_the_planner_splits_what_is_there(tiny_world: World) -> None:
    """On a CPU whole passes and whole frames: only those are compiled."""
    best = planner_of(tiny_world, ["cpu"] * 4, 2)
    for count in (1, 2, 3, 4):
        layout = best(count)
        assert layout.pipeline_devices <= count
        assert layout.dit_devices == 1 and layout.decoding == Decoding.ROUND_ROBIN


def test_a_plan_that_is_none(tiny_world: World) -> None:
    with pytest.raises(BadInputError, match=r"a plan is a Plan, a Layout or 'auto'; got 'plan\.json'"):
        Engine(tiny_world, devices="cpu:2", plan="plan.json")


def test_a_world_that_was_never_saved_is_lent_to_workers(tiny_world: World) -> None:
    with folder_of(tiny_world) as folder:
        assert World.load(folder).identity == tiny_world.identity
    assert not folder.exists()
