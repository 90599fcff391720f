"""What is decided about a cluster without one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamcade.cluster.ray_cluster import Need, _compare, place_all
from dreamcade.cluster.ray_hosts import pipeline_need
from dreamcade.core.errors import BadInputError, WorldError


def test_a_pipeline_lies_on_one_node() -> None:
    nodes = [{"CPU": 4.0, "GPU": 2.0}, {"CPU": 3.0}, {"memory": 1e9}]
    assert place_all(nodes, pipeline_need(1, on_gpus=False), 9) == 7
    assert place_all(nodes, pipeline_need(3, on_gpus=False), 9) == 2
    assert place_all(nodes, pipeline_need(5, on_gpus=False), 9) == 0
    assert place_all(nodes, pipeline_need(2, on_gpus=True), 9) == 1
    assert place_all(nodes, pipeline_need(1, on_gpus=True), 1) == 1


@given(st.lists(st.integers(0, 16), max_size=5), st.integers(1, 6), st.integers(0, 20))
def test_no_more_is_placed_than_there_is(cpus: list[int], devices: int, replicas: int) -> None:
    placed = place_all([{"CPU": float(count)} for count in cpus], pipeline_need(devices, on_gpus=False), replicas)
    assert placed * devices <= sum(cpus)
    assert placed == min(replicas, sum(count // devices for count in cpus))


def test_needs_in_words() -> None:
    assert str(Need()) == "1 CPU"
    assert str(pipeline_need(3, on_gpus=False)) == "3 × 1 CPU on one node"
    assert str(pipeline_need(2, on_gpus=True)) == "2 CPU and 2 GPU"


@pytest.mark.parametrize(
    ("change", "kind", "message"),
    [
        ({}, None, ""),
        ({"versions": {"python": "3.9.1", "ray": "2"}}, BadInputError, r"node far \(abcdefgh\) runs python 3.9.1, and"),
        ({"versions": {"python": "3.11.9"}}, BadInputError, "runs ray None, and this machine 2"),
        ({"worlds": {"/w": "error: it is not there"}}, WorldError, "cannot read world /w: it is not there; put it"),
        ({"worlds": {"/w": "5678"}}, WorldError, "has another world under /w; give every node the same files"),
    ],
)
def test_nodes_must_be_alike(change: dict[str, dict[str, str]], kind: type[Exception] | None, message: str) -> None:
    ours = {"node": "near", "versions": {"python": "3.11.9", "ray": "2"}, "worlds": {"/w": "1234"}}
    theirs = {**ours, "node": "far", **change}
    if kind is None:
        _compare("abcdefghijkl", ours, theirs)
        return
    with pytest.raises(kind, match=message):
        _compare("abcdefghijkl", ours, theirs)
