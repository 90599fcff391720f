"""From a real game to a world that plays, at toy size: record, train, resume, bundle, step."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from dreamcade.cli import app
from dreamcade.codec import Codec, CodecConfig
from dreamcade.core.checkpoint import load_tensors, save_tensors
from dreamcade.core.errors import BadInputError, CheckpointError, DatasetError, WorldError
from dreamcade.dataset.reader import Dataset
from dreamcade.engine import Engine
from dreamcade.training.assemble import card_figures, card_notes, load_dynamics, report_clip, training_folder
from dreamcade.training.latent_store import store_latents
from dreamcade.training.picture_store import draw_pictures, open_pictures, store_pictures
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
    run("train", "predictor", str(recording), "--world", str(world), "--steps", "2", "--levels", "4,2,2")
    run("train", "bundle", str(recording), "--world", str(world), "--title", "Anew")
    anew = World.load(world)
    assert anew.manifest.title == "Anew" and anew.predictor is not None


def test_the_whole_world_in_one_go(recording: Path, tmp_path: Path) -> None:
    world = tmp_path / "toy"
    train = [str(recording), "--world", str(world), "--preset", "smoke"]
    run("train", "world", *train, "--title", "Toy car")
    assert World.load(world).manifest.title == "Toy car"
    run("train", "world", *train, "--resume")  # what is done is not done again
    assert World.load(world).manifest.card["dynamics training"]["steps"] == 12
    with pytest.raises(CheckpointError, match=r"codec.*go on with --resume, or replace it with --fresh"):
        run("train", "world", *train)


def test_a_world_goes_on_from_another(recording: Path, tmp_path: Path) -> None:
    first, second, third = (tmp_path / name for name in ("first", "second", "third"))
    run("train", "world", str(recording), "--world", str(first), "--preset", "smoke")
    going_on = [str(recording), "--preset", "smoke", "--from", str(first), "--world"]
    run("train", "dynamics", *going_on, str(second), "--steps", "1")
    begun, before = load_dynamics(training_folder(second))[0], World.load(first).dynamics
    moved = [(a - b).abs().max() for a, b in zip(begun.parameters(), before.parameters(), strict=True)]
    assert 0 < max(moved) < 1e-3  # one small step, not a new beginning
    run("train", "dynamics", *going_on, str(second), "--steps", "2", "--resume")
    run("train", "bundle", str(recording), "--world", str(second))
    card = World.load(second).manifest.card
    assert card["codec training"]["steps"] == 20 and card["dynamics training"]["steps"] == 2
    assert card["dynamics training"]["begun from"].startswith("first, 12 steps of 2 at commit ")

    with pytest.raises(CheckpointError, match=r"first has width 32, not 64: leave the option away"):
        run("train", "dynamics", *going_on, str(third), "--width", "64")
    run("train", "codec", str(recording), "--world", str(third), "--preset", "smoke", "--steps", "2")
    with pytest.raises(CheckpointError, match=r"is another codec than that of first; name a new folder"):
        run("train", "dynamics", *going_on, str(third))


def test_a_world_goes_on_from_its_own_kind_only(recording: Path, tmp_path: Path, tiny_world: World) -> None:
    other = tiny_world.save(tmp_path / "other").folder
    with pytest.raises(BadInputError, match=r"the dataset's frames are 240x160, those of .* 48x32: record with --size"):
        run("train", "dynamics", str(recording), "--world", str(tmp_path / "toy"), "--from", str(other))
    assert not list(training_folder(tmp_path / "toy").glob("codec*"))


def test_a_training_is_neither_repeated_nor_mixed_up(recording: Path, tmp_path: Path) -> None:
    world = tmp_path / "toy"
    train = [str(recording), "--world", str(world), "--preset", "smoke"]
    run("train", "codec", *train, "--steps", "2")
    with pytest.raises(CheckpointError, match=r"at step 2: go on with --resume, or replace it with --fresh"):
        run("train", "codec", *train, "--steps", "2")
    run("train", "dynamics", *train, "--steps", "2")
    run("train", "codec", *train, "--steps", "4", "--fresh")
    with pytest.raises(CheckpointError, match=r"latents of another codec.*--fresh"):
        run("train", "bundle", str(recording), "--world", str(world))
    with pytest.raises(CheckpointError, match=r"latents of another codec.*--fresh"):
        run("train", "dynamics", *train, "--steps", "4", "--resume")
    assert not world.exists()


def test_what_cannot_work_is_said_before_the_training(recording: Path, tmp_path: Path) -> None:
    with pytest.raises(WorldError, match="'Toy'"):
        run("train", "codec", str(recording), "--world", str(tmp_path / "Toy"), "--preset", "smoke")
    short = tmp_path / "short"
    size = ["--size", "240x160", "--ticks", "20", "--seed", "3"]
    run("record", "gym:CarRacing-v3", "--episodes", "2", *size, "--out", str(short))
    with pytest.raises(DatasetError, match=r"no train episode of at least 48 ticks; record more"):
        run("train", "codec", str(short), "--world", str(tmp_path / "toy"), "--preset", "smoke")
    assert not training_folder(tmp_path / "toy").exists()


def test_figures_of_a_card_must_be_an_evaluation(tmp_path: Path) -> None:
    assert card_figures([]) == {}
    assert report_clip([]) is None
    wrong = tmp_path / "figures.json"
    for content in ("{", "[]", '{"psnr_codec": 30}'):
        wrong.write_text(content)
        with pytest.raises(BadInputError, match=r"figures\.json must be what"):
            card_figures([tmp_path])
    wrong.write_bytes(bytes(range(128, 256)) * 100)
    with pytest.raises(BadInputError, match=r"figures\.json must be what") as caught:
        card_figures([tmp_path])
    assert len(str(caught.value)) < 300  # not the whole file
    with pytest.raises(BadInputError, match=r"figures\.json must be what"):
        card_figures([tmp_path / "none"])


def test_notes_of_a_card_are_lists_of_sentences(tmp_path: Path) -> None:
    assert card_notes(None) == {}
    file = tmp_path / "notes.json"
    for content in ("{", "[]", '{"does badly": "much"}', '{"does badly": [1]}'):
        file.write_text(content)
        with pytest.raises(BadInputError, match=r"notes\.json must be a JSON object of lists of sentences"):
            card_notes(file)
    with pytest.raises(BadInputError, match=r"none\.json must be a JSON object"):
        card_notes(tmp_path / "none.json")
    file.write_text('{"does well": ["It turns."], "does badly": []}')
    assert card_notes(file) == {"does well": ["It turns."], "does badly": []}


def test_compiled_training_learns_the_same(recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = tmp_path / "toy"
    train = [str(recording), "--world", str(world), "--preset", "smoke"]
    run("train", "codec", *train, "--steps", "2")
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(BadInputError, match="needs a C\\+\\+ compiler"):
        run("train", "dynamics", *train, "--compile")
    monkeypatch.delenv("CXX")
    run("train", "dynamics", *train, "--steps", "3")
    eager, _ = load_tensors(training_folder(world) / "dynamics.safetensors")
    if not shutil.which("g++"):
        pytest.skip("needs g++")
    run("train", "dynamics", *train, "--steps", "3", "--compile", "--fresh")
    compiled, _ = load_tensors(training_folder(world) / "dynamics.safetensors")
    for name, weights in eager.items():
        torch.testing.assert_close(compiled[name], weights, atol=1e-4, rtol=1e-2, msg=name)


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
    save_tensors(checkpoint, tensors | {"model/leave.weight": tensors["model/leave.weight"][:, :5].clone()}, facts)
    with pytest.raises(CheckpointError, match=r"leave.weight.*--fresh"):
        run("train", "dynamics", *train, "--resume")

    stored = next((folder / "latents").glob("*.npy"))
    stored.write_bytes(stored.read_bytes()[:300])
    with pytest.raises(DatasetError, match=f"{stored.name} is damaged.*delete it"):
        run("train", "dynamics", *train, "--fresh")


def test_latents_follow_their_codec(recording: Path, tmp_path: Path) -> None:
    """Another encoder's latents are made anew; the same encoder's are kept."""
    torch.manual_seed(0)
    dataset = Dataset.open(recording)
    codec = Codec(CodecConfig(160, 240, channels=4, coarse_width=8, coarse_blocks=1, fine_width=8, fine_blocks=1))
    store_pictures(dataset, codec.config, tmp_path / "pictures")
    pictures = open_pictures(dataset, codec.config, tmp_path / "pictures", "train")
    codec.fit(draw_pictures(pictures, 50, np.random.default_rng(0)))
    first = store_latents(pictures, codec, tmp_path / "latents")[0]
    real = torch.from_numpy(dataset.frames(dataset.episodes("train")[0], 3, 4)).permute(0, 3, 1, 2) / 127.5 - 1
    expected = codec.encode(real[None])[0, 0]
    assert (first.latent(3) - expected).abs().max() < 0.05  # 8 bits, twice

    stored = tmp_path / "latents" / f"{first.name}.npy"
    made = stored.stat().st_mtime_ns
    store_latents(pictures, codec, tmp_path / "latents")
    assert stored.stat().st_mtime_ns == made
    with torch.no_grad():
        codec.encoder.linear.bias += 0.5
    second = store_latents(pictures, codec, tmp_path / "latents")[0]
    assert stored.stat().st_mtime_ns > made and not np.array_equal(first.latents, second.latents)
