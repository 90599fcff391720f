"""The codec's training: both stages learn, the second leaves the encoder alone, and it goes on where it stopped."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from dreamcade.codec import CodecConfig
from dreamcade.core.checkpoint import load_tensors, save_tensors
from dreamcade.core.errors import CheckpointError
from dreamcade.dataset.reader import Dataset
from dreamcade.training.assemble import load_codec
from dreamcade.training.codec_trainer import (
    CodecTrainer,
    CodecTraining,
    edge_weights,
    fit_normalisation,
    stored_normalisation,
)
from dreamcade.training.frame_pool import crop, draw_corners, draw_frames
from dreamcade.training.picture_store import draw_pictures, open_pictures, store_pictures

CONFIG = CodecConfig(
    64,
    96,
    fold=2,
    gather=2,
    channels=8,
    coarse_width=16,
    coarse_blocks=1,
    fine_width=16,
    fine_blocks=1,
    context_width=16,
    detail_width=8,
)
SETTINGS = CodecTraining(steps=200, batch=4, check_every=50)


def trainer(dataset: Dataset, folder: Path, resume: bool = False, settings: CodecTraining = SETTINGS) -> CodecTrainer:
    store_pictures(dataset, CONFIG, folder / "pictures")
    pictures = open_pictures(dataset, CONFIG, folder / "pictures", "train")
    config = fit_normalisation(CONFIG, draw_pictures(pictures, 30, np.random.default_rng(0)))
    frames, heldout = (draw_frames(dataset, split, 8, 0) for split in ("train", "heldout"))
    made = CodecTrainer(config, settings, folder, pictures, frames, heldout, torch.device("cpu"))
    made.prepare(resume)
    return made


def test_both_stages_learn(sliding_data: Dataset, tmp_path: Path) -> None:
    training, losses, deep = trainer(sliding_data, tmp_path), {}, {}

    def report(step: int, figures: dict[str, float]) -> None:
        losses[step] = figures["loss"]
        deep[step] = training.codec.encoder.join.weight.detach().clone()

    start = training.held_out_figures()
    training.run(report)
    first = SETTINGS.first_stage
    assert first == 140
    assert np.mean([losses[s] for s in range(first - 9, first + 1)]) < 0.9 * np.mean([losses[s] for s in range(1, 6)])
    assert not torch.equal(deep[1], deep[first]) and torch.equal(deep[first], deep[200])
    end = training.held_out_figures()
    assert end["psnr"] > start["psnr"] + 1 and end["psnr_small_picture"] > start["psnr_small_picture"] + 1
    saved, facts = load_codec(tmp_path)
    assert facts["step"] == 200 and saved.config == training.codec.config
    lines = [json.loads(line) for line in (tmp_path / "codec.figures.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [50, 100, 150, 200]
    assert all(line["psnr"] > 0 and line["frames_per_second"] > 0 for line in lines)


def test_resuming_goes_on(sliding_data: Dataset, tmp_path: Path) -> None:
    class Stop(Exception):
        pass

    def stop(step: int, figures: dict[str, float]) -> None:
        if step == 165:
            raise Stop

    with pytest.raises(Stop):
        trainer(sliding_data, tmp_path).run(stop)
    resumed, steps = trainer(sliding_data, tmp_path, resume=True), []
    assert resumed.step == 150
    resumed.run(lambda step, figures: steps.append(step))
    assert steps[0] == 151 and steps[-1] == 200


def test_ctrl_c_loses_nothing(sliding_data: Dataset, tmp_path: Path) -> None:
    def stop(step: int, figures: dict[str, float]) -> None:
        if step == 13:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trainer(sliding_data, tmp_path).run(stop)
    assert trainer(sliding_data, tmp_path, resume=True).step == 13


def test_a_damaged_checkpoint_is_named(sliding_data: Dataset, tmp_path: Path) -> None:
    trainer(sliding_data, tmp_path).save()
    checkpoint = tmp_path / "codec.checkpoint.safetensors"
    checkpoint.write_bytes(checkpoint.read_bytes()[:200])
    with pytest.raises(CheckpointError, match=r"codec\.checkpoint\.safetensors"):
        trainer(sliding_data, tmp_path, resume=True)


def test_a_checkpoint_of_another_codec_is_named(sliding_data: Dataset, tmp_path: Path) -> None:
    trainer(sliding_data, tmp_path).save()
    checkpoint = tmp_path / "codec.checkpoint.safetensors"
    tensors, facts = load_tensors(checkpoint)
    name = "model/encoder.join.weight"
    save_tensors(checkpoint, tensors | {name: tensors[name][:5].clone()}, facts)
    with pytest.raises(CheckpointError, match=r"codec\.checkpoint.*encoder\.join\.weight.*another preset"):
        trainer(sliding_data, tmp_path, resume=True)


def test_a_resumed_codec_sees_colours_as_before(sliding_data: Dataset, tmp_path: Path) -> None:
    first = trainer(sliding_data, tmp_path)
    first.save()
    other = dataclasses.replace(CONFIG, mean=(0.5, 0.5, 0.5), deviation=(1.0, 1.0, 1.0))
    assert stored_normalisation(other, first.checkpoint) == first.codec.config
    save_tensors(first.checkpoint, {}, {})
    with pytest.raises(CheckpointError, match="no codec's checkpoint"):
        stored_normalisation(other, first.checkpoint)


def test_small_things_weigh_more() -> None:
    picture = torch.zeros(1, 3, 32, 32)
    picture[..., 16, 16] = 1.0
    weights = edge_weights(picture, 3.0, scale=2)
    assert weights[0, 0, 16, 16] > 3.5 and (weights[0, 0, :8, :8] == 1).all()


def test_crops_of_frames_and_of_small_pictures_show_the_same() -> None:
    frames = torch.rand(5, 3, 64, 96)
    small = torch.nn.functional.avg_pool2d(frames, 4)
    corners = draw_corners(5, (64, 96), 32, 8, np.random.default_rng(0))
    assert (corners % 8 == 0).all() and (corners >= 0).all() and (corners <= [32, 64]).all()
    of_frames, of_pictures = crop(frames, corners, 32), crop(small, corners // 4, 8)
    torch.testing.assert_close(torch.nn.functional.avg_pool2d(of_frames, 4), of_pictures)
