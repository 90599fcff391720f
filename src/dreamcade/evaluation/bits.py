"""What fewer bits cost and save: the same held-out play in every format, beside float32 and the real game."""

from __future__ import annotations

import copy
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dreamcade.core.device import fast_dtype
from dreamcade.core.types import Pixels
from dreamcade.dataset.reader import Dataset
from dreamcade.dynamics import Keeping
from dreamcade.evaluation.metrics import Progress, mean_interval, psnr
from dreamcade.evaluation.skipping import Playground
from dreamcade.evaluation.subjects import eligible_windows
from dreamcade.evaluation.windows import Window, choose_windows, expect_its_game
from dreamcade.kernels.packed_layers import Bits
from dreamcade.world.low_bits import WHOLE_DYNAMICS, LowBits, in_low_bits, weight_bytes
from dreamcade.world.world import World

REFERENCE = "float32"
ALIKE = 60.0
"""dB against float32's frames; no more is counted of a picture, or those that are the same would decide."""
_MODULATED_TOO = tuple(name for name in WHOLE_DYNAMICS if name != "transformer.modulation")


@dataclass(frozen=True, slots=True)
class Form:
    """A way to store a world: the dtype of what is not packed, and what is packed."""

    dtype: torch.dtype
    plan: LowBits


def forms() -> dict[str, Form]:
    """All that are compared, by name; on a machine without bfloat16 products they are in float32."""
    fast = fast_dtype(torch.device("cpu"))
    plans = {
        "int8": LowBits(Bits.INT8),
        "int4": LowBits(Bits.INT4),
        "fp8": LowBits(Bits.FP8),
        "int8 memory": LowBits(memory=Keeping.INT8),
        "int4 memory": LowBits(memory=Keeping.INT4),
        "int8 codec": LowBits(codec=Bits.INT8),
        "int4 codec": LowBits(codec=Bits.INT4),
        "int8 modulation too": LowBits(Bits.INT8, whole_dynamics=_MODULATED_TOO),
        "int8 everywhere": LowBits(Bits.INT8, Bits.INT8, Keeping.INT8, _MODULATED_TOO),
        "int4, int8 codec, int4 memory": LowBits(Bits.INT4, Bits.INT8, Keeping.INT4, _MODULATED_TOO),
        "int4 everywhere": LowBits(Bits.INT4, Bits.INT4, Keeping.INT4, _MODULATED_TOO),
    }
    return {
        REFERENCE: Form(torch.float32, LowBits()),
        "bfloat16": Form(torch.bfloat16, LowBits()),
        **{name: Form(fast, plan) for name, plan in plans.items()},
    }


@dataclass(frozen=True, slots=True)
class Row:
    """Figures of one form. PSNR in dB: `next` frame and mean over the rollout, against the game and against float32
    (at most `ALIKE` a picture); `loss_…` is what float32 has more of against the game, window by window, and the 95 %
    interval of its mean over episodes. Bytes of weights and of one session's memory; milliseconds, None where a CPU
    emulates the format."""

    next_real: float
    rollout_real: float
    last_real: float
    next_same: float
    rollout_same: float
    loss_next: float
    loss_next_interval: tuple[float, float]
    loss_rollout: float
    loss_rollout_interval: tuple[float, float]
    dynamics_bytes: int
    codec_bytes: int
    memory_bytes: int
    pass_ms: float | None
    decode_ms: float | None

    @property
    def bytes(self) -> int:
        """All that is stored."""
        return self.dynamics_bytes + self.codec_bytes + self.memory_bytes


