"""How long the stages of a frame take on so many devices, and what they hold in memory. Knows no PyTorch.

The paper's formulas (arXiv 2602.00608), for N devices of the dynamics and of the decoder:

    T_dit(N) = W / (N · FLOP/s · utilisation) + 2 · (N − 1) / N · D / B_link
    T_vae(N) = M / (N · B_memory · efficiency)

Here, in their place:

- W is what is divided by tokens (linear layers), by heads (attention, within the frame and to frames in memory), and
  not at all. A stage's pace is that of its fullest device: ⌈L / N⌉ of L tokens, ⌈H / N⌉ of H heads.
- A stage takes the longer of arithmetic and memory traffic (a roofline), not one of them by decree. Weights are read
  whole by every device, in each step; a player's cache by heads.
- Every operation costs its launch, every exchange its latency, however few bytes it moves. Both do not shrink.
- Of D, each device holds 1 / N and sends (N − 1) / N of that, over links that work at the same time. (The paper's
  formula sends all of D over one.) Nothing is hidden behind computing unless `overlap` says so.
- A batch of players shares weights, launches and latencies.
- A decoder's device draws whole frames in turn (N times the frames, none sooner), or strips of all frames (sooner, less
  what borders and sums over the picture cost).
"""

from __future__ import annotations

from dataclasses import dataclass

from dreamcade.cluster.rates import Rates
from dreamcade.cluster.shares import largest_share
from dreamcade.cluster.workload import Workload


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds of a stage, by what they are spent on. Arithmetic and memory traffic go on at the same time."""

    compute: float = 0.0
    memory: float = 0.0
    launches: float = 0.0
    fixed: float = 0.0
    """Measured, and the same on any number of devices."""
    exchange: float = 0.0

    @property
    def total(self) -> float:
        return max(self.compute, self.memory) + self.launches + self.fixed + self.exchange

    @property
    def largest(self) -> str:
        """What most of it is spent on, in words."""
        parts = {
            "compute": self.compute if self.compute >= self.memory else 0.0,
            "memory": self.memory if self.memory > self.compute else 0.0,
            "launches": self.launches,
            "fixed part": self.fixed,
            "exchange": self.exchange,
        }
        return max(parts, key=lambda name: parts[name])


def token_share(workload: Workload, devices: int) -> float:
    """Of all tokens, on the device that has most."""
    return largest_share(workload.tokens, devices)


def head_share(workload: Workload, devices: int) -> float:
    """Of all heads, likewise."""
    return largest_share(workload.heads, devices)


def row_share(workload: Workload, strips: int) -> float:
    """Of the picture's rows, in the highest strip."""
    return largest_share(workload.decoder_rows, strips)


def pass_share(workload: Workload, devices: int) -> float:
    """Of a pass's arithmetic, on the device that has most."""
    divided = workload.token_flops * token_share(workload, devices) + workload.head_flops * head_share(
        workload, devices
    )
    return divided / workload.pass_flops if workload.pass_flops else 1.0


def dynamics_cost(workload: Workload, rates: Rates, devices: int, players: int, overlap: float = 0.0) -> Cost:
    """All passes of a frame of each of so many players, as one batch on so many devices."""
    exchange = (1 - overlap) * exchange_seconds(workload, rates, devices, players)
    if rates.dit is not None:
        return _timed_dynamics(workload, rates, devices, players, exchange)
    steps, tokens, heads = workload.steps, token_share(workload, devices), head_share(workload, devices)
    flops = steps * (workload.token_flops * tokens + workload.head_flops * heads) + workload.frame_flops
    own = workload.token_bytes * tokens + workload.cache_bytes * heads
    return Cost(
        players * flops / rates.dit_flops,
        steps * (workload.weight_bytes + players * own) / rates.dit_bandwidth,
        (steps * workload.launches + workload.frame_launches) * rates.launch,
        0.0,
        exchange,
    )


