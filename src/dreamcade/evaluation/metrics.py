"""Figures about pictures, and how sure one may be of their mean."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dreamcade.core.errors import BadInputError
from dreamcade.core.types import Pixels
from dreamcade.evaluation.lpips import LPIPS

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is."""

HIGHEST_PSNR = 100.0
"""What identical pictures score: finite, so that means stay finite."""


def psnr(first: NDArray[Any], second: NDArray[Any]) -> NDArray[np.float64]:
    """PSNR in dB, one figure per picture: `[..., H, W, 3]` → `[...]`.

    uint8 pictures range over 0…255, float pictures over −1…1. PSNR = 10·log10(range² / mean squared error).
    Raises `BadInputError` for shapes or dtypes that differ.
    """
    if first.shape != second.shape or first.dtype != second.dtype or first.ndim < 3:
        raise BadInputError(
            f"PSNR compares two [..., H, W, 3] of one dtype; got {first.dtype} {list(first.shape)} "
            f"and {second.dtype} {list(second.shape)}"
        )
    span = 255.0 if first.dtype == np.uint8 else 2.0
    difference = np.subtract(first, second, dtype=np.float32)
    error = np.square(difference).mean(axis=(-3, -2, -1), dtype=np.float64)
    figures: NDArray[np.float64] = np.minimum(10 * np.log10(span**2 / np.maximum(error, 1e-12)), HIGHEST_PSNR)
    return figures


_WINDOW, _SPREAD = 11, 1.5
_STABLE = ((0.01 * 255) ** 2, (0.03 * 255) ** 2)


@torch.inference_mode()
def ssim(first: Pixels, second: Pixels) -> NDArray[np.float64]:
    """Structural similarity of the luminance, one figure per picture: uint8 `[N, H, W, 3]` → `[N]`, 1 for the same.

    Wang et al., IEEE TIP 2004: Gaussian windows of 11×11 with deviation 1.5. A first of one picture is compared with
    every second. Raises `BadInputError` for shapes that differ or are smaller than a window.
    """
    if first.shape[1:] != second.shape[1:] or first.ndim != 4 or min(first.shape[1:3]) < _WINDOW:
        raise BadInputError(
            f"SSIM compares two [N, H, W, 3] of at least {_WINDOW} pixels a side; "
            f"got {list(first.shape)} and {list(second.shape)}"
        )
    x, y = _luminance(first), _luminance(second)
    mean_x, mean_y = _blur(x), _blur(y)
    spread_x, spread_y = _blur(x * x) - mean_x**2, _blur(y * y) - mean_y**2
    together = _blur(x * y) - mean_x * mean_y
    a, b = _STABLE
    likeness = (2 * mean_x * mean_y + a) * (2 * together + b)
    likeness = likeness / ((mean_x**2 + mean_y**2 + a) * (spread_x + spread_y + b))
    return np.asarray(likeness.mean((1, 2, 3)).numpy(), np.float64)


def _luminance(pictures: Pixels) -> torch.Tensor:
    weights = torch.tensor([0.299, 0.587, 0.114])
    return (torch.from_numpy(np.array(pictures)).float() @ weights)[:, None]


def _blur(x: torch.Tensor) -> torch.Tensor:
    offsets = torch.arange(_WINDOW) - _WINDOW // 2
    kernel = torch.exp(-(offsets**2) / (2 * _SPREAD**2))
    kernel = kernel / kernel.sum()
    rows = torch.nn.functional.conv2d(x, kernel.view(1, 1, -1, 1))
    return torch.nn.functional.conv2d(rows, kernel.view(1, 1, 1, -1))


@torch.inference_mode()
def lpips_of_pixels(network: LPIPS, real: Pixels, rivals: Mapping[str, Pixels]) -> dict[str, NDArray[np.float64]]:
    """LPIPS of every rival's pictures against the real ones `[N, H, W, 3]` → `[N]` for each rival.

    A rival may be a single picture, `[1, H, W, 3]`. Every picture goes through the network once.
    """
    truth = _embed(network, real)
    scores = {}
    for name, pictures in rivals.items():
        maps = _embed(network, pictures)
        pairs = zip(truth, maps * len(truth) if len(maps) == 1 else maps, strict=True)
        scores[name] = np.array([float(network.distance(a, b)) for a, b in pairs])
    return scores


def _embed(network: LPIPS, pictures: Pixels) -> list[list[torch.Tensor]]:
    device = next(network.parameters()).device
    batch = torch.from_numpy(np.array(pictures)).to(device).permute(0, 3, 1, 2).float() / 127.5 - 1.0
    # One at a time: on a CPU the maps of a single 720x480 picture fill the caches already.
    return [network.embed(picture[None]) for picture in batch]


def mean_interval(
    values: Sequence[float] | NDArray[np.float64], groups: Sequence[str], seed: int = 0, draws: int = 2000
) -> tuple[float, float]:
    """95 % confidence interval of the mean, by bootstrap over whole groups.

    Windows of one episode resemble each other, so episodes are drawn, not windows; one group gives the plain range
    of a bootstrap over its values.
    """
    array, names = np.asarray(values, np.float64), np.asarray(groups)
    if len(array) != len(names) or not len(array):
        raise BadInputError(f"each value needs its group; got {len(array)} values and {len(names)} groups")
    unique = np.unique(names)
    blocks = [array[names == name] for name in unique] if len(unique) > 1 else np.split(array, len(array))
    sums, sizes = np.array([b.sum() for b in blocks]), np.array([len(b) for b in blocks])
    picks = np.random.default_rng(seed).integers(len(blocks), size=(draws, len(blocks)))
    means = sums[picks].sum(1) / sizes[picks].sum(1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)
