from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from dreamcade.core.errors import CheckpointError
from dreamcade.evaluation.features import FEATURES, EfficientNetLite, SameConv


def test_features_tell_pictures_apart() -> None:
    network = EfficientNetLite.load()
    rng = np.random.default_rng(0)
    stripes = np.zeros((64, 96, 3), np.uint8)
    stripes[::8] = 255
    smooth = np.broadcast_to(np.linspace(0, 255, 96).astype(np.uint8)[None, :, None], (64, 96, 3))
    noisy = (smooth * 0.99).astype(np.uint8) + rng.integers(0, 2, smooth.shape).astype(np.uint8)
    found = network.describe(np.stack([stripes, smooth, noisy]))
    assert found.shape == (3, FEATURES)
    far, near = (float(np.linalg.norm(found[i] - found[1])) for i in (0, 2))
    assert far > 1.5 * near
    assert network.describe(np.zeros((0, 8, 8, 3), np.uint8)).shape == (0, FEATURES)


def test_odd_pixels_are_padded_to_the_right_as_tensorflow_does() -> None:
    conv = SameConv(1, 1, 3, 2)
    torch.nn.init.constant_(conv.weight, 1.0)
    made = conv(torch.arange(16.0).view(1, 1, 4, 4))
    # Windows start at 0: the last ones reach one row and column beyond the picture.
    assert made.flatten().tolist() == [45.0, 39.0, 66.0, 50.0]


def test_damaged_weights_are_named(tmp_path: Path) -> None:
    file = tmp_path / "weights.safetensors"
    file.write_bytes(b"nothing")
    with pytest.raises(CheckpointError, match=r"weights\.safetensors"):
        EfficientNetLite.load(file)
