"""Bundles: what is saved is what is loaded, and what is wrong is said in one line."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from dreamcade.core.errors import BadInputError, UnknownNameError, WorldError
from dreamcade.dynamics import ActionPredictor, ExtrapolationConfig, Extrapolator, PredictorConfig
from dreamcade.world import World
from dreamcade.world.manifest import (
    CLIP_FILE,
    CODEC_FILE,
    DYNAMICS_FILE,
    HASHED_FILES,
    PREDICTOR_FILE,
    STARTS_FILE,
)


@pytest.fixture
def folder(tiny_world: World, tmp_path: Path) -> Path:
    path = tmp_path / "toy"
    tiny_world.save(path)
    return path


def edit_manifest(folder: Path, **changes: Any) -> None:
    path = folder / "world.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_full_precision_round_trip_is_exact(tiny_world: World, tmp_path: Path) -> None:
    saved = tiny_world.save(tmp_path / "w", half=False)
    loaded = World.load(tmp_path / "w")
    assert loaded.manifest == saved.manifest
    assert set(loaded.manifest.files) == set(HASHED_FILES)
    for name, tensor in tiny_world.dynamics.state_dict().items():
        assert torch.equal(tensor, loaded.dynamics.state_dict()[name])
    assert loaded.identity == tiny_world.identity
    for ours, theirs in zip(tiny_world.starts, loaded.starts, strict=True):
        assert (ours.name, ours.title, ours.thumbnail) == (theirs.name, theirs.title, theirs.thumbnail)
        assert torch.equal(ours.latents, theirs.latents)
        assert torch.equal(ours.actions, theirs.actions)


def test_a_clip_goes_with_the_world(tiny_world: World, tmp_path: Path) -> None:
    folder = tmp_path / "toy"
    dataclasses.replace(tiny_world, clip=b"a moving picture").save(folder)
    loaded = World.load(folder)
    assert loaded.clip == b"a moving picture"
    assert "(clip.webp)" in (folder / "README.md").read_text()
    (folder / CLIP_FILE).write_bytes(b"another")
    with pytest.raises(WorldError, match=r"clip\.webp is damaged or was changed"):
        World.load(folder)
    tiny_world.save(folder)
    assert World.load(folder).clip is None
    assert not (folder / CLIP_FILE).exists()


def with_predictor(world: World) -> World:
    """Thirds of the axis; random weights."""
    predictor = ActionPredictor(PredictorConfig((3, 1), 4, width=8))
    predictor.places.copy_(torch.tensor([[0, 0], [1, 0], [-3, 1], [2, 1]]))
    return world.with_predictor(predictor)


@pytest.mark.parametrize("half", [True, False])
def test_a_predictor_goes_with_the_world(tiny_world: World, tmp_path: Path, half: bool) -> None:
    made = with_predictor(tiny_world)
    saved = made.save(tmp_path / "toy", half=half)
    loaded = World.load(tmp_path / "toy")
    assert made.predictor is not None and loaded.predictor is not None
    assert loaded.predictor.config == made.predictor.config
    assert torch.equal(loaded.predictor.vocabulary, made.predictor.vocabulary)  # thirds, though weights are halved
    assert PREDICTOR_FILE in saved.manifest.files
    assert World.load(tmp_path / "toy").save(tmp_path / "other").predictor is not None
    tiny_world.save(tmp_path / "toy")
    assert World.load(tmp_path / "toy").predictor is None


def test_a_predictor_is_no_part_of_how_a_world_plays(tiny_world: World) -> None:
    assert with_predictor(tiny_world).identity == tiny_world.identity


def test_a_predictor_for_other_controls_is_refused(tiny_world: World, tmp_path: Path) -> None:
    with pytest.raises(WorldError, match=r"predictor is for 3 controls and the world has 2; train it from recordings"):
        tiny_world.with_predictor(ActionPredictor(PredictorConfig((2, 2, 2), 4)))
    with_predictor(tiny_world).save(tmp_path / "toy")
    edit_manifest(tmp_path / "toy", predictor={"levels": [3], "vocabulary": 4, "width": 8})
    with pytest.raises(WorldError, match="predictor is for 1 controls"):
        World.load(tmp_path / "toy")


def test_a_damaged_predictor_is_named(tiny_world: World, tmp_path: Path) -> None:
    folder = tmp_path / "toy"
    with_predictor(tiny_world).save(folder)
    config = json.loads((folder / "world.json").read_text())["predictor"]
    for changes, said in (
        ({"levels": [0, 1]}, r"world\.json: a grid needs a whole number of levels"),
        ({"vocabulary": 0}, r"world\.json: a predictor's vocabulary"),
        ({"vocabulary": 5}, r"predictor\.safetensors does not fit the config"),
        ({"depth": 5}, "does not know depth"),
    ):
        edit_manifest(folder, predictor={**config, **changes})
        with pytest.raises(WorldError, match=said):
            World.load(folder)
    edit_manifest(folder, predictor=config)
    (folder / PREDICTOR_FILE).write_bytes(b"no weights")
    with pytest.raises(WorldError, match=r"predictor\.safetensors is damaged or was changed"):
        World.load(folder)
    rehash(folder, PREDICTOR_FILE)
    with pytest.raises(WorldError, match=r"predictor\.safetensors is damaged"):
        World.load(folder)
    (folder / PREDICTOR_FILE).unlink()
    with pytest.raises(WorldError, match=r"predictor\.safetensors is missing"):
        World.load(folder)


def test_half_precision_is_loaded_as_float32(folder: Path, tiny_world: World) -> None:
    loaded = World.load(folder)
    assert {p.dtype for p in loaded.dynamics.parameters()} == {torch.float32}
    assert not any(p.requires_grad for p in loaded.codec.parameters())
    for name, tensor in tiny_world.codec.state_dict().items():
        torch.testing.assert_close(loaded.codec.state_dict()[name], tensor, atol=1e-3, rtol=1e-3)
    assert loaded.identity != tiny_world.identity
    assert loaded.frame_size == (48, 32)
    assert loaded.tick_rate == 50.0
    assert loaded.controls == tiny_world.controls


def test_actions_of_a_start_led_to_its_frames(tiny_world: World) -> None:
    assert not tiny_world.starts[0].actions[0].any()
    assert tiny_world.starts[0].actions[1:].any()


def test_saving_again_replaces_the_world(folder: Path, tiny_world: World) -> None:
    before = World.load(folder).identity
    World.load(folder).save(folder)
    assert World.load(folder).identity == before
    assert [p.name for p in folder.parent.iterdir()] == ["toy"]


def test_saving_leaves_a_foreign_folder_alone(tiny_world: World, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(BadInputError, match=r"thesis\.tex"):
        tiny_world.save(tmp_path)
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_an_interrupted_save_keeps_the_old_world(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World.load(folder)

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("dreamcade.world.world.write_starts", interrupt)
    with pytest.raises(KeyboardInterrupt):
        world.save(folder)
    assert World.load(folder).identity == world.identity
    assert [p.name for p in folder.parent.iterdir()] == ["toy"]


@pytest.mark.parametrize("name", HASHED_FILES)
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(WorldError, match=f"{name} is missing; get the world again"):
        World.load(folder)


@pytest.mark.parametrize("name", [CODEC_FILE, DYNAMICS_FILE, STARTS_FILE])
def test_a_flipped_bit_is_noticed(folder: Path, name: str) -> None:
    data = bytearray((folder / name).read_bytes())
    data[-5] ^= 1
    (folder / name).write_bytes(data)
    with pytest.raises(WorldError, match=f"{name} is damaged or was changed"):
        World.load(folder)


@pytest.mark.parametrize("name", [CODEC_FILE, DYNAMICS_FILE, STARTS_FILE])
def test_a_file_that_is_no_safetensors_is_refused(folder: Path, name: str) -> None:
    """Its hash may be right all the same: then the format itself must say no, and nothing is unpickled."""
    torch.save({"weights": torch.zeros(3)}, folder / name)
    rehash(folder, name)
    with pytest.raises(WorldError, match=f"{name} is damaged"):
        World.load(folder)


def test_weights_of_other_sizes_are_refused(folder: Path) -> None:
    codec = json.loads((folder / "world.json").read_text())["codec"]
    edit_manifest(folder, codec={**codec, "fine_width": 32})
    with pytest.raises(WorldError, match="does not fit the config"):
        World.load(folder)


def test_swapped_weights_are_refused(folder: Path) -> None:
    (folder / CODEC_FILE).write_bytes((folder / DYNAMICS_FILE).read_bytes())
    rehash(folder, CODEC_FILE)
    with pytest.raises(WorldError, match=r"does not fit the config in world\.json: it lacks"):
        World.load(folder)


def test_parts_that_do_not_fit_together_are_refused(folder: Path) -> None:
    edit_manifest(folder, frame_size=[96, 32])
    with pytest.raises(WorldError, match="frame size"):
        World.load(folder)


def test_unknown_config_keys_are_refused(folder: Path) -> None:
    codec = json.loads((folder / "world.json").read_text())["codec"]
    edit_manifest(folder, codec={**codec, "colour": 1})
    with pytest.raises(WorldError, match="does not know colour"):
        World.load(folder)


def test_weights_that_are_not_finite_are_refused(folder: Path, tiny_world: World) -> None:
    from dreamcade.world.bundle import write_tensors

    tensors = dict(tiny_world.codec.state_dict())
    name = next(iter(tensors))
    tensors[name] = torch.full_like(tensors[name], float("nan"))
    write_tensors(folder / CODEC_FILE, tensors)
    rehash(folder, CODEC_FILE)
    with pytest.raises(WorldError, match="not finite"):
        World.load(folder)


def test_starts_by_name_and_number(tiny_world: World) -> None:
    assert tiny_world.start().name == tiny_world.start(0).name == "left"
    assert tiny_world.start("right").name == tiny_world.start(1).name == "right"
    with pytest.raises(UnknownNameError, match="did you mean 'right'"):
        tiny_world.start("rigth")
    with pytest.raises(BadInputError, match="0…1; got 2"):
        tiny_world.start(2)


def rehash(folder: Path, name: str) -> None:
    from dreamcade.world.bundle import file_hash

    files = json.loads((folder / "world.json").read_text())["files"]
    edit_manifest(folder, files={**files, name: file_hash(folder / name)})


def calibrated(world: World) -> World:
    config = ExtrapolationConfig(action_distance=0.5, curvature=1.5, most_skips=2, width=8)
    extrapolator = Extrapolator(config, world.dynamics.config)
    for parameter in extrapolator.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return world.with_extrapolator(extrapolator)


def test_a_calibration_goes_with_the_world(tiny_world: World, tmp_path: Path) -> None:
    world = calibrated(tiny_world)
    world.save(tmp_path / "w", half=False)
    loaded = World.load(tmp_path / "w")
    assert loaded.extrapolator is not None and world.extrapolator is not None
    assert loaded.extrapolator.config == world.extrapolator.config
    for name, tensor in world.extrapolator.state_dict().items():
        assert torch.equal(tensor, loaded.extrapolator.state_dict()[name])
    assert loaded.identity == tiny_world.identity


def test_an_extrapolator_for_other_latents(tiny_world: World, tmp_path: Path) -> None:
    world = calibrated(tiny_world)
    other = dataclasses.replace(tiny_world.dynamics.config, latent_channels=4)
    config = ExtrapolationConfig(action_distance=0.5, curvature=1.5, most_skips=2, width=8)
    with pytest.raises(WorldError, match="calibrate this world"):
        tiny_world.with_extrapolator(Extrapolator(config, other))
    dataclasses.replace(world, extrapolator=Extrapolator(config, other)).save(tmp_path / "w")
    with pytest.raises(WorldError, match=r"extrapolation\.safetensors does not fit .* or calibrate it"):
        World.load(tmp_path / "w")
