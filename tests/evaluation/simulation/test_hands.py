from __future__ import annotations

from random import Random

import pytest

from dreamcade.core.errors import BadInputError
from dreamcade.evaluation.simulation.hands import KEYS, UNFORESEEN, Foreseen, Habits, Hand

ROW = {
    "held-out play": "as if on keys", "ticks": 3996, "same again": "82.6 %", "1 draft": "82.4 %", "2 drafts": "90.1 %",
    "3 drafts": "94.3 %", "4 drafts": "96.9 %", "on changes": "0.4 % / 42.9 % / 67.3 % / 82.2 %",
}  # fmt: skip


def test_a_hand_changes_as_often_as_it_says_and_repeats_what_it_holds() -> None:
    hand, moments = Hand(Habits(changes=4.0, spread=1.7), Random(1), 0.0), list[tuple[float, bool]]()
    while not moments or moments[-1][0] < 2000.0:
        moments.append(hand.next())
    assert [moment for moment, _ in moments] == sorted(moment for moment, _ in moments)
    assert sum(changed for _, changed in moments) / 2000 == pytest.approx(4.0, rel=0.06)
    assert sum(not changed for _, changed in moments) / 2000 == pytest.approx(2.0, rel=0.01)


def test_hands_that_think_rest() -> None:
    def changes(habits: Habits) -> int:
        hand = Hand(habits, Random(1), 0.0)
        return sum(changed for moment, changed in (hand.next() for _ in range(4000)) if moment < 400)

    assert changes(Habits(think_every=5.0, think=5.0)) < 0.75 * changes(Habits())
    still = Hand(Habits(changes=0.0), Random(1), 0.0)
    assert not any(changed for _, changed in (still.next() for _ in range(100)))


def test_a_worlds_card_says_how_often_the_next_action_is_foreseen() -> None:
    chances = Foreseen.of_card([{**ROW, "held-out play": "as recorded", "1 draft": "1 %"}, ROW])
    for drafts, hits in enumerate((0.824, 0.901, 0.943, 0.969)):
        both = 0.826 * chances.same[drafts] + 0.174 * chances.change[drafts]
        assert both == pytest.approx(hits, abs=0.005), "what the card says of all ticks comes out again"
    assert chances.change == pytest.approx(KEYS.change)


def test_more_drafts_foresee_whatever_fewer_do() -> None:
    ranks = [KEYS.rank(True, number / 1000) for number in range(1000)]
    assert ranks == sorted(ranks)
    assert ranks.count(1) == pytest.approx(4, abs=1)
    assert sum(rank <= 4 for rank in ranks) == pytest.approx(822, abs=1)
    assert ranks[-1] == UNFORESEEN


def test_rates_that_cannot_be_are_refused() -> None:
    with pytest.raises(BadInputError, match="must rise"):
        Foreseen(same=(0.9, 0.8), change=(0.1, 0.2))
    with pytest.raises(BadInputError, match="as many"):
        Foreseen(same=(0.9,), change=(0.1, 0.2))
    with pytest.raises(BadInputError, match="heartbeat"):
        Habits(heartbeat=0.0)
