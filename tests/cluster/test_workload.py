from __future__ import annotations

import dataclasses

import pytest

from dreamcade.cluster.workload import Workload
from dreamcade.core.errors import BadInputError


def test_json_and_back(workload: Workload) -> None:
    assert Workload.from_json(workload.to_json()) == workload


def test_sums(workload: Workload) -> None:
    assert workload.pass_flops == 12e9 and workload.frame_bytes == 15_000


@pytest.mark.parametrize(
    ("field", "value"),
    [("tokens", 0), ("steps", 0), ("weight_bytes", -1.0), ("skip", 1.0), ("token_flops", float("nan"))],
)
def test_what_cannot_be(workload: Workload, field: str, value: float) -> None:
    with pytest.raises(BadInputError, match=field):
        dataclasses.replace(workload, **{field: value})
