"""What each stage of the paper's engine has to compute and to move, and the least time that takes on a machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from dreamcade.cluster.counting import Products
from dreamcade.codec.codec import Codec
from dreamcade.codec.convolutional import ConvolutionalDecoder
from dreamcade.codec.decoder_traffic import decoder_traffic
from dreamcade.codec.fused_convolutional import FusedDecoder
from dreamcade.dynamics.diffusion_bytes import layer_shapes, pass_bytes, shared_bytes, write_bytes
from dreamcade.dynamics.diffusion_config import DiffusionTransformerConfig
from dreamcade.dynamics.diffusion_flops import frame_flops, pass_flops
from dreamcade.evaluation.ceilings import Ceilings
from dreamcade.evaluation.paper.models import DTYPE, PLAIN, WEIGHT_BITS
from dreamcade.evaluation.paper.presets import CONVOLUTIONAL, PaperPreset
from dreamcade.kernels.decoder_block import Norm, PackedConv, Statistics
from dreamcade.kernels.traffic import LaunchTraffic, OperatorTraffic
from dreamcade.world.low_bits import weight_bytes

PASS, SHARED, WRITE, DECODE, PIXELS = "dynamics pass", "shared by passes", "cache write", "decode", "to pixels"
STAGES = (SHARED, PASS, WRITE, DECODE, PIXELS)
"""In the order in which a frame goes through them; there is a pass for each step."""


@dataclass(frozen=True, slots=True)
class StageWork:
    """Floating-point operations; bytes between memory and chip, every operation reading and writing once; the bytes
    that move even if nothing between two operations leaves the chip. `unfused_…`: what PyTorch's own operators compute
    and move, where fusing changes it; else 0."""

    flops: int
    bytes: int
    least_bytes: int
    unfused_flops: int = 0
    unfused_bytes: int = 0
    eight_bit_flops: int = 0
    """Of `flops`: on numbers of eight bits, which tensor cores multiply at twice the rate of bfloat16's."""

    def floor_ms(self, ceilings: Ceilings) -> float:
        """The least time: arithmetic and the least transfers, each at the machine's best, one behind the other."""
        return max(self.compute_ms(ceilings), self.least_memory_ms(ceilings))

    def compute_ms(self, ceilings: Ceilings) -> float:
        """Arithmetic at the machine's best: measured in bfloat16, twice that for eight bits."""
        return 1e3 * (self.flops - self.eight_bit_flops / 2) / ceilings.flops(DTYPE)

    def memory_ms(self, ceilings: Ceilings) -> float:
        """Every operation's transfers at the machine's best; less where a cache holds what goes between them."""
        return 1e3 * self.bytes / ceilings.memory

    def least_memory_ms(self, ceilings: Ceilings) -> float:
        """The least transfers at the machine's best."""
        return 1e3 * self.least_bytes / ceilings.memory

    def bound(self, ceilings: Ceilings) -> str:
        """What takes longer, arithmetic or all transfers."""
        return "compute" if self.compute_ms(ceilings) >= self.memory_ms(ceilings) else "memory"


def stage_work(
    preset: PaperPreset, attention: str, decoder: str, steps: int = 1, weights: str = PLAIN, cache: int = 16
) -> dict[str, StageWork]:
    """Of one session with a full memory; the pass of one step. `weights` by name, `cache` in bits."""
    config = preset.dynamics(attention, steps)
    return {**dynamics_work(config, weights, cache), **drawing_work(preset, decoder)}


def dynamics_work(config: DiffusionTransformerConfig, weights: str = PLAIN, cache: int = 16) -> dict[str, StageWork]:
    """Everything up to the latent. What the steps share includes modulations for each of them."""
    bits = WEIGHT_BITS[weights]
    products = 2 * config.depth * config.tokens * sum(k * n for k, n in layer_shapes(config))
    quick = {PASS: products if bits == 8 else 0}
    entries = 4 * config.depth * config.width * (config.tokens * config.token_size + config.action_size)
    one = pass_flops(config)
    shared = frame_flops(config) - len(config.sampling_levels) * one - entries
    return {
        name: StageWork(flops, moved.all, moved.least, eight_bit_flops=quick.get(name, 0))
        for name, flops, moved in (
            (SHARED, shared, shared_bytes(config)),
            (PASS, one, pass_bytes(config, cache, weight_bits=bits)),
            (WRITE, entries, write_bytes(config, cache)),
        )
    }


