from __future__ import annotations

import asyncio
from typing import Any

from dreamcade.server.control_messages import Notice
from dreamcade.server.outbox import Outbox


def test_only_the_newest_frame_waits() -> None:
    async def slow_reader() -> tuple[Any, Any, int]:
        outbox = Outbox(asyncio.get_running_loop())
        for frame in range(5):
            outbox.offer(frame)  # type: ignore[arg-type]
        first = await outbox.take()
        outbox.offer(9)  # type: ignore[arg-type]
        return first, await outbox.take(), outbox.dropped

    assert asyncio.run(slow_reader()) == (4, 9, 4)


def test_what_there_is_to_say_goes_before_the_frame() -> None:
    async def read() -> list[Any]:
        outbox = Outbox(asyncio.get_running_loop())
        outbox.offer(1)  # type: ignore[arg-type]
        outbox.tell("first")
        outbox.tell("second")
        await asyncio.sleep(0)
        return [await asyncio.wait_for(outbox.take(), 5) for _ in range(3)]

    assert asyncio.run(read()) == [Notice("first"), Notice("second"), 1]


def test_a_reader_that_waits_is_woken_from_another_thread() -> None:
    async def wait() -> Any:
        outbox = Outbox(asyncio.get_running_loop())
        waiting = asyncio.create_task(outbox.take())
        await asyncio.sleep(0)
        await asyncio.to_thread(outbox.offer, 3)  # type: ignore[arg-type]
        return await asyncio.wait_for(waiting, 5)

    assert asyncio.run(wait()) == 3


def test_a_frame_after_the_end_is_nobodys() -> None:
    loop = asyncio.new_event_loop()
    outbox = Outbox(loop)
    loop.close()
    outbox.offer(1)  # type: ignore[arg-type]
    assert outbox.dropped == 1
