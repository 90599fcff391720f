from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from dreamcade.cluster import wire as wires
from dreamcade.cluster.wire import Message, Wire
from dreamcade.server.replica_link import Link


class Ears:
    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.reasons: list[str] = []
        self.lost = threading.Event()

    def lose(self, reason: str) -> None:
        self.reasons.append(reason)
        self.lost.set()


@pytest.fixture
def ears() -> Ears:
    return Ears()


@pytest.fixture
def pair(ears: Ears) -> Iterator[tuple[Link, Wire]]:
    here, there = socket.socketpair()
    link, replica = Link("r", Wire(here), ears.messages.append, ears.lose), Wire(there)
    yield link, replica
    link.close()
    replica.close()


def test_commands_go_in_order_and_only_the_newest_input_goes(pair: tuple[Link, Wire]) -> None:
    link, replica = pair
    with link._changed:  # nothing goes yet
        link.tell_input("a", {"sequence": 1})
        link.tell("open", {"session": "a"}, [b"xy"])
        link.tell_input("a", {"sequence": 2})
        link.tell("attach", {"session": "a"})
        link.tell_input("b", {"sequence": 1})
    got = [replica.receive(1) for _ in range(4)]
    assert [(m.kind, m.fields.get("session"), m.fields.get("sequence")) for m in got if m is not None] == [
        ("open", "a", None), ("attach", "a", None), ("input", "a", 2), ("input", "b", 1),
    ]  # fmt: skip
    assert replica.receive(0.05) is None


def test_telling_never_waits_and_a_full_pipe_is_a_lost_replica(
    pair: tuple[Link, Wire], ears: Ears, monkeypatch: pytest.MonkeyPatch
) -> None:
    link, _ = pair
    began = time.monotonic()
    for _ in range(100):
        link.tell("open", {"session": "a"}, [bytes(1_000_000)])
        link.tell_input("a", {"sequence": 1})
    assert time.monotonic() - began < wires.SECONDS  # after which a full pipe is given up
    assert ears.lost.wait(wires.SECONDS + 20)
    assert ears.reasons == ["the other end does not answer"]


def test_every_word_is_a_sign_of_life(pair: tuple[Link, Wire], ears: Ears) -> None:
    link, replica = pair
    before = link.heard_at
    replica.send("load", {"busy": 0.5})
    end = time.monotonic() + 20
    while not ears.messages and time.monotonic() < end:
        time.sleep(0.005)
    assert [message.kind for message in ears.messages] == ["load"]
    assert link.heard_at > before


def test_a_replica_that_goes_is_lost_once(pair: tuple[Link, Wire], ears: Ears) -> None:
    link, replica = pair
    replica.close()
    assert ears.lost.wait(2)
    link.tell("pause", {"session": "a"})
    link.close()
    assert len(ears.reasons) == 1


def test_one_that_is_closed_on_purpose_is_not_lost(pair: tuple[Link, Wire], ears: Ears) -> None:
    link, _ = pair
    link.close()
    assert not ears.lost.wait(0.1)
    assert not any(thread.is_alive() for thread in link._threads)


def test_what_nobody_understands_is_a_lost_replica(pair: tuple[Link, Wire], ears: Ears) -> None:
    _, replica = pair

    def refuse(message: Message) -> None:
        raise KeyError("session")

    pair[0]._heard = refuse
    replica.send("frame")
    assert ears.lost.wait(2)
    assert "nobody understands" in ears.reasons[0]
