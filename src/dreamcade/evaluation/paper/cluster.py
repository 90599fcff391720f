"""The cluster of arXiv 2602.00608, as a calibration: what it reports, and what follows from that.

It reports 19.4 FPS for five devices in the dynamics and three in the decoder and 16.6 for three and five, both before
extrapolation; 26.4 FPS with it; and 93 ms for drawing on one device. So a frame is drawn every 31 ms on three devices
and every 19 ms on five, while frames come every 51.5 and 60.2 ms: the dynamics holds both back, and

    T_dit(N) = a / N + b    with    T_dit(5) = 1 s / 19.4,  T_dit(3) = 1 s / 16.6

has one answer. By the paper's own formula b would be the exchange; its size, more than half of a frame, says that
latencies and launches count more than bytes. 26.4 : 19.4 says how many passes were left out. The other game's figure
gives its share of frames, with arithmetic and pixels scaled by count and b as it is.
"""

from __future__ import annotations

import dataclasses

from dreamcade.cluster.calibration import FITTED, PAPER, Calibration, Input, KindCalibration
from dreamcade.cluster.costs import pass_share
from dreamcade.cluster.devices import KINDS, DeviceGroup
from dreamcade.cluster.layout import Layout
from dreamcade.cluster.plan import Plan
from dreamcade.cluster.planner import predict
from dreamcade.cluster.workload import Workload
from dreamcade.evaluation.paper.presets import PAPER_DEVICES, PAPER_PRESETS, PaperPreset
from dreamcade.evaluation.paper.workload import paper_workload

PAPER_KIND = "ascend-910c"
REPORTED = "paper-racing"
"""The game whose figures the fit is of."""
PAPER_FPS = {(5, 3): 19.4, (3, 5): 16.6}
"""Before extrapolation, by devices in the dynamics and in the decoder."""
PAPER_SPLIT = (5, 3)
PAPER_DECODER_MS = 93.0
"""On one device."""


@dataclasses.dataclass(frozen=True, slots=True)
class Fit:
    """Milliseconds of the dynamics: `divided` / N + `fixed`; share of frames that are extrapolated."""

    divided: float
    fixed: float
    decoder: float
    skip: float


def fit_paper(preset: PaperPreset) -> Fit:
    """Of one of the paper's games at full size."""
    reported = paper_workload(PAPER_PRESETS[REPORTED])
    divided, fixed = _divided_and_fixed(reported)
    own = reported if preset.name == REPORTED else paper_workload(preset)
    divided *= own.pass_flops / reported.pass_flops
    decoder = PAPER_DECODER_MS * own.decoder_flops / reported.decoder_flops
    calibration = _calibration(preset, Fit(divided, fixed, decoder, 0.0), ())
    layout = Layout(*PAPER_SPLIT)
    before = predict(own, layout, paper_devices(), calibration).fps
    return Fit(divided, fixed, decoder, 1 - before / preset.paper_fps)


def paper_calibration(preset: PaperPreset) -> Calibration:
    """The fit as a calibration, with what is the paper's and what is fitted."""
    fit = fit_paper(preset)
    return _calibration(preset, fit, _inputs(preset, fit))


def paper_devices() -> tuple[DeviceGroup, ...]:
    """Of the paper's engine."""
    return (DeviceGroup(KINDS[PAPER_KIND], PAPER_DEVICES),)


def published_fps(preset: PaperPreset) -> list[tuple[tuple[int, int], float]]:
    """Of the paper, by split: without extrapolation where it says so, and with it for its own."""
    without = PAPER_FPS if preset.name == REPORTED else {}
    return [*without.items(), (PAPER_SPLIT, preset.paper_fps)]


