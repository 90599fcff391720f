from __future__ import annotations

from dreamcade.core.controls import Axis, Button, Controls
from dreamcade.server.fingers import plan_keys
from dreamcade.world import World, shipped_worlds

CONTROLS = Controls(
    axes=(
        Axis("steer", negative_keys=("ArrowLeft", "KeyA"), positive_keys=("ArrowRight",)),
        Axis("gas", low=0.0, positive_keys=("ArrowUp",)),
        Axis("brake", low=0.0, positive_keys=("ArrowDown",)),
    ),
    buttons=(Button("horn", keys=("Space",)), Button("silent")),
)


def test_keys_go_down_and_come_up_in_turn_and_all_are_up_in_the_end() -> None:
    events = plan_keys(CONTROLS, 60, seed=1)
    assert [event.at for event in events] == sorted(event.at for event in events)
    assert events[-1].at <= 60
    down: set[str] = set()
    for event in events:
        assert (event.code in down) != event.down
        (down.add if event.down else down.discard)(event.code)
    assert not down
    assert {event.code for event in events} == {"ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Space"}


def test_the_gas_is_mostly_held_and_the_wheel_is_tapped_and_held() -> None:
    held: dict[str, list[float]] = {}
    since: dict[str, float] = {}
    for event in plan_keys(CONTROLS, 120, seed=2):
        if event.down:
            since[event.code] = event.at
        else:
            held.setdefault(event.code, []).append(event.at - since[event.code])
    assert sum(held["ArrowUp"]) > 0.7 * 120
    wheel = held["ArrowLeft"] + held["ArrowRight"]
    assert min(wheel) < 0.25 < 0.6 < max(wheel) <= 1.0
    assert sum(held["ArrowDown"]) < 0.2 * 120


def test_a_plan_is_its_seed() -> None:
    assert plan_keys(CONTROLS, 10, seed=3) == plan_keys(CONTROLS, 10, seed=3) != plan_keys(CONTROLS, 10, seed=4)


def test_every_shipped_world_can_be_played_by_keys() -> None:
    for name in shipped_worlds():
        assert len(plan_keys(World.load(name).controls, 20)) > 10, name


def test_no_keys_no_plan() -> None:
    assert plan_keys(Controls(buttons=(Button("pad", gamepad="button:0"),)), 10) == []