def _timed_dynamics(workload: Workload, rates: Rates, devices: int, players: int, exchange: float) -> Cost:
    """What does not shrink is taken to be shared by a batch where only one player was timed."""
    assert rates.dit is not None
    whole = rates.dit.of(players)
    if len(rates.dit.batches) == 1 and rates.fixed is not None:
        whole -= (players - 1) * min(rates.fixed, rates.dit.of(1))
    flops = workload.steps * workload.pass_flops + workload.frame_flops
    everywhere = workload.frame_flops / flops if flops else 0.0
    fixed = min(whole, whole * everywhere if rates.fixed is None else rates.fixed)
    return Cost((whole - fixed) * pass_share(workload, devices), 0.0, 0.0, fixed, exchange)


def exchange_seconds(workload: Workload, rates: Rates, devices: int, players: int) -> float:
    """Between the devices of the dynamics, in a frame of each of so many players."""
    if devices == 1:
        return 0.0
    if rates.exchanging is not None:
        return rates.exchanging
    link, latency = link_of(rates, devices)
    sent = workload.exchange_bytes * token_share(workload, devices) * (devices - 1) / devices
    exchanges = workload.steps * workload.exchanges + workload.frame_exchanges
    return exchanges * latency + workload.steps * players * sent / link


def link_of(rates: Rates, devices: int) -> tuple[float, float]:
    """Bytes/s and seconds an exchange among so many devices: those of the network, if one machine has not as many."""
    if devices > rates.kind.per_machine:
        return rates.kind.network, rates.kind.network_latency
    return rates.link, rates.link_latency


def drawing_cost(workload: Workload, rates: Rates, frames: int, strips: int = 1) -> Cost:
    """So many frames, as one batch, on one device; or each of them in strips on as many devices."""
    share = row_share(workload, strips)
    exchange = _strip_seconds(workload, rates, frames, strips)
    if rates.decoder is not None:
        return Cost(compute=rates.decoder.of(frames) * share, exchange=exchange)
    return Cost(
        frames * workload.decoder_flops * share / rates.decoder_flops,
        (workload.decoder_weight_bytes + frames * workload.decoder_bytes * share) / rates.decoder_bandwidth,
        workload.decoder_launches * rates.launch,
        0.0,
        exchange,
    )


def _strip_seconds(workload: Workload, rates: Rates, frames: int, strips: int) -> float:
    """Borders and sums. Half of what goes over a border leaves a device, and inner strips have two borders."""
    if strips == 1:
        return 0.0
    link, latency = link_of(rates, strips)
    borders = min(2, strips - 1) * workload.halo_bytes / 2
    sent = frames * (borders + workload.decoder_gather_bytes * (strips - 1) / strips)
    return (workload.halo_exchanges + workload.decoder_reductions) * latency + sent / link


def hand_over_seconds(workload: Workload, sender: Rates, receiver: Rates, players: int, devices: int) -> float:
    """A tick's latents to the decoder. Kinds that differ are taken to be in different machines."""
    return _transfer(sender, receiver, players * workload.latent_bytes, devices)


def delivery_seconds(workload: Workload, sender: Rates, receiver: Rates, frames: int, devices: int) -> float:
    """A decoder's frames, in bytes, back to where the sessions are."""
    return _transfer(receiver, sender, frames * workload.frame_bytes, devices)


def _transfer(sender: Rates, receiver: Rates, size: float, devices: int) -> float:
    if sender.kind.name == receiver.kind.name:
        link, latency = link_of(sender, devices)
        return latency + size / link
    kinds = sender.kind, receiver.kind
    return max(kind.network_latency for kind in kinds) + size / min(kind.network for kind in kinds)


def dynamics_memory(workload: Workload, devices: int, players: int) -> float:
    """Bytes on the fullest device: all weights, its heads of the caches, its tokens' activations."""
    own = workload.cache_bytes * head_share(workload, devices)
    return workload.weight_bytes + players * (own + workload.dit_activation_bytes * token_share(workload, devices))


def decoder_memory(workload: Workload, frames: int, strips: int = 1) -> float:
    """Bytes on a device that draws so many frames at once, or strips of them."""
    return workload.decoder_weight_bytes + frames * workload.decoder_activation_bytes * row_share(workload, strips)
