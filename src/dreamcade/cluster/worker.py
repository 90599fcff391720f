"""A worker process of a pipeline: it knocks, prepares what it works with, and then answers commands, one by one.

A second thread sends a sign of life all the while, so that a process that was stopped is told from one that computes.
Whoever waits for an answer sets its deadline.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dreamcade.cluster.pulse import BEAT
from dreamcade.cluster.wire import Message, PeerLostError, Wire, knock
from dreamcade.core.errors import DreamcadeError

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Answer:
    """To one command: JSON fields, and raw bytes."""

    fields: Mapping[str, Any] = field(default_factory=dict)
    parts: Sequence[bytes | bytearray | memoryview] = ()


Command = Callable[[Message], Answer]
Prepare = Callable[[], tuple[Mapping[str, Command], Mapping[str, Any]]]
"""Makes the commands that a worker knows, and what it tells of itself (JSON fields)."""


def work(address: str, name: str, token: str, prepare: Prepare) -> None:
    """The whole life of a worker: until it is told to stop, or its head is gone."""
    wire = knock(address, name, token)
    heart = threading.Thread(target=_beat, args=[wire], name="dreamcade-heart", daemon=True)
    heart.start()
    try:
        commands, facts = _prepared(wire, prepare)
        if commands is not None:
            wire.send("ready", facts)
            _attend(wire, commands)
    except PeerLostError as error:
        logger.info("%s: its head is gone (%s)", name, error)
    finally:
        wire.close()
        heart.join()


def _prepared(wire: Wire, prepare: Prepare) -> tuple[Mapping[str, Command] | None, Mapping[str, Any]]:
    try:
        return prepare()
    except DreamcadeError as error:
        reason = str(error)
    except Exception as error:
        logger.exception("a worker cannot be prepared")
        reason = f"{type(error).__name__}: {error}"
    wire.send("unfit", {"reason": reason})
    return None, {}


def _attend(wire: Wire, commands: Mapping[str, Command]) -> None:
    while True:
        message = wire.receive()
        if message is None:
            continue
        if message.kind == "stop":
            return
        number = {"number": message.fields.get("number")}
        try:
            answer = commands[message.kind](message)
        except PeerLostError:
            raise
        except Exception as error:
            logger.exception("the command %s failed", message.kind)
            wire.send("failed", {**number, "reason": f"{type(error).__name__}: {error}"})
            continue
        wire.send("done", {**answer.fields, **number}, answer.parts)


def _beat(wire: Wire) -> None:
    pause = threading.Event()
    try:
        while not pause.wait(BEAT):
            wire.send("beat")
    except PeerLostError:
        return
