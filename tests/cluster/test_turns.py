"""Frames by turns: in order, each once, whatever is lost."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from dreamcade.cluster.turns import Turn, Turns
from dreamcade.core.errors import BadInputError


def test_decoders_take_turns_and_frames_come_in_order() -> None:
    turns = Turns[str, str](["a", "b", "c"])
    given = [turns.submit(frame) for frame in ("0", "1", "2")]
    assert given == [Turn(0, "a", "0"), Turn(1, "b", "1"), Turn(2, "c", "2")]
    assert not turns.takes and turns.submit("3") is None
    turns.finish(1, "b", "one")
    assert turns.deliver() == []
    assert not turns.takes  # three frames are on their way, though b has nothing to do
    turns.finish(0, "a", "zero")
    assert turns.deliver() == [(0, "zero"), (1, "one")]
    assert turns.submit("3") == Turn(3, "a", "3")
    assert turns.submit("4") == Turn(4, "b", "4")


def test_the_free_one_comes_before_the_next_in_turn() -> None:
    turns = Turns[int, int](["slow", "quick"], depth=4, queue=2)
    turns.submit(0), turns.submit(1)
    turns.finish(1, "quick", 1)
    assert turns.submit(2) == Turn(2, "quick", 2)
    assert turns.submit(3) == Turn(3, "slow", 3)  # both have one; slow's last turn is longer ago
    turns.finish(2, "quick", 2)
    assert turns.on_their_way == (0, 1, 2, 3) and not turns.takes


def test_of_a_lost_decoder_the_newest_frame_is_drawn_again_and_older_ones_are_skipped() -> None:
    turns = Turns[int, str](["a", "b"], queue=2)
    for frame in range(4):
        turns.submit(frame)
    assert turns.lose("b") is None  # a is full: frame 3 waits, frame 1 is skipped
    assert turns.skipped == 1 and turns.on_their_way == (0, 2, 3)
    assert turns.finish(0, "a", "zero") == Turn(3, "a", 3)
    assert turns.finish(1, "b", "late") is None and turns.finish(3, "b", "late") is None
    turns.finish(3, "a", "three")
    assert turns.deliver() == [(0, "zero")]
    turns.finish(2, "a", "two")
    assert turns.deliver() == [(2, "two"), (3, "three")]


def test_without_any_decoder_the_newest_frame_waits_for_one() -> None:
    turns = Turns[int, str](["a"])
    turns.submit(0)
    assert turns.lose("a") is None and turns.lose("a") is None and not turns.takes
    assert turns.join("b") == Turn(0, "b", 0)
    turns.finish(0, "b", "zero")
    assert turns.deliver() == [(0, "zero")] and turns.takes


def test_what_cannot_be_is_refused() -> None:
    for decoders in ([], ["a", "a"]):
        with pytest.raises(BadInputError, match="decoders must be at least one, each named once"):
            Turns[int, int](decoders)
    with pytest.raises(BadInputError, match="queue and depth must be at least 1; got 0 and None"):
        Turns[int, int](["a"], queue=0)
    with pytest.raises(BadInputError, match="'a' is there already"):
        Turns[int, int](["a"]).join("a")


class Play(RuleBasedStateMachine):
    """Decoders that draw, are lost, come, and lie; the frame is its number, its picture the number as text."""

    @initialize(count=st.integers(1, 4), queue=st.integers(1, 3), depth=st.none() | st.integers(1, 6))
    def begin(self, count: int, queue: int, depth: int | None) -> None:
        self.turns = Turns[int, str](range(count), depth=depth, queue=queue)
        self.queue, self.names, self.submitted = queue, count, 0
        self.drawing: dict[int, object] = {}
        self.shown: list[int] = []
        self.lost: list[object] = []

    def given(self, turn: Turn[int] | None) -> None:
        if turn is not None:
            assert turn.decoder in self.turns.decoders and turn.frame == turn.number
            assert turn.number not in self.drawing or self.drawing[turn.number] in self.lost
            self.drawing[turn.number] = turn.decoder
            assert list(self.drawing.values()).count(turn.decoder) <= self.queue

    @rule()
    def submit(self) -> None:
        takes, before = self.turns.takes, len(self.turns.on_their_way)
        turn = self.turns.submit(self.submitted)
        assert (turn is not None) == takes
        if turn is not None:
            assert turn.number == self.submitted and before < self.turns.depth
            self.submitted += 1
        self.given(turn)

    @precondition(lambda self: self.drawing)
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(sorted(self.drawing)))
        decoder = self.drawing.pop(number)
        self.given(self.turns.finish(number, decoder, str(number)))

    @precondition(lambda self: self.submitted)
    @rule(data=st.data())
    def lie(self, data: st.DataObject) -> None:
        """A decoder, there or lost, sends what it was not to draw."""
        number = data.draw(st.integers(max(0, self.submitted - 4), self.submitted))
        decoder = data.draw(st.integers(0, self.names - 1))
        if self.drawing.get(number) != decoder:
            assert self.turns.finish(number, decoder, "a lie") is None

    @rule(data=st.data())
    def lose(self, data: st.DataObject) -> None:
        if self.turns.decoders:
            decoder = data.draw(st.sampled_from(self.turns.decoders))
            self.lost.append(decoder)
            turn = self.turns.lose(decoder)
            had = {number for number, drawing in self.drawing.items() if drawing == decoder}
            assert had & set(self.turns.on_their_way) == had & {self.submitted - 1}
            self.drawing = {n: d for n, d in self.drawing.items() if d != decoder}
            self.given(turn)

    @rule()
    def join(self) -> None:
        self.given(self.turns.join(self.names))
        self.names += 1

    @rule()
    def deliver(self) -> None:
        for number, picture in self.turns.deliver():
            assert picture == str(number)
            assert not self.shown or number > self.shown[-1]
            self.shown.append(number)

    @invariant()
    def every_frame_is_shown_skipped_or_on_its_way(self) -> None:
        if hasattr(self, "turns"):
            ended = len(self.shown) + self.turns.skipped
            assert ended + len(self.turns.on_their_way) == self.submitted
            assert set(self.drawing) <= set(self.turns.on_their_way)

    def teardown(self) -> None:
        """Where a decoder is left, nothing is stuck."""
        if not hasattr(self, "turns"):
            return
        if not self.turns.decoders:
            self.join()
        while self.drawing:
            number, decoder = self.drawing.popitem()
            self.given(self.turns.finish(number, decoder, str(number)))
        self.deliver()
        assert self.turns.on_their_way == () and self.turns.takes


TestPlay = Play.TestCase
TestPlay.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
