from __future__ import annotations

from dreamcade.engine import Engine, GameLoop
from dreamcade.engine.notices import Notices
from dreamcade.world import World


def test_everybody_hears_it_and_nobody_in_vain() -> None:
    notices, heard = Notices(), list[str]()

    def broken(text: str) -> None:
        raise OSError("no ears")

    notices.listen(broken)
    notices.listen(heard.append)
    notices.tell("one")
    notices.forget(heard.append)
    notices.forget(heard.append)
    notices.tell("two")
    assert heard == ["one"]


def test_who_plays_is_told_until_the_loop_stops(tiny_world: World) -> None:
    engine, heard = Engine(tiny_world), list[str]()
    loop = GameLoop(engine, lambda pixels: b"")
    loop.start()
    try:
        loop.attach(engine.open_session(), lambda frame: None, on_notice=heard.append)
        loop.attach(engine.open_session(), lambda frame: None)
        engine.notices.tell("a device was lost")
        assert heard == ["a device was lost"]
    finally:
        loop.stop()
    engine.notices.tell("nobody plays")
    assert heard == ["a device was lost"]