@torch.no_grad()
def drawing_work(preset: PaperPreset, decoder: str) -> dict[str, StageWork]:
    """From the latent to pixels, counted on tensors without content."""
    convolutional = decoder == CONVOLUTIONAL
    decode = _convolutional_work(preset) if convolutional else _light_work(preset)
    numbers = preset.frame_width * preset.frame_height * 3
    if not convolutional:  # bytes already: put in order
        return {DECODE: decode, PIXELS: StageWork(0, 2 * numbers, 2 * numbers)}
    # Unfused: to float32, scaled, shifted, clamped, to bytes, each of which reads and writes.
    unfused = numbers * (DTYPE.itemsize + 4 + 3 * 8 + 4 + 1)
    return {DECODE: decode, PIXELS: StageWork(0, unfused, numbers * (DTYPE.itemsize + 1))}


def _light_work(preset: PaperPreset) -> StageWork:
    with torch.device("meta"):
        latents, codec = torch.empty(1, *preset.latent_shape, dtype=DTYPE), Codec(preset.light()).to(DTYPE)
        with OperatorTraffic() as operators, Products() as counter:
            cells = codec.decode_cells(latents)
    weights = sum(part.nbytes for module in (codec.decoder, codec.detail) if module for part in module.parameters())
    least = weights + latents.nbytes + cells.nbytes
    return StageWork(counter.flops, operators.traffic.bytes, least)


def _convolutional_work(preset: PaperPreset) -> StageWork:
    """Fused, a convolution of a doubled map has four ninths of its multiplications."""
    with torch.device("meta"):
        latents = torch.empty(1, *preset.latent_shape, dtype=DTYPE)
        plain, launches = ConvolutionalDecoder(preset.convolutional()).to(DTYPE), _Launches()
        with Products() as counter:
            frames = plain(latents)
        with Products() as between:  # attention, which is no launch of ours
            FusedDecoder(plain, launches)(latents)
    stages = decoder_traffic(preset.convolutional(), *preset.latent_shape[1:], dtype=DTYPE)
    return StageWork(
        launches.flops + between.flops,
        sum(stage.fused.bytes for stage in stages),
        weight_bytes(plain) + latents.nbytes + frames.nbytes,
        counter.flops,
        sum(stage.unfused.bytes for stage in stages),
    )


class _Launches(LaunchTraffic):
    """Stands for `fused_conv` and counts its multiplications."""

    flops = 0

    def __call__(
        self, x: Tensor, conv: PackedConv, *,
        norm: Norm | None = None, residual: Tensor | None = None, groups: int | None = None,
    ) -> tuple[Tensor, Statistics | None]:  # fmt: skip
        y, statistics = super().__call__(x, conv, norm=norm, residual=residual, groups=groups)
        inputs, taps = conv.channels[0], conv.blocks.shape[1]
        self.flops += 2 * y.numel() * inputs * taps
        return y, statistics


def frame_floor_ms(work: Mapping[str, StageWork], steps: int, ceilings: Ceilings) -> float:
    """Stages one after the other, each at its floor."""
    return sum(times * one.floor_ms(ceilings) for one, times in _runs(work, steps))


def overlapped_floor_ms(work: Mapping[str, StageWork], steps: int, ceilings: Ceilings) -> float:
    """Both halves at once on one device: what one of them leaves of either ceiling, the other may use."""
    compute = sum(times * one.compute_ms(ceilings) for one, times in _runs(work, steps))
    return max(compute, sum(times * one.least_memory_ms(ceilings) for one, times in _runs(work, steps)))


def _runs(work: Mapping[str, StageWork], steps: int) -> list[tuple[StageWork, int]]:
    return [(one, steps if name == PASS else 1) for name, one in work.items()]


def given_ceilings(flops: float, bandwidth: float) -> Ceilings:
    """Of a machine that is only assumed."""
    return Ceilings({DTYPE: flops}, bandwidth, bandwidth, 0, False)
