"""What paper.sh measures of single kernels: the decoder's blocks, bytes off chip, errors. Figures go into a JSON file.

python paper_kernels.py blocks OUT.json 128x480x720 256x480x720u …   milliseconds: fused, eager, compiled (u: upsampled)
python paper_kernels.py operations OUT.json PRESET SHRINK             milliseconds of the dynamics' kernels, likewise
python paper_kernels.py bytes OUT.json PRESET SHRINK                  bytes off chip: by ncu's counters, and counted
python paper_kernels.py parity OUT.json PRESET SHRINK                 errors against float32: fused, eager
python paper_kernels.py once PART SIDE PRESET SHRINK                  one run of a part, for ncu to look at
"""

from __future__ import annotations

import csv
import itertools
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from dreamcade.core.device import resolve_device
from dreamcade.core.errors import BadInputError
from dreamcade.core.files import write_json
from dreamcade.evaluation.ceilings import measure_ceilings
from dreamcade.evaluation.machine import machine_name
from dreamcade.evaluation.paper.counts import DECODE, PASS, stage_work
from dreamcade.evaluation.paper.kernel_timing import operations, time_operation
from dreamcade.evaluation.paper.models import DTYPE, build_drawing, build_dynamics
from dreamcade.evaluation.paper.presets import ATTENTIONS, CONVOLUTIONAL, paper_preset
from dreamcade.evaluation.paper.stages import fill_memory, one_pass
from dreamcade.kernels.choice import using
from dreamcade.kernels.decoder_block_timing import REAL_SIZES, BlockSize, measure_decoder_block

DEVICE = resolve_device()
SIDES = {"fused": "auto", "eager": "reference"}
PLAIN = {"fused": None, "eager": DTYPE}
"""What a side computes in where it is the plain modules: the fused decoder's own references move more than those."""
PARTS = ("decode", *(f"pass-{attention}" for attention in ATTENTIONS))
COUNTERS = "dram__bytes_read.sum,dram__bytes_write.sum"


