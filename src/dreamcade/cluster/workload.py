"""What a frame of a world (or preset) takes, in numbers that any device can be judged by. Knows no PyTorch."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from dreamcade.core.config import JsonConfig
from dreamcade.core.errors import BadInputError

FLOAT16 = 2


@dataclass(frozen=True, slots=True)
class Workload(JsonConfig):
    """One player's frame. FLOPs count a multiplication and its addition as two; bytes go between memory and chip.

    Of a pass (one sampling step), `token_flops` are divided among devices by tokens, `head_flops` (attention) by heads;
    `frame_flops` are once a frame and done by every device (modulations, motion). `weight_bytes` lie on every device of
    the dynamics and are read by each pass; `cache_bytes`, a player's memory, is divided by heads and read by each pass;
    `token_bytes` move between a pass's operations, divided by tokens. `exchange_bytes` change their device in a pass if
    there are many, in `exchanges` all-to-alls; `frame_exchanges` more are once a frame.

    The decoder's figures are of a whole frame, undivided. In strips, `halo_bytes` go over each border between two, in
    `halo_exchanges`, and `decoder_reductions` small sums over all of them.
    """

    name: str
    frame_width: int
    frame_height: int
    tokens: int
    heads: int
    head_dim: int
    depth: int
    steps: int
    context: int
    """Past frames that the dynamics remembers."""
    attention: str
    token_flops: float
    head_flops: float
    frame_flops: float
    weight_bytes: float
    cache_bytes: float
    token_bytes: float
    dit_activation_bytes: float
    """The most that a pass holds at once, beside weights and caches; of one player."""
    launches: int
    """Operations of a pass; `frame_launches`: of what is done once a frame."""
    frame_launches: int
    exchanges: int
    exchange_bytes: float
    latent_bytes: float
    """What the dynamics hands to the decoder."""
    decoder_flops: float
    decoder_bytes: float
    decoder_weight_bytes: float
    decoder_activation_bytes: float
    decoder_launches: int
    decoder_rows: int
    """Rows of latent cells, of which every strip gets whole ones."""
    halo_bytes: float = 0.0
    halo_exchanges: int = 0
    decoder_reductions: int = 0
    decoder_gather_bytes: float = 0.0
    """Of what every strip needs of all others (keys and values of attention over the whole picture)."""
    frame_exchanges: int = 0
    tick_rate: float = 0.0
    """Frames a second that a player is to get; 0: as many as there are."""
    skip: float = 0.0
    """Share of frames whose passes are left out, since their latents are extrapolated."""
    whole_on_hosts: bool = False
    """Whether a processor runs its networks compiled whole: a share of a pass, or a strip, would be plain PyTorch,
    which takes longer than all of it."""

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, (int, float)) and not value >= 0:
                raise BadInputError(f"{field.name} of a workload must not be negative; got {value}")
        for name in ("tokens", "heads", "steps", "decoder_rows", "depth"):
            if getattr(self, name) < 1:
                raise BadInputError(f"{name} of a workload must be at least 1; got {getattr(self, name)}")
        if self.skip >= 1:
            raise BadInputError(f"skip is a share of frames, from 0 to less than 1; got {self.skip:g}")

    @property
    def frame_bytes(self) -> int:
        """Of a frame's pixels."""
        return 3 * self.frame_width * self.frame_height

    @property
    def pass_flops(self) -> float:
        """One sampling step, undivided."""
        return self.token_flops + self.head_flops
