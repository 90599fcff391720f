"""From a real game to a world that plays, at toy size: record, train, resume, bundle, step."""

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from dreamcade.cli import app
from dreamcade.core.checkpoint import load_tensors, save_tensors
from dreamcade.core.errors import CheckpointError, DatasetError
from dreamcade.engine import Engine
from dreamcade.training.assemble import load_dynamics, training_folder
from dreamcade.world import World

pytest.importorskip("gymnasium", reason="recording CarRacing needs the extra 'games'")


def run(*arguments: str) -> None:
    result = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.output


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recording") / "data"
    run(
        "record",
        "gym:CarRacing-v3",
        "--episodes",
        "8",
        "--size",
        "240x160",
        "--seed",
        "3",
        "--ticks",
        "60",
        "--out",
        str(folder),
    )
    return folder


def test_record_train_bundle_play(recording: Path, tmp_path: Path) -> None:
    world = tmp_path / "toy"
    train = [str(recording), "--world", str(world), "--preset", "smoke"]
    run("train", "codec", *train)
    run("train", "dynamics", *train, "--steps", "6")
    run("train", "dynamics", *train, "--steps", "12", "--resume")
    _, facts = load_dynamics(training_folder(world))
    assert facts["step"] == 12
    assert sorted(p.name for p in (training_folder(world) / "strips").iterdir()) == ["000006.png", "000012.png"]
    run("train", "bundle", str(recording), "--world", str(world))
    loaded = World.load(world)
    assert loaded.frame_size == (240, 160) and len(loaded.starts) == 8
    assert loaded.manifest.card["dynamics training"]["steps"] == 12
    session = Engine(loaded, device="cpu").open_session(seed=1)
    frames = [session.step({"steer": -1.0, "gas": 1.0}).pixels for _ in range(5)]
    assert frames[0].shape == (160, 240, 3) and frames[0].dtype == np.uint8


def test_dynamics_without_a_codec_say_so(recording: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"codec\.safetensors"):
        CliRunner().invoke(
            app,
            ["train", "dynamics", str(recording), "--world", str(tmp_path / "none"), "--preset", "smoke"],
            catch_exceptions=False,
        )


def test_damaged_or_foreign_training_files_are_named(recording: Path, tmp_path: Path) -> None:
    world = tmp_path / "toy"
    train = [str(recording), "--world", str(world), "--preset", "smoke"]
    run("train", "codec", *train)
    run("train", "dynamics", *train, "--steps", "2")
    folder = training_folder(world)

    checkpoint = folder / "dynamics.checkpoint.safetensors"
    tensors, facts = load_tensors(checkpoint)
    save_tensors(checkpoint, tensors | {"model/inertia.weight": tensors["model/inertia.weight"][:, :5].clone()}, facts)
    with pytest.raises(CheckpointError, match=r"inertia.weight.*--resume"):
        run("train", "dynamics", *train, "--resume")

    latents = next((folder / "latents").glob("*.npy"))
    latents.write_bytes(latents.read_bytes()[:3000])
    with pytest.raises(DatasetError, match=f"{latents.name} is damaged.*delete it"):
        run("train", "dynamics", *train)
