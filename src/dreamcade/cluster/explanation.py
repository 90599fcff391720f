"""What a plan rests on, and where another one would be preferred, in words. Knows no PyTorch."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

from dreamcade.cluster.assessment import most
from dreamcade.cluster.calibration import ASSUMED, COUNTED, DATA_SHEET, MEASURED, Calibration, Input
from dreamcade.cluster.devices import DeviceGroup, DeviceKind, devices_text, first_devices
from dreamcade.cluster.plan import Plan
from dreamcade.cluster.planner import plan
from dreamcade.cluster.rates import assumed_of, rates_of, times_hold
from dreamcade.cluster.workload import Workload
from dreamcade.core.errors import BadInputError

NEARLY = 0.95
"""Of the best plan's frames a second, where fewer devices do."""


def inputs_of(
    workload: Workload, devices: Sequence[DeviceGroup], calibration: Calibration | None = None
) -> list[Input]:
    """Every input of a prediction, with where it comes from."""
    found = list(() if calibration is None else calibration.inputs)
    found += [
        Input(
            "passes", _passes(workload), COUNTED, f"{workload.attention} attention, {workload.context} frames of memory"
        ),
        Input("decoder", f"{_flop(workload.decoder_flops)}, {_size(workload.decoder_bytes)} a frame", COUNTED),
        Input("weights", f"{_size(workload.weight_bytes)} + {_size(workload.decoder_weight_bytes)}", COUNTED),
        Input("memory of a player", _size(workload.cache_bytes), COUNTED),
    ]
    for kind in (group.kind for group in devices):
        link = f"{_size(kind.link)}/s, {1e6 * kind.link_latency:.3g} µs an exchange"
        sheet = f"{_flop(kind.flops)}/s, {_size(kind.bandwidth)}/s, {_size(kind.memory)}; {link}"
        found.append(Input(kind.name, sheet, DATA_SHEET, kind.source))
        found += [
            Input(f"{kind.name}: {name.replace('_', ' ')}", f"{share:.0%}", ASSUMED, "of the data sheet's figure")
            for name, share in assumed_of(kind, workload, calibration).items()
        ]
        found.append(_encoding(kind, workload, calibration))
    return found


def second_thoughts(
    plans: Sequence[Plan], workload: Workload, devices: Sequence[DeviceGroup], calibration: Calibration | None = None,
    *, players: int = 1, latency_ms: float | None = None, decoding: str | None = None,
) -> list[str]:  # fmt: skip
    """Where another plan than the first would be preferred, and why; and what no plan counts."""
    best, notes = plans[0], list[str]()

    def again(workload: Workload, devices: Sequence[DeviceGroup]) -> list[Plan]:
        return plan(workload, devices, calibration, players=players, latency_ms=latency_ms, decoding=decoding)

    if workload.skip:
        notes += _without_extrapolation(best, plans, again(dataclasses.replace(workload, skip=0.0), devices))
    soonest = min(plans, key=lambda one: (not one.meets, one.latency_ms))
    if soonest.latency_ms < NEARLY * best.latency_ms:
        notes.append(f"soonest: {plan_name(soonest)}, {soonest.latency_ms:.4g} ms at {soonest.fps:.1f} FPS")
    if workload.tick_rate and best.meets:
        notes += _enough(devices, lambda there: again(workload, there))
    else:
        notes += _nearly(best, plans)
    return [*notes, *_left_out(workload, devices, calibration)]


def _enough(devices: Sequence[DeviceGroup], plans_on: Callable[[Sequence[DeviceGroup]], list[Plan]]) -> list[str]:
    """How few of the devices would do: frames beyond the tick rate are of use to nobody."""
    there = sum(group.count for group in devices)

    def falls_short(count: int) -> bool:
        try:
            return not plans_on(first_devices(devices, count))[0].meets
        except BadInputError:  # too little memory
            return True

    fewest = 1 + most(falls_short, there - 1)
    if fewest == there:
        return []
    taken = first_devices(devices, fewest)
    one = plans_on(taken)[0]
    return [
        f"enough for all players: {devices_text(taken)}, as {plan_name(one)}: {one.fps:.1f} FPS, "
        f"{one.latency_ms:.4g} ms, carries {one.carries}"
    ]