def blocks(out: Path, *sizes: str) -> None:
    """One file for all sizes; what it holds already is not measured again."""
    found = json.loads(out.read_text()) if out.exists() else {}
    for size in [block_size(text) for text in sizes] or REAL_SIZES:
        name = f"{size.channels}x{size.height}x{size.width}{'u' * size.upsample}"
        if name in found:
            continue
        print(f"decoder block {name}: compiling, tuning, timing", flush=True)
        groups = min(32, size.channels // 4)
        found[name] = measure_decoder_block(size, device=DEVICE, groups=groups, compiled=DEVICE.type == "cuda")
        write_json(out, found)


def operations_of(out: Path, preset: str, shrink: str) -> None:
    """One file for all kernels; what it holds already is not measured again."""
    facts = {"machine": machine_name(DEVICE), "preset": preset, "shrink": int(shrink)}
    found: dict[str, Any] = json.loads(out.read_text()) if out.exists() else {**facts, "operations": {}}
    matrix = {} if shrink == "1" else {"matrix": 256, "repeats": 2}
    ceilings = measure_ceilings(DEVICE, [DTYPE], **matrix)
    found["ceilings"] = ceilings.to_json()
    for one in operations(paper_preset(preset, int(shrink)), DEVICE):
        if one.name in found["operations"]:
            continue
        torch.compiler.reset()  # so that each is compiled for its own shapes
        found["operations"][one.name] = time_operation(one, DEVICE, ceilings, DEVICE.type == "cuda")
        print(f"{one.name}: {found['operations'][one.name]['ms']}", flush=True)
        write_json(out, found)


def block_size(text: str) -> BlockSize:
    channels, height, width = map(int, text.removesuffix("u").split("x"))
    return BlockSize(channels, height, width, upsample=text.endswith("u"))


def bytes_off_chip(out: Path, preset: str, shrink: str) -> None:
    counted = {
        attention: stage_work(paper_preset(preset, int(shrink)), attention, CONVOLUTIONAL) for attention in ATTENTIONS
    }
    decode = counted[ATTENTIONS[0]][DECODE]
    figures: dict[str, Any] = {
        "machine": machine_name(DEVICE), "preset": preset, "shrink": int(shrink),
        "counted": {
            "decode": {"fused": decode.bytes, "eager": decode.unfused_bytes},
            **{f"pass-{attention}": {"fused": work[PASS].bytes} for attention, work in counted.items()},
        },
    }  # fmt: skip
    if DEVICE.type == "cuda" and shutil.which("ncu"):
        figures["ncu"] = {
            part: {side: with_ncu(part, side, preset, shrink) for side in SIDES} for part in PARTS
        }  # fmt: skip
    else:
        print("ncu or CUDA is missing here: no counters, only the count")
    write_json(out, figures)


def with_ncu(part: str, side: str, preset: str, shrink: str) -> dict[str, Any]:
    """Bytes by the chip's counters over all kernels of one run; the caches are left as one kernel leaves them to the
    next. Or why there are none."""
    options = ["--metrics", COUNTERS, "--cache-control", "none", "--profile-from-start", "off", "--print-units", "base"]
    command = ["ncu", *options, "--csv", sys.executable, __file__, "once", part, side, preset, shrink]
    print(f"ncu: {part}, {side}", flush=True)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = list(itertools.dropwhile(lambda line: not line.startswith('"ID"'), done.stdout.splitlines()))
    if done.returncode or not lines:
        return {"failed": (done.stdout + done.stderr).strip().splitlines()[-1:]}
    return sum_counters(lines)


def sum_counters(lines: list[str]) -> dict[str, Any]:
    """ncu's CSV, one line for each kernel and counter → bytes read and written, and kernels."""
    rows = list(csv.DictReader(lines))
    totals = dict.fromkeys(COUNTERS.split(","), 0.0)
    for row in rows:
        totals[row["Metric Name"]] += float(row["Metric Value"].replace(",", ""))
    read, written = totals.values()
    return {"read": read, "written": written, "kernels": len({row["ID"] for row in rows})}


def once(part: str, side: str, preset: str, shrink: str) -> None:
    work = part_of(part, preset, shrink, PLAIN[side])
    with using(SIDES[side]), torch.inference_mode():
        for _ in range(3):  # compiles
            work()
        torch.cuda.synchronize()
        torch.cuda.profiler.start()
        work()
        torch.cuda.synchronize()
        torch.cuda.profiler.stop()


def parity(out: Path, preset: str, shrink: str) -> None:
    """Norms of differences over the float32 result's, of the same weights, memory and noise. In the pass every layer's
    rounding to bfloat16 adds up; fused and eager should be about as far off."""
    figures: dict[str, Any] = {"machine": machine_name(DEVICE), "preset": preset, "shrink": int(shrink), "errors": {}}
    for part in PARTS:
        results = {side: result_of(part, preset, shrink, kernels, PLAIN[side]) for side, kernels in SIDES.items()}
        exact = result_of(part, preset, shrink, "reference", torch.float32)
        figures["errors"][part] = {
            side: float((made - exact).norm() / exact.norm()) for side, made in results.items()
        }  # fmt: skip
        print(f"{part}: {figures['errors'][part]}", flush=True)
    write_json(out, figures)


def result_of(part: str, preset: str, shrink: str, kernels: str, dtype: torch.dtype | None = None) -> torch.Tensor:
    with using(kernels), torch.inference_mode():
        return part_of(part, preset, shrink, dtype)().float()


def part_of(part: str, preset: str, shrink: str, dtype: torch.dtype | None = None) -> Callable[[], torch.Tensor]:
    """The same numbers every time."""
    if part not in PARTS:
        raise BadInputError(f"a part is one of {', '.join(PARTS)}; got {part!r}")
    size = paper_preset(preset, int(shrink))
    torch.manual_seed(0)
    if part == "decode":
        drawing, latents = build_drawing(size, DEVICE), torch.randn(1, *size.latent_shape, device=DEVICE)
        if dtype is None:
            return lambda: drawing.decode(latents)
        exact = drawing.module.to(dtype)
        return lambda: exact(latents.to(torch.bfloat16).to(dtype))
    model = build_dynamics(size, DEVICE, part.removeprefix("pass-"))
    model = model if dtype is None else model.to(dtype)
    state = model.new_state(1)
    fill_memory(model, state)
    torch.manual_seed(1)
    return one_pass(model, state)


if __name__ == "__main__":
    command, *rest = sys.argv[1:]
    torch.set_grad_enabled(False)
    torch.backends.cudnn.allow_tf32 = False  # float32 is what the others are compared with
    if command == "once":
        once(*rest)
    else:
        commands = {"blocks": blocks, "operations": operations_of, "bytes": bytes_off_chip, "parity": parity}
        commands[command](Path(rest[0]), *rest[1:])
