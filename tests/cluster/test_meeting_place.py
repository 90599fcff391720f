"""Places where ranks meet: quickly, and in no other process' way."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from dreamcade.cluster.meeting_place import MeetingPlace, meet_at
from dreamcade.cluster.process_group import Group
from dreamcade.core.errors import BadInputError, RankLostError


@pytest.fixture
def place() -> Iterator[MeetingPlace]:
    place = MeetingPlace()
    yield place
    place.close()


def test_groups_form_quickly_one_after_the_other() -> None:
    """A place that asks the name service takes five seconds whenever an answer gets lost."""
    slowest = 0.0
    with ThreadPoolExecutor(2) as pool:
        for number in range(20):
            began = time.monotonic()
            place = MeetingPlace()
            stores = enumerate([place.store, meet_at(place.address)])
            joining = [pool.submit(Group.join, store, f"g {number}", rank, 2, meeting=20) for rank, store in stores]
            for joined in joining:
                joined.result(30).abandon()
            place.close()
            slowest = max(slowest, time.monotonic() - began)
    assert slowest < 4


def test_what_one_says_the_other_hears_while_a_third_waits(place: MeetingPlace) -> None:
    there, came = meet_at(place.address), threading.Event()

    def wait() -> None:
        there.wait(["third"], timedelta(seconds=20))
        came.set()

    thread = threading.Thread(target=wait)
    thread.start()
    place.store.set("colour", "blue")
    assert there.get("colour") == b"blue" and not came.is_set()
    place.store.set("third", "here")
    thread.join(10)
    assert came.is_set()


def test_who_does_not_come_is_not_waited_for_longer_than_was_said(place: MeetingPlace) -> None:
    began = time.monotonic()
    with pytest.raises(RankLostError, match=r"group 'g': not all of 2 ranks came within 0\.5 s"):
        Group.join(place.store, "g", 0, 2, meeting=0.5)
    assert time.monotonic() - began < 10


def test_a_place_that_is_gone(place: MeetingPlace) -> None:
    folder = Path(place.address).parent
    assert folder.is_dir()
    place.close()
    place.close()
    assert not folder.exists()
    with pytest.raises(BadInputError, match=r"no meeting place at /.*; is rank 0 running, on this machine\?"):
        meet_at(place.address)
