"""What this machine's device takes for the stages of a frame, as a calibration for plans."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch

from dreamcade.cluster.calibration import MEASURED, Calibration, Input, KindCalibration
from dreamcade.cluster.devices import KINDS, DeviceKind
from dreamcade.cluster.gloo_times import gloo_times
from dreamcade.cluster.own_devices import CORE, kind_called
from dreamcade.cluster.workload import Workload
from dreamcade.cluster.world_workload import world_workload
from dreamcade.core.device import resolve_device
from dreamcade.core.errors import BadInputError, UnknownNameError
from dreamcade.core.types import Pixels
from dreamcade.engine.engine import Engine
from dreamcade.engine.session import Session
from dreamcade.evaluation.machine import machine_name
from dreamcade.evaluation.metrics import Progress
from dreamcade.evaluation.paper.engine import PaperEngine
from dreamcade.evaluation.paper.models import build_drawing, build_dynamics, sampled_in
from dreamcade.evaluation.paper.presets import PAPER_PRESETS, paper_preset
from dreamcade.evaluation.paper.stages import fill_memory
from dreamcade.evaluation.paper.timing import Run, medians, repeated, times_by_turns
from dreamcade.evaluation.paper.workload import paper_workload
from dreamcade.world.world import World

BATCHES = (1, 2, 4)
PASS, DRAW, ENCODE = "pass", "draw", "encode"
Encode = Callable[[Pixels], bytes]


@dataclass(frozen=True, slots=True)
class Subject:
    """What is timed: runs by stage and batch, `pass 2` and so on; `transferable` where sizes are not those that will be
    planned with, so that only shares of the data sheet's figures say anything."""

    workload: Workload
    runs: dict[str, Run]
    batches: tuple[int, ...]
    transferable: bool = False


def calibrate_device(
    name: str, encode: Encode, *, device: str = "auto", kind: str | None = None, steps: int | None = None,
    shrink: int = 1, seconds: float = 10.0, kinds: Mapping[str, DeviceKind] = KINDS,
    progress: Progress = lambda what, done, total: None,
) -> Calibration:  # fmt: skip
    """Times a world as it is played, or a preset with random weights, for about `seconds`: passes and drawing for some
    numbers of players, encoding, and, on a CPU, an exchange between two processes. On a CPU, one core computes.

    Raises `UnknownNameError` or `WorldError` as `World.load`, and `BadInputError` for a shrunk world or a device of no
    known kind.
    """
    where = resolve_device(device)
    there = _kind(where, kind, kinds)
    if where.type == "cpu":
        torch.set_num_threads(1)
    preset = name in PAPER_PRESETS
    subject = _preset(name, where, steps, shrink) if preset else _world(name, device, steps, shrink, encode)
    times = medians(times_by_turns(subject.runs, where, seconds, "stages by turns", progress))
    link = _link(progress) if where.type == "cpu" else None
    return _calibration(subject, there, times, link, machine_name(where))


def _world(name: str, device: str, steps: int | None, shrink: int, encode: Encode) -> Subject:
    if shrink != 1:
        raise BadInputError(f"only a preset can be shrunk ({', '.join(PAPER_PRESETS)}); {name!r} is a world")
    world = World.load(name)
    engine = Engine(world, device=device, sampling_steps=steps)
    if engine.device.type == "cpu":
        torch.set_num_threads(1)
    sessions, idle = [engine.open_session(seed=seed) for seed in range(max(BATCHES))], world.controls.idle()
    for _ in range(world.dynamics.config.memory):  # full, as it is all through play
        engine.step_many(dict.fromkeys(sessions, idle))
    frame = engine.step_many({sessions[0]: idle})[sessions[0]].pixels
    runs: dict[str, Run] = {ENCODE: repeated(lambda: encode(frame))}
    for batch in BATCHES:
        runs |= _batch(engine, sessions[:batch], idle)
    return Subject(world_workload(world, steps), runs, BATCHES)


