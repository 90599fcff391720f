from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from dreamcade.cluster.devices import KINDS, parse_devices
from dreamcade.cluster.layout import Layout
from dreamcade.cluster.planner import predict
from dreamcade.cluster.world_workload import world_workload
from dreamcade.core.errors import BadInputError, UnknownNameError
from dreamcade.evaluation import device_times
from dreamcade.evaluation.device_times import calibrate_device
from dreamcade.server.encoding import encode_jpeg
from dreamcade.world import World


@pytest.fixture(autouse=True)
def _no_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """They have a test of their own, beside what starts them."""
    monkeypatch.setattr(device_times, "gloo_times", lambda: (2e-4, 1e9))


def test_a_world_s_times_are_what_a_plan_predicts_with(tiny_world: World, tmp_path: Path) -> None:
    tiny_world.save(tmp_path / "toy")
    found = calibrate_device(str(tmp_path / "toy"), encode_jpeg, device="cpu", seconds=0.2)
    known = found.of("cpu-core")
    assert found.workload == "toy" and known.batches == (1, 2, 4) and known.steps == 2
    assert all(ms > 0 for ms in (*known.dit_ms, *known.decoder_ms)) and known.encode_ms and known.encode_ms > 0
    assert (known.link_latency, known.link) == (2e-4, 1e9)
    assert {one.origin for one in found.inputs} == {"measured"} and "cores" in found.source
    plan = predict(world_workload(tiny_world), Layout(shared=True), parse_devices("cpu-core:1"), found)
    assert plan.fps == pytest.approx(1e3 / (known.dit_ms[0] + known.decoder_ms[0] + known.encode_ms))


def test_a_shrunk_preset_tells_shares_only() -> None:
    found = calibrate_device("paper-racing", encode_jpeg, device="cpu", seconds=0.1, shrink=15)
    known = found.of("cpu-core")
    assert found.workload == "" and not known.batches and known.encode_ms is None
    assert known.dit_utilisation and 0 < known.dit_utilisation < 1
    assert known.decoder_utilisation and 0 < known.decoder_utilisation < 1


def test_a_kind_of_one_s_own(tiny_world: World, tmp_path: Path) -> None:
    tiny_world.save(tmp_path / "toy")
    kinds = {"board": dataclasses.replace(KINDS["cpu-core"], name="board")}
    found = calibrate_device(
        str(tmp_path / "toy"), encode_jpeg, device="cpu", kind="board", seconds=0.1, kinds=kinds
    )  # fmt: skip
    assert list(found.kinds) == ["board"] and found.of("board").dit_ms


def test_bad_input(tiny_world: World, tmp_path: Path) -> None:
    tiny_world.save(tmp_path / "toy")
    with pytest.raises(BadInputError, match="only a preset can be shrunk"):
        calibrate_device(str(tmp_path / "toy"), encode_jpeg, device="cpu", shrink=2)
    with pytest.raises(UnknownNameError, match="device kind"):
        calibrate_device(str(tmp_path / "toy"), encode_jpeg, device="cpu", kind="abacus")