def _nearly(best: Plan, plans: Sequence[Plan]) -> list[str]:
    fewest = min((one for one in plans if one.meets == best.meets and one.fps >= NEARLY * best.fps), key=_size_of)
    if fewest.devices >= best.devices:
        return []
    return [f"nearly as many frames on {fewest.devices} devices: {plan_name(fewest)}, {fewest.fps:.1f} FPS"]


def _left_out(workload: Workload, devices: Sequence[DeviceGroup], calibration: Calibration | None) -> list[str]:
    """What an operator would take for counted in."""
    wait = f"up to {1e3 / workload.tick_rate:.3g} ms until a tick begins, " if workload.tick_rate else ""
    timed = all(one.kind.host and rates_of(one.kind, workload, calibration).encode for one in devices)
    encoding = "" if timed else "encoding on the processor, "
    return [f"not counted in the latency: {wait}{encoding}the network and the browser"]


def _without_extrapolation(best: Plan, plans: Sequence[Plan], without: Sequence[Plan]) -> list[str]:
    """Which split would come first, and what extrapolation changes: it relieves the dynamics, not the decoder."""
    other = without[0]
    if other.layout.split == best.layout.split:
        return []
    same = next((one for one in without if one.layout == best.layout), None)
    with_it = next((one for one in plans if one.layout == other.layout), None)
    against = f" ({plan_name(best)}: {same.fps:.1f}, held back by its {same.bottleneck})" if same else ""
    note = f"without extrapolation {plan_name(other)} would be first with {other.fps:.1f} FPS{against}"
    if with_it:
        note += f"; with it, it would wait for its {with_it.bottleneck} ({with_it.fps:.1f} FPS), since a frame that is "
        note += "extrapolated saves its pass, not its drawing"
    return [note]


def plan_name(one: Plan) -> str:
    """As people write it: `4 × 5+3 spatial`."""
    several = one.layout.decoder_devices > 1
    copies = f"{one.layout.replicas} × " if one.layout.replicas > 1 else ""
    return f"{copies}{one.layout.split}{' ' + one.layout.decoding if several else ''}"


def kinds_text(one: Plan) -> str:
    """Which devices a pipeline has: `1 h100 + 2 rtx-4090`."""
    stages = (one.dit_kinds, one.decoder_kinds)
    texts = [" and ".join(f"{count} {name}" for name, count in stage.items()) for stage in stages]
    return texts[0] if one.layout.shared else " + ".join(texts)


def _encoding(kind: DeviceKind, workload: Workload, calibration: Calibration | None) -> Input:
    known = calibration.of(kind.name).encode_ms if calibration and times_hold(calibration, workload) else None
    cores = "by the core itself" if kind.host else f"{kind.host_cores:g} of the machine's cores a device"
    text = f"{1e3 * rates_of(kind, workload, calibration).encode:.2g} ms a picture, {cores}"
    return Input(f"{kind.name}: encoding", text, ASSUMED if known is None else MEASURED)


def _size_of(one: Plan) -> tuple[int, float]:
    return one.devices, -one.fps


def _passes(workload: Workload) -> str:
    attention = workload.head_flops / workload.pass_flops if workload.pass_flops else 0.0
    shared = f"{attention:.0%} of it by {workload.heads} heads, the rest by {workload.tokens} tokens"
    return f"{workload.steps} × {_flop(workload.pass_flops)}, {shared}"


def _flop(count: float) -> str:
    return f"{count / 1e12:.3g} TFLOP" if count >= 1e11 else f"{count / 1e9:.3g} GFLOP"


def _size(count: float) -> str:
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return f"{count / 1e3:.3g} KB"