def compare_bits(
    world: World, dataset: Dataset, *, windows: int, ticks: int, seed: int, repeats: int,
    progress: Progress | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Figures of every form on the same windows, inputs and noise, on the CPU.

    Raises `BadInputError` where `dataset` is not of this world's game, `DatasetError` where it has no such windows.
    """
    progress = progress or (lambda what, done, total: None)
    expect_its_game(world, dataset)
    chosen = choose_windows(dataset, windows, ticks, seed, eligible_windows(dataset))
    same: list[Pixels] = []
    rows, halls = {}, {}
    for at, (name, form) in enumerate(forms().items()):
        hall = Playground(in_low_bits(world, form.plan), dataset, chosen, ticks, seed, form.dtype)
        track = hall.roll()
        shown = [hall.show(track, w) for w in range(hall.count)]
        same = same or shown
        rows[name] = _judge(hall, shown, same, [w.episode.name for w in chosen])
        halls[name] = _Runner(hall)
        if at == 0:
            persistence = _persistence(dataset, chosen, hall.real)
        progress("playing", at + 1, len(forms()))
    times = _race({n: r for n, r in halls.items() if not forms()[n].plan.emulated_on_cpu}, repeats, progress)
    timed = {name: _timed(row, *times.get(name, (None, None))) for name, row in rows.items()}
    return {
        "world": world.manifest.name, "windows": len(chosen), "ticks": ticks, "seed": seed, "persistence": persistence,
        "rows": {name: {**asdict(row), "bytes": row.bytes} for name, row in timed.items()},
    }  # fmt: skip


def _judge(hall: Playground, shown: Sequence[Pixels], same: Sequence[Pixels], episodes: Sequence[str]) -> Row:
    real, best = (
        np.stack([psnr(frames, truth) for frames, truth in zip(made, hall.real, strict=True)]) for made in (shown, same)
    )
    full = np.stack([np.minimum(psnr(a, b), ALIKE) for a, b in zip(shown, same, strict=True)])
    return Row(
        float(real[:, 0].mean()), float(real.mean()), float(real[:, -1].mean()), float(full[:, 0].mean()),
        float(full.mean()), *_loss(best[:, 0] - real[:, 0], episodes), *_loss((best - real).mean(1), episodes),
        weight_bytes(hall.dynamics), weight_bytes(hall.codec),
        hall.dynamics.new_state(1).memory_bytes, None, None,
    )  # fmt: skip


def _loss(each: NDArray[np.float64], episodes: Sequence[str]) -> tuple[float, tuple[float, float]]:
    """Mean over windows, and its interval: the same windows and noise twice, so that only the format differs."""
    return float(each.mean()), mean_interval(each, episodes)


def _persistence(dataset: Dataset, windows: Sequence[Window], real: Sequence[Pixels]) -> dict[str, float]:
    """PSNR of the last context frame held still."""
    still = [dataset.frames(w.episode, w.newest, w.newest + 1) for w in windows]
    figures = np.stack([psnr(np.broadcast_to(s, r.shape), r) for s, r in zip(still, real, strict=True)])
    return {
        "next_real": float(figures[:, 0].mean()), "rollout_real": float(figures.mean()),
        "last_real": float(figures[:, -1].mean()),
    }  # fmt: skip


class _Runner:
    """One form, ready to make and draw a frame; keeps its modules and one session, but no recording."""

    def __init__(self, hall: Playground) -> None:
        self.dynamics, self.codec = hall.dynamics, hall.codec
        self.state, self.actions, self.noise = hall.start(1), hall.actions[0, :1], hall.noise(0)[:, :1]
        self.row = torch.zeros(1, dtype=torch.int64)

    @torch.inference_mode()
    def run(self) -> tuple[float, float]:
        """Milliseconds of a pass, its commit included, and of a decode."""
        state, began = copy.copy(self.state), time.perf_counter()
        tokens = self.dynamics.propose(state, self.row, self.actions, self.noise)
        self.dynamics.commit(state, self.row, self.actions, tokens)
        passed = time.perf_counter()
        self.codec.decode_pixels(self.dynamics.to_latents(tokens))
        return 1000 * (passed - began), 1000 * (time.perf_counter() - passed)


def _race(runners: dict[str, _Runner], repeats: int, progress: Progress) -> dict[str, tuple[float, float]]:
    """The least of `repeats` turns; each turn has every form once, so that all meet the same machine."""
    best = dict.fromkeys(runners, (np.inf, np.inf))
    for turn in range(repeats):
        for name, runner in runners.items():
            runner.run()  # what the form before left in the caches is not this one's
            pass_ms, decode_ms = runner.run()
            best[name] = min(best[name][0], pass_ms), min(best[name][1], decode_ms)
        progress("timing", turn + 1, repeats)
    return best


def _timed(row: Row, pass_ms: float | None, decode_ms: float | None) -> Row:
    return Row(**{**asdict(row), "pass_ms": pass_ms, "decode_ms": decode_ms})
