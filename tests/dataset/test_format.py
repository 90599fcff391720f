from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamcade.core.errors import DatasetError
from dreamcade.dataset.format import (
    FORMAT_VERSION,
    HELDOUT_MINIMUM,
    DatasetMeta,
    EpisodeInfo,
    Split,
    episode_name,
    index_json,
    plan_splits,
    read_index,
)

INFO = EpisodeInfo(episode_name(7), 7, "train", 40, 1000, 100)


def write_index(folder: Path, meta: DatasetMeta, **changes: object) -> None:
    (folder / "dataset.json").write_text(json.dumps({**index_json(meta, [INFO]), **changes}))


def test_index_round_trip(tmp_path: Path, meta: DatasetMeta) -> None:
    write_index(tmp_path, meta)
    assert read_index(tmp_path) == (meta, [INFO])


def test_a_missing_dataset_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="dreamcade record"):
        read_index(tmp_path)


def test_a_newer_format_asks_for_an_update(tmp_path: Path, meta: DatasetMeta) -> None:
    write_index(tmp_path, meta, format_version=FORMAT_VERSION + 1)
    with pytest.raises(DatasetError, match="update dreamcade"):
        read_index(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"format_version": 1}', "\x00\xff"])
def test_a_damaged_index_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "dataset.json").write_text(text, encoding="latin-1")
    with pytest.raises(DatasetError):
        read_index(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        {"frame_size": [1, 2, 3]},
        {"frame_size": "big"},
        {"tick_rate": None},
        {"controls": {}},
        {"unheard_of": 1},
        {"episodes": 3},
        {"episodes": [{"name": "x"}]},
        {"episodes": [{**INFO.to_json(), "split": "test"}]},
        {"episodes": [{**INFO.to_json(), "length": -1}]},
        {"episodes": [{**INFO.to_json(), "name": "../../etc"}]},
    ],
)
def test_wrong_fields_are_refused(tmp_path: Path, meta: DatasetMeta, change: dict[str, object]) -> None:
    write_index(tmp_path, meta, **change)
    with pytest.raises(DatasetError):
        read_index(tmp_path)


def test_what_differs_is_named(meta: DatasetMeta, other_meta: DatasetMeta) -> None:
    assert meta.difference(meta) == ""
    assert meta.difference(other_meta) == "seed is 1 there, 0 here"


@given(st.sets(st.integers(0, 10**9), min_size=1, max_size=60), st.randoms())
def test_splits_do_not_depend_on_order_or_resuming(seeds: set[int], random: object) -> None:
    whole = plan_splits(seeds)
    shuffled = list(seeds)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert plan_splits(shuffled) == whole
    recorded = {seed: whole[seed] for seed in shuffled[: len(shuffled) // 2]}
    assert plan_splits(seeds, recorded) == whole
    if len(seeds) >= HELDOUT_MINIMUM:
        assert "heldout" in whole.values()


def test_growing_never_moves_an_episode() -> None:
    known = plan_splits(range(5))
    grown = plan_splits(range(200), known)
    assert all(grown[seed] == split for seed, split in known.items())
    assert 0.03 < sum(split == "heldout" for split in grown.values()) / 200 < 0.15


def held_out(count: int, first: int = 0) -> list[int]:
    splits = plan_splits(range(first, first + count))
    return [seed - first for seed, split in splits.items() if split == "heldout"]


def test_what_is_held_out_of_a_recording_never_changes() -> None:
    """Shipped worlds learned from such splits: another rule would measure them on what they were trained on."""
    assert held_out(8) == [2]
    assert held_out(12) == [10]
    assert held_out(24) == [10, 13]
    assert held_out(82) == [10, 13, 24, 31, 48, 49, 59, 75, 76]
    assert held_out(24, 1_000_000) == [13, 18]
    assert held_out(24, 2_000_000) == [19]
    assert held_out(500)[-5:] == [420, 436, 455, 466, 488]


@pytest.mark.parametrize("count", range(2, 12))
def test_one_is_held_out_from_two_on_also_where_they_come_one_by_one(count: int) -> None:
    assert "heldout" in plan_splits(range(count)).values()
    known: dict[int, Split] = {}
    for seed in range(count):
        grown = plan_splits([seed], known)
        assert {s: grown[s] for s in known} == known
        known = grown
    assert "heldout" in known.values()


def test_episodes_that_were_all_trained_on_stay_so() -> None:
    known: dict[int, Split] = dict.fromkeys(range(5), "train")
    assert plan_splits(range(5), known) == known
    grown = plan_splits(range(7), known)
    assert "heldout" in (grown[5], grown[6])
    assert {s: grown[s] for s in known} == known