def _batch(engine: Engine, sessions: Sequence[Session], idle: object) -> dict[str, Run]:
    asked = [(session, engine.world.controls.validate(idle)) for session in sessions]
    dreamed = [proposal.dreamed for proposal in engine.passes.compute(asked)]
    return {
        f"{PASS} {len(sessions)}": repeated(lambda: engine.passes.compute(asked)),
        f"{DRAW} {len(sessions)}": repeated(lambda: engine.passes.draw(dreamed)),
    }


def _preset(name: str, device: torch.device, steps: int | None, shrink: int) -> Subject:
    preset = paper_preset(name, shrink)
    model, drawing = sampled_in(build_dynamics(preset, device), steps or 1), build_drawing(preset, device)
    runs: dict[str, Run] = {}
    for batch in BATCHES[:2]:
        state = model.new_state(batch)
        engine = PaperEngine(model, state, drawing, graphs=device.type == "cuda")
        fill_memory(model, state)
        runs[f"{PASS} {batch}"] = repeated(engine.dream)
        runs[f"{DRAW} {batch}"] = repeated(lambda engine=engine: engine.draw(engine.buffers.latents))  # type: ignore[misc]
    return Subject(paper_workload(preset, steps=steps or 1), runs, BATCHES[:2], shrink > 1)


def _link(progress: Progress) -> tuple[float, float]:
    progress("exchange between processes", 0, 1)
    found = gloo_times()
    progress("exchange between processes", 1, 1)
    return found


def _calibration(
    subject: Subject, kind: DeviceKind, times: dict[str, float], link: tuple[float, float] | None, machine: str
) -> Calibration:
    """Shares of the data sheet's figures where sizes were not those of the plan to come, else the times themselves."""
    work = subject.workload
    flops = work.steps * work.pass_flops + work.frame_flops
    dit, draw = times[f"{PASS} 1"], times[f"{DRAW} 1"]
    of_peak = 1e3 * flops / kind.flops / dit, 1e3 * work.decoder_flops / kind.flops / draw
    found = KindCalibration(
        dit_utilisation=min(1.0, of_peak[0]), decoder_utilisation=min(1.0, of_peak[1]),
        link=None if link is None else link[1], link_latency=None if link is None else link[0],
    )  # fmt: skip
    if not subject.transferable:
        found = dataclasses.replace(
            found, batches=subject.batches, steps=work.steps, encode_ms=times.get(ENCODE),
            dit_ms=tuple(times[f"{PASS} {batch}"] for batch in subject.batches),
            decoder_ms=tuple(times[f"{DRAW} {batch}"] for batch in subject.batches),
        )  # fmt: skip
    inputs = [Input(_timed(stage), f"{ms:.3g} ms", MEASURED, work.name) for stage, ms in times.items()]
    inputs += [
        Input(f"{kind.name}: {stage} utilisation", f"{share:.1%}", MEASURED, "of the data sheet's FLOP/s")
        for stage, share in zip(("dit", "decoder"), of_peak, strict=True)
    ]
    if link:
        text = f"{1e6 * link[0]:.0f} µs, {link[1] / 1e9:.2f} GB/s"
        inputs.append(Input(f"{kind.name}: exchange", text, MEASURED, "two processes, gloo"))
    name = "" if subject.transferable else work.name
    return Calibration(name, f"measured on {machine}", {kind.name: found}, None, tuple(inputs))


def _timed(run: str) -> str:
    """`pass 2` → pass of 2 players."""
    stage, _, players = run.partition(" ")
    return f"{stage} of {players} player{'s' * (players != '1')}" if players else f"{stage} of a frame"


def _kind(device: torch.device, name: str | None, kinds: Mapping[str, DeviceKind]) -> DeviceKind:
    """As asked for, or what the device's own name says."""
    if name is not None:
        if name not in kinds:
            raise UnknownNameError("device kind", name, kinds)
        return kinds[name]
    if device.type == "cpu":
        return kinds[CORE]
    called = torch.cuda.get_device_name(device)
    found = kind_called(called, kinds)
    if found is None:
        raise BadInputError(f"{called!r} is of no known kind; say which is nearest with --kind: {', '.join(kinds)}")
    return found
