from __future__ import annotations

import json
from pathlib import Path

import pytest

from dreamcade.cluster.calibration import Calibration, KindCalibration
from dreamcade.cluster.devices import parse_devices
from dreamcade.core.errors import BadInputError, UnknownNameError
from dreamcade.evaluation.plan_subject import plan_subject
from dreamcade.world import World

PAPERS, OTHERS = parse_devices("ascend-910c:8"), parse_devices("h200:8")


def test_the_paper_s_fit_is_for_its_devices_as_it_plays() -> None:
    fitted = plan_subject("paper-racing", PAPERS)
    assert fitted.calibration is not None and fitted.workload.skip == pytest.approx(1 - 19.4 / 26.4)
    for subject in (
        plan_subject("paper-racing", OTHERS),
        plan_subject("paper-racing", PAPERS, "none"),
        plan_subject("paper-racing", PAPERS, steps=2),
        plan_subject("paper-racing", PAPERS, attention="full"),
    ):
        assert subject.calibration is None and subject.workload.skip == 0 and not subject.notes([])
    assert plan_subject("paper-racing", PAPERS, steps=2).workload.steps == 2


def test_a_share_that_is_given_counts_instead() -> None:
    subject = plan_subject("paper-racing", PAPERS, skip=0.5)
    assert subject.workload.skip == 0.5 and subject.calibration is not None
    told = [one for one in subject.calibration.inputs if one.name == "frames extrapolated"]
    assert [one.origin for one in told] == ["given"]
    assert plan_subject("paper-racing", OTHERS, skip=0.2).workload.skip == 0.2


def test_a_world_from_its_folder(tiny_world: World, tmp_path: Path) -> None:
    tiny_world.save(tmp_path / "toy")
    file = tmp_path / "calibration.json"
    file.write_text(json.dumps(Calibration("toy", "here", skip=0.3).to_json()))
    subject = plan_subject(str(tmp_path / "toy"), OTHERS, str(file))
    assert subject.workload.name == "toy" and subject.workload.skip == 0.3
    with pytest.raises(BadInputError, match="was measured with toy, not with paper-racing"):
        plan_subject("paper-racing", OTHERS, str(file))
    with pytest.raises(BadInputError, match=r"are for the presets .* is a world"):
        plan_subject(str(tmp_path / "toy"), OTHERS, attention="full")


def test_a_calibration_of_other_devices_only(tmp_path: Path) -> None:
    """It would change nothing, and be named as what the plans rest on."""
    file, known = tmp_path / "calibration.json", KindCalibration(dit_utilisation=0.4)
    file.write_text(json.dumps(Calibration("", "here", {"cpu-core": known}).to_json()))
    with pytest.raises(BadInputError, match="was measured on cpu-core, and says nothing of h200"):
        plan_subject("paper-racing", parse_devices("h200:2"), str(file))
    assert plan_subject("paper-racing", parse_devices("h200,cpu-core:2"), str(file)).calibration is not None


def test_bad_input() -> None:
    with pytest.raises(BadInputError, match="--skip is a share"):
        plan_subject("paper-racing", OTHERS, skip=1.0)
    with pytest.raises(UnknownNameError, match="did you mean 'racing'"):
        plan_subject("raceing", OTHERS)
