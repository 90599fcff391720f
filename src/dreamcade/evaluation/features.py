"""EfficientNet-Lite0 as a judge of pictures: 1280 features that tell what ImageNet's classes need to know.

Tan & Le, "EfficientNet", ICML 2019; the Lite variant has no squeeze-and-excitation and ReLU6. The weights are shipped
with the package (without the classifier).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from dreamcade.core.errors import CheckpointError
from dreamcade.core.types import Pixels

WEIGHTS = Path(__file__).parent / "perceptual" / "efficientnet_lite0.safetensors"
SIZE = 224
FEATURES = 1280
# (kernel, stride, expansion, channels, repeats) of each stage.
_STAGES = (
    (3, 1, 1, 16, 1), (3, 2, 6, 24, 2), (5, 2, 6, 40, 2), (3, 2, 6, 80, 3), (5, 1, 6, 112, 3), (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)  # fmt: skip
_BATCH = 16


class SameConv(nn.Conv2d):
    """A convolution padded as TensorFlow does: the odd pixel goes to the right and bottom."""

    def __init__(self, inward: int, outward: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__(inward, outward, kernel, stride, groups=groups, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        pads = []
        for size, kernel, stride in zip(x.shape[:1:-1], self.kernel_size[::-1], self.stride[::-1], strict=True):
            missing = max((-(-size // stride) - 1) * stride + kernel - size, 0)
            pads += [missing // 2, missing - missing // 2]
        return super().forward(F.pad(x, pads))


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3)


class InvertedBottleneck(nn.Module):
    """1×1 up, depthwise, 1×1 down; added to its input where the shapes allow it."""

    def __init__(self, inward: int, outward: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = inward * expansion
        self.expand = nn.Sequential(SameConv(inward, inner, 1), _norm(inner)) if expansion > 1 else None
        self.depthwise = nn.Sequential(SameConv(inner, inner, kernel, stride, groups=inner), _norm(inner))
        self.project = nn.Sequential(SameConv(inner, outward, 1), _norm(outward))
        self.adds = stride == 1 and inward == outward

    def forward(self, x: Tensor) -> Tensor:
        hidden = F.relu6(self.expand(x)) if self.expand is not None else x
        made: Tensor = self.project(F.relu6(self.depthwise(hidden)))
        return made + x if self.adds else made


class EfficientNetLite(nn.Module):
    """RGB float `[N, 3, 224, 224]` as (x − 127) / 128 → features `[N, 1280]`."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(SameConv(3, 32, 3, 2), _norm(32))
        blocks: list[nn.Module] = []
        inward = 32
        for kernel, stride, expansion, outward, repeats in _STAGES:
            for i in range(repeats):
                blocks.append(InvertedBottleneck(inward, outward, kernel, stride if i == 0 else 1, expansion))
                inward = outward
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Sequential(SameConv(inward, FEATURES, 1), _norm(FEATURES))

    @classmethod
    def load(cls, path: Path = WEIGHTS) -> EfficientNetLite:
        """Reads the shipped weights; raises `CheckpointError` when the file is missing or damaged."""
        network = cls()
        try:
            network.load_state_dict({name: tensor.float() for name, tensor in load_file(path).items()}, strict=False)
        except (OSError, SafetensorError, RuntimeError) as error:
            reason = str(error).splitlines()[0]
            raise CheckpointError(f"cannot read the weights {path}: {reason}; reinstall dreamcade") from error
        return network.eval().requires_grad_(False).to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.blocks(F.relu6(self.stem(x)))
        pooled: Tensor = F.relu6(self.head(hidden)).mean((2, 3))
        return pooled

    @torch.inference_mode()
    def describe(self, pictures: Pixels) -> NDArray[np.float32]:
        """Pictures uint8 `[N, H, W, 3]` of any size → features float32 `[N, 1280]`."""
        found = []
        for at in range(0, len(pictures), _BATCH):
            batch = torch.from_numpy(np.array(pictures[at : at + _BATCH])).permute(0, 3, 1, 2).float()
            batch = F.interpolate(batch, (SIZE, SIZE), mode="bilinear", antialias=True)
            found.append(self((batch - 127) / 128).numpy())
        return np.concatenate(found) if found else np.zeros((0, FEATURES), np.float32)