def paper_notes(preset: PaperPreset, workload: Workload, plans: list[Plan]) -> list[str]:
    """The paper's own figures beside what was predicted for the same splits, and what its choice hangs on."""
    notes = []
    for plan in plans:
        key = plan.layout.dit_devices, plan.layout.decoder_devices
        published = PAPER_FPS.get(key) if preset.name == REPORTED else None
        if published and plan.layout.replicas == 1 and plan.layout.decoding == "round-robin":
            notes.append(
                f"{plan.layout.split}: {plan.fps_without_extrapolation:.1f} FPS before extrapolation, fitted to the "
                f"paper's {published:g}; with it {plan.fps:.1f}" + _after(preset, key)
            )
    fit = fit_paper(preset)
    notes += _other_split(plans, fit)
    share = workload.pass_flops / KINDS[PAPER_KIND].flops / fit.divided * 1e3
    notes.append(
        f"how many steps the paper takes is not known; by ours, a pass of {workload.pass_flops / 1e12:.3g} TFLOP, the "
        f"part that is divided runs at {share:.1%} of the FLOP/s with one step, {4 * share:.0%} with four"
    )
    counted, known = _counted_ms(workload), PAPER_DECODER_MS * _pixels(preset)
    notes.append(
        f"the paper's formula for the decoder, bytes over bandwidth, gives {counted:.3g} ms on one device for the "
        f"{workload.decoder_bytes / 1e9:.3g} GB that ours moves on fused kernels; {known:.3g} ms are "
        f"{counted / known:.1%} of the bandwidth: it is not bandwidth alone that holds theirs back"
    )
    return notes


def _other_split(plans: list[Plan], fit: Fit) -> list[str]:
    """Why another split than the paper's comes first, where one does."""
    best, paper = plans[0], Layout(*PAPER_SPLIT).split
    own = next((one for one in plans if one.layout.split == paper), None)
    if best.layout.split == paper or own is None:
        return []
    return [
        f"the paper's split, {paper}, would bring {own.fps:.1f} FPS; {best.layout.split} comes first, since one device "
        f"draws a frame in {fit.decoder:.3g} ms, and what of the DiT no device more makes shorter takes "
        f"{fit.fixed * (1 - fit.skip):.3g} ms a frame"
    ]


def _after(preset: PaperPreset, key: tuple[int, int]) -> str:
    return f", fitted to the paper's {preset.paper_fps:g}" if key == PAPER_SPLIT else ""


def _pixels(preset: PaperPreset) -> float:
    """Of the game whose figures are reported, as a share."""
    reported = PAPER_PRESETS[REPORTED]
    return preset.frame_width * preset.frame_height / (reported.frame_width * reported.frame_height)


def _counted_ms(workload: Workload) -> float:
    return 1e3 * workload.decoder_bytes / KINDS[PAPER_KIND].bandwidth


def _divided_and_fixed(workload: Workload) -> tuple[float, float]:
    """Two splits, both held back by the dynamics: two equations."""
    (many, _), (few, _) = PAPER_FPS
    at_many, at_few = (1e3 / fps for fps in PAPER_FPS.values())
    divided = (at_few - at_many) / (pass_share(workload, few) - pass_share(workload, many))
    return divided, at_many - divided * pass_share(workload, many)


def _calibration(preset: PaperPreset, fit: Fit, inputs: tuple[Input, ...]) -> Calibration:
    reached = KindCalibration(
        batches=(1,), dit_ms=(fit.divided + fit.fixed,), decoder_ms=(fit.decoder,), dit_fixed_ms=fit.fixed,
        exchange_ms=0.0,  # within what does not shrink
    )  # fmt: skip
    source = "fitted to the figures of arXiv 2602.00608"
    return Calibration(preset.name, source, {PAPER_KIND: reached}, fit.skip, inputs)


def _inputs(preset: PaperPreset, fit: Fit) -> tuple[Input, ...]:
    fps = ", ".join(f"{rate:g} ({n}+{m})" for (n, m), rate in PAPER_FPS.items())
    other = "" if preset.name == REPORTED else f"; {REPORTED}'s, scaled by count"
    published = [
        Input("FPS before extrapolation", fps, PAPER, REPORTED),
        Input("FPS with extrapolation", f"{preset.paper_fps:g}", PAPER, f"{preset.name}, {PAPER_DEVICES} devices"),
        Input("decoder on one device", f"{PAPER_DECODER_MS:g} ms", PAPER, REPORTED),
    ]
    fitted = [
        Input("DiT, divided by its devices", f"{fit.divided:.1f} ms", FITTED, "a of a / N + b" + other),
        Input("DiT, on any number of devices", f"{fit.fixed:.1f} ms", FITTED, "b of a / N + b: latencies and launches"),
        Input(
            "frames extrapolated",
            f"{fit.skip:.1%}",
            FITTED,
            "1 − FPS before it / FPS with it, at 5+3",
        ),
    ]
    if other:
        fitted.append(Input("decoder on one device, here", f"{fit.decoder:.1f} ms", FITTED, "scaled by count"))
    return (*published, *fitted)
