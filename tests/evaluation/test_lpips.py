from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from dreamcade.core.errors import BadInputError, CheckpointError
from dreamcade.evaluation.lpips import LPIPS


@pytest.fixture(scope="module")
def network() -> LPIPS:
    return LPIPS.load()


@pytest.fixture
def picture() -> Tensor:
    small = torch.rand(2, 3, 6, 9, generator=torch.Generator().manual_seed(0)) * 2 - 1
    return torch.nn.functional.interpolate(small, (64, 96), mode="bicubic").clamp(-1, 1)


def test_identical_pictures_have_no_distance(network: LPIPS, picture: Tensor) -> None:
    assert torch.equal(network(picture, picture), torch.zeros(2))


def test_more_noise_is_further_away(network: LPIPS, picture: Tensor) -> None:
    noise = torch.randn(picture.shape, generator=torch.Generator().manual_seed(1))
    distances = torch.stack([network(picture, picture + amount * noise) for amount in (0.02, 0.1, 0.5)])
    assert bool((distances.diff(dim=0) > 0).all())
    assert bool((distances[-1] > 0.3).all())


def test_symmetric(network: LPIPS, picture: Tensor) -> None:
    other = picture.flip(-1)
    assert torch.allclose(network(picture, other), network(other, picture), atol=1e-6)


def test_differentiable_in_pictures_and_frozen_in_weights(network: LPIPS, picture: Tensor) -> None:
    other = torch.zeros_like(picture).requires_grad_()
    network(picture, other).sum().backward()
    assert other.grad is not None
    assert bool(other.grad.isfinite().all())
    assert bool(other.grad.any())
    assert not any(p.requires_grad for p in network.parameters())


def test_gradient_at_identical_pictures_is_finite(network: LPIPS, picture: Tensor) -> None:
    other = picture.clone().requires_grad_()
    network(picture, other).sum().backward()
    assert other.grad is not None
    assert bool(other.grad.isfinite().all())


def test_wrong_shapes(network: LPIPS, picture: Tensor) -> None:
    with pytest.raises(BadInputError, match="compares two"):
        network(picture, picture[:1])
    with pytest.raises(BadInputError, match="at least 64"):
        network(picture[..., :32, :32], picture[..., :32, :32])


def test_missing_or_damaged_weights(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="reinstall"):
        LPIPS.load(tmp_path / "absent.safetensors")
    (tmp_path / "bad.safetensors").write_bytes(b"nonsense")
    with pytest.raises(CheckpointError, match="cannot read"):
        LPIPS.load(tmp_path / "bad.safetensors")
