"""What of the paper's engine is measured, and the models that it is made of."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from dreamcade.core.errors import BadInputError
from dreamcade.dynamics.diffusion_config import FACTORISED
from dreamcade.dynamics.diffusion_state import DiffusionState
from dreamcade.dynamics.diffusion_transformer import DiffusionTransformer
from dreamcade.evaluation.paper.models import (
    PLAIN,
    WEIGHTS,
    Drawing,
)
from dreamcade.evaluation.paper.presets import (
    ATTENTIONS,
    CONVOLUTIONAL,
    DECODERS,
    PaperPreset,
)

CACHE_BITS = (16, 8, 4)


@dataclass(frozen=True, slots=True)
class PaperPlan:
    """What to measure. `weights` by name, `cache` in bits. Each group of figures takes about `seconds`; `compiled` also
    times `torch.compile`."""

    preset: PaperPreset
    attention: str = FACTORISED
    decoder: str = CONVOLUTIONAL
    steps: tuple[int, ...] = (1, 2, 4)
    weights: str = PLAIN
    cache: int = 16
    seconds: float = 10.0
    unfused: bool = True
    compiled: bool = False

    def __post_init__(self) -> None:
        choices = (("attention", ATTENTIONS), ("decoder", DECODERS), ("weights", tuple(WEIGHTS)))
        for name, known in choices:
            if getattr(self, name) not in known:
                raise BadInputError(f"{name} must be one of {', '.join(known)}; got {getattr(self, name)!r}")
        if self.cache not in CACHE_BITS:
            raise BadInputError(f"cache must be one of {', '.join(map(str, CACHE_BITS))} bits; got {self.cache}")
        if not self.steps or min(self.steps) < 1:
            raise BadInputError(f"steps must be whole numbers from 1, as in 1,2,4; got {self.steps}")

    @property
    def few_bits(self) -> bool:
        """Whether anything of the dynamics is kept in fewer than 16."""
        return self.weights != PLAIN or self.cache != 16


@dataclass(frozen=True, slots=True)
class Built:
    """The models on their device, and what the decoder is compared with."""

    model: DiffusionTransformer
    state: DiffusionState
    drawing: Drawing
    peer: tuple[str, torch.nn.Module] | None
