"""LPIPS (Alex, v0.1): a distance between pictures that agrees with people better than PSNR does.

Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric", CVPR 2018. The weights are
shipped with the package; also used, differentiably, as a loss by the codec's training.
"""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from dreamcade.core.errors import BadInputError, CheckpointError

WEIGHTS = Path(__file__).parent / "perceptual" / "lpips_alex.safetensors"
SMALLEST_SIDE = 64
"""Below this, AlexNet's last maps are too small to mean anything."""
_STAGE_ENDS = (1, 4, 7, 9, 11)
_CHANNELS = (64, 192, 384, 256, 256)


def _alexnet_features() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 64, 11, stride=4, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(3, stride=2),
        nn.Conv2d(64, 192, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(3, stride=2),
        nn.Conv2d(192, 384, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(384, 256, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(256, 256, 3, padding=1),
        nn.ReLU(),
    )


class LPIPS(nn.Module):
    """Perceptual distance, 0 for identical pictures, around 0.7 for unrelated ones. All weights are frozen."""

    shift: Tensor
    scale: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.features = _alexnet_features()
        for i, channels in enumerate(_CHANNELS):
            self.register_module(f"lin{i}", nn.Conv2d(channels, 1, 1, bias=False))
        self.register_buffer("shift", torch.tensor([-0.030, -0.088, -0.188]).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("scale", torch.tensor([0.458, 0.448, 0.450]).view(1, 3, 1, 1), persistent=False)
        self.requires_grad_(False)

    @classmethod
    def load(cls, path: Path = WEIGHTS) -> LPIPS:
        """Reads the shipped weights; raises `CheckpointError` when the file is missing or damaged."""
        try:
            weights = load_file(path)
            network = cls()
            network.load_state_dict({name: tensor.float() for name, tensor in weights.items()})
        except (OSError, SafetensorError, RuntimeError) as error:
            reason = str(error).splitlines()[0]
            raise CheckpointError(f"cannot read the LPIPS weights {path}: {reason}; reinstall dreamcade") from error
        return network.eval()

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """x, y: float `[N, 3, H, W]` in [−1, 1] → distances float32 `[N]`, differentiable in both.

        Raises `BadInputError` for shapes that differ or are smaller than 64 pixels a side.
        """
        if x.shape != y.shape or x.ndim != 4 or x.shape[1] != 3:
            raise BadInputError(f"LPIPS compares two [N, 3, H, W]; got {list(x.shape)} and {list(y.shape)}")
        if min(x.shape[-2:]) < SMALLEST_SIDE:
            raise BadInputError(f"LPIPS needs pictures of at least {SMALLEST_SIDE} pixels a side; got {list(x.shape)}")
        maps = [stage.chunk(2) for stage in self.embed(torch.cat([x, y]))]
        return self.distance([first for first, _ in maps], [second for _, second in maps])

    def embed(self, pictures: Tensor) -> list[Tensor]:
        """Pictures as in `forward` → the maps `[N, C, h, w]` that `distance` compares: the costly half of the work."""
        hidden = (pictures - self.shift) / self.scale
        stages = []
        for i, layer in enumerate(self.features):
            hidden = layer(hidden)
            if i in _STAGE_ENDS:
                stages.append(_unit(hidden))
        return stages

    def distance(self, first: list[Tensor], second: list[Tensor]) -> Tensor:
        """Distances float32 `[N]` between embedded pictures; either side may be a single one (N = 1)."""
        total = torch.zeros(1, device=first[0].device)
        for i, (a, b) in enumerate(zip(first, second, strict=True)):
            head: Tensor = self.get_submodule(f"lin{i}").weight  # type: ignore[assignment]
            total = total + ((a - b) ** 2 * head.float()).sum(1).mean((1, 2))
        return total


def _unit(stage: Tensor) -> Tensor:
    """Features `[N, C, H, W]` with unit length over C, in float32 whatever the network ran in."""
    stage = stage.float()
    # Epsilon inside the root as well: the gradient of a plain norm is NaN where every feature is zero.
    norm = (stage.square().sum(1, keepdim=True) + 1e-20).sqrt()
    return stage / (norm + 1e-10)
