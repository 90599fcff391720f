"""What every process of the paper's engine has to know, and the models that it builds of it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from dreamcade.cluster.hosts import Errand
from dreamcade.codec.codec import Codec
from dreamcade.codec.convolutional import ConvolutionalDecoder
from dreamcade.core.config import JsonConfig
from dreamcade.core.errors import BadInputError
from dreamcade.dynamics.diffusion_config import FACTORISED
from dreamcade.dynamics.diffusion_transformer import DiffusionTransformer
from dreamcade.evaluation.paper.models import DTYPE, PLAIN, build_decoder, build_dynamics, sampled_in
from dreamcade.evaluation.paper.presets import CONVOLUTIONAL, PaperPreset, paper_preset

ENTRY = "dreamcade.evaluation.paper.spread.worker:run"
Decoder = ConvolutionalDecoder | Codec


@dataclass(frozen=True, slots=True)
class Setting(JsonConfig):
    """A preset by its name and `shrink`, and how it is played. `cache` in bits; `dtype` as PyTorch calls it; `threads`
    of each process on a CPU. Of all processes alike, so that each has the same weights."""

    preset: str
    shrink: int = 1
    attention: str = FACTORISED
    decoder: str = CONVOLUTIONAL
    steps: int = 1
    weights: str = PLAIN
    cache: int = 16
    dtype: str = str(DTYPE).removeprefix("torch.")
    threads: int = 1

    @property
    def sizes(self) -> PaperPreset:
        return paper_preset(self.preset, self.shrink)

    def build(self, device: torch.device) -> tuple[DiffusionTransformer, Decoder]:
        """Both halves, with random weights."""
        dtype = getattr(torch, self.dtype)
        model = build_dynamics(self.sizes, device, self.attention, self.weights, dtype)
        return sampled_in(model, self.steps), build_decoder(self.sizes, device, self.decoder, dtype)

    def errand(self, device: str, store: str, identity: str, connect: Mapping[str, Any]) -> Errand:
        """For a worker on `device`. `store`: where groups meet, host:port; `identity`: of the weights that it must
        have."""
        arguments = {**connect, "setting": self.to_json(), "device": device, "store": store, "identity": identity}
        if device.startswith("cuda"):
            return Errand(str(connect["name"]), ENTRY, arguments, 1.0, 1.0)
        environment = {"OMP_NUM_THREADS": str(self.threads)}
        return Errand(str(connect["name"]), ENTRY, arguments, float(self.threads), 0.0, environment)


def identity_of(model: DiffusionTransformer, decoder: Decoder) -> str:
    """Of the weights, by some of their numbers: the same in all processes, or they do not dream the same."""
    digest = hashlib.sha256()
    for tensor in (*model.state_dict().values(), *decoder.state_dict().values()):
        digest.update(str(tuple(tensor.shape)).encode() + _numbers(tensor))
    return digest.hexdigest()


def expect_alike(devices: tuple[str, ...]) -> None:
    """Raises `BadInputError` for kinds that differ: random weights do, too."""
    kinds = sorted({device.partition(":")[0] for device in devices})
    if len(kinds) > 1:
        raise BadInputError(
            f"all devices of a preset must be of one kind, whose random weights are the same; got {', '.join(kinds)}"
        )


def _numbers(tensor: Tensor) -> bytes:
    flat = tensor.detach().reshape(-1)
    few = flat[:: max(1, flat.numel() // 64)].contiguous()
    return few.cpu().view(torch.uint8).numpy().tobytes()
