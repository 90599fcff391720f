from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dreamcade.evaluation.simulation.agenda import Agenda


@given(st.lists(st.floats(0, 10), max_size=40))
def test_events_happen_in_the_order_of_time_and_then_of_asking(times: list[float]) -> None:
    agenda, happened = Agenda(), list[tuple[float, int]]()
    for number, time in enumerate(times):
        agenda.at(time, lambda number=number: happened.append((agenda.now, number)))  # type: ignore[misc]
    agenda.run(20.0)
    assert happened == sorted((time, number) for number, time in enumerate(times))
    assert (agenda.now, agenda.happened) == (20.0, len(times))


def test_what_should_have_been_is_done_now_and_what_is_later_waits() -> None:
    agenda, happened = Agenda(), list[float]()
    agenda.at(3.0, lambda: agenda.at(1.0, lambda: happened.append(agenda.now)))
    agenda.at(5.0, lambda: happened.append(agenda.now))
    agenda.run(4.0)
    assert happened == [3.0]
