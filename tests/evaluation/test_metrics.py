from __future__ import annotations

import numpy as np
import pytest
import torch

from dreamcade.core.errors import BadInputError
from dreamcade.evaluation.lpips import LPIPS
from dreamcade.evaluation.metrics import HIGHEST_PSNR, lpips_of_pixels, mean_interval, psnr, ssim


def test_psnr_of_known_error() -> None:
    first = np.zeros((2, 8, 8, 3), np.uint8)
    second = first.copy()
    second[1] = 10
    assert psnr(first, second) == pytest.approx([HIGHEST_PSNR, 10 * np.log10(255**2 / 100)])


def test_psnr_knows_the_range_of_floats() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2, 1, 8, 8, 3)).astype(np.uint8)
    as_float = pixels.astype(np.float32) / 127.5 - 1
    assert psnr(as_float[0], as_float[1]) == pytest.approx(psnr(pixels[0], pixels[1]), abs=1e-3)


def test_psnr_refuses_other_shapes_and_dtypes() -> None:
    with pytest.raises(BadInputError, match="one dtype"):
        psnr(np.zeros((1, 8, 8, 3), np.uint8), np.zeros((1, 8, 8, 3), np.float32))
    with pytest.raises(BadInputError, match="compares two"):
        psnr(np.zeros((1, 8, 8, 3), np.uint8), np.zeros((2, 8, 8, 3), np.uint8))


def test_interval_holds_the_mean_and_widens_for_groups() -> None:
    values = np.repeat([1.0, 2.0, 3.0, 4.0], 25)
    alone = mean_interval(values, [str(i) for i in range(100)])
    grouped = mean_interval(values, [str(int(v)) for v in values])
    assert alone[0] < 2.5 < alone[1]
    assert grouped[0] < alone[0]
    assert alone[1] < grouped[1]


def test_interval_of_one_group_draws_its_values() -> None:
    low, high = mean_interval([1.0, 2.0, 3.0], ["a", "a", "a"])
    assert low < 2.0 < high


def test_interval_needs_values() -> None:
    with pytest.raises(BadInputError, match="needs its group"):
        mean_interval([], [])


def test_lpips_of_pixels_is_lpips() -> None:
    network = LPIPS.load()
    real, other = np.random.default_rng(0).integers(0, 256, (2, 3, 64, 64, 3)).astype(np.uint8)
    scores = lpips_of_pixels(network, real, {"same": real, "other": other, "first": real[:1]})
    x, y = (torch.from_numpy(p).permute(0, 3, 1, 2).float() / 127.5 - 1 for p in (real, other))
    assert scores["same"].tolist() == [0.0, 0.0, 0.0]
    assert scores["other"] == pytest.approx(network(x, y).numpy(), rel=1e-4)
    assert scores["first"][0] == 0
    assert scores["first"][1] == pytest.approx(float(network(x[:1], x[1:2])), rel=1e-4)


def test_ssim_of_the_same_and_of_noise() -> None:
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (2, 24, 32, 3)).astype(np.uint8)
    assert ssim(pictures, pictures) == pytest.approx([1.0, 1.0])
    assert (ssim(pictures, pictures[::-1].copy()) < 0.1).all()


def test_ssim_forgives_brightness_more_than_structure() -> None:
    rows = np.broadcast_to(np.linspace(30, 200, 32)[None, None, :, None], (1, 24, 32, 3))
    picture = rows.astype(np.uint8)
    brighter, mirrored = (rows + 8).astype(np.uint8), picture[:, :, ::-1].copy()
    assert ssim(brighter, picture)[0] > 0.98 > ssim(mirrored, picture)[0]
    with pytest.raises(BadInputError, match="at least 11"):
        ssim(picture[:, :5], picture[:, :5])
