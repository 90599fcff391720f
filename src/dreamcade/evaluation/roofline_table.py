"""A roofline as text."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console
from rich.table import Table

from dreamcade.evaluation.ceilings import Ceilings, dtype_name
from dreamcade.evaluation.roofline import Operations, Roofline, Stage

PREMISE = {"dynamics": "compute", "decode": "memory"}
"""What the paper says that the two halves of an engine wait for (arXiv 2602.00608)."""
H200_RIDGE = 989e12 / 4.8e12
"""Dense bfloat16 FLOP/s over bytes/s of an H200 SXM."""
WAITED = 0.03
"""Share of time that other programs had the processor, above which that is said."""
BUSY = 1.3
"""Median over shortest run above which other work on the machine must have been in the way."""
_STAGES = (
    "stage",
    "ms",
    "as played",
    "least ms",
    "GFLOP",
    "MB",
    "FLOP/B",
    "fused",
    "compute-bound",
    "memory-bound",
    "overhead",
)
_OPERATIONS = ("operations", "×", "MFLOP", "MB", "FLOP/B", "ms", "of stage", "of ceiling", "bound")


def roofline_lines(roofline: Roofline, top: int) -> list[str]:
    """The stages, the `top` operations that take longest in each, what the columns mean, and the verdict."""
    lines = _printed(_stage_table(roofline))
    for stage in roofline.stages:
        lines += ["", stage.name, *_printed(_operation_table(stage, roofline.ceilings, top))]
    lines += ["", *_ceiling_lines(roofline), *explanations(roofline), ""]
    return [*lines, elsewhere(roofline), *verdicts(roofline)]


def verdicts(roofline: Roofline) -> list[str]:
    """What each stage waits for, and whether that is what the paper says."""
    return [_verdict(stage, roofline.ceilings) for stage in roofline.stages]


def elsewhere(roofline: Roofline) -> str:
    """On which side of a large GPU's ridge the same tensors would stand: what a stage waits for is the machine's
    doing as much as its own."""
    sides = [
        f"{stage.name} {_side(stage.intensity)} as it is ({stage.intensity:.0f}), "
        f"{_side(stage.fused_intensity)} if all were fused ({stage.fused_intensity:.0f})"
        for stage in roofline.stages
    ]
    return f"At an H200's ridge ({H200_RIDGE:.0f} FLOP/B by its data sheet, caches aside): {'; '.join(sides)}."


def _side(intensity: float) -> str:
    return "compute-bound" if intensity >= H200_RIDGE else "memory-bound"


def explanations(roofline: Roofline) -> list[str]:
    """What the columns mean, and what they do not."""
    cached = [stage.name for stage in roofline.stages if stage.cached]
    lines = [
        "Least: every operation at its ceiling, nothing in between. Fused: FLOP/B if no intermediate result ever left "
        "the chip. Overhead: time in no operation (Python, calls, views).",
        "Bytes are those of tensors, read once and written once by every operation: an upper bound of what leaves the "
        "chip where tensors stay in a cache.",
        f"What any call costs ({_call_costs(roofline)}) is overhead; of operations that take less, times are not to be "
        "trusted, and operations that use a cache nearer than the last can pass their ceiling.",
    ]
    if cached:
        size = f"{roofline.ceilings.cache_bytes / 2**20:.0f} MiB"
        assumed = "" if roofline.ceilings.cache_known else ", assumed"
        lines.append(
            f"All that {' and '.join(cached)} touch fits the last cache ({size}{assumed}): judged by the cache's "
            "bandwidth, and in truth hardly anything leaves the chip from one frame to the next."
        )
    return [*lines, *_busy_lines(roofline)]


def _busy_lines(roofline: Roofline) -> Iterator[str]:
    """What other programs had to do with it."""
    for stage in roofline.stages:
        if stage.waited > WAITED:
            yield (
                f"Other programs had the processor for {stage.waited:.0%} of the time of {stage.name}; that is left "
                "out, but not what they do to the caches and to memory."
            )
        elif stage.seconds > BUSY * stage.best_seconds:
            yield (
                f"The machine is busy: the median run of {stage.name} took {stage.seconds / stage.best_seconds:.1f}× "
                "the quickest, and its waiting counts as overhead; measure again on a quiet machine, or with --threads "
                "1, where waiting is left out."
            )


def _call_costs(roofline: Roofline) -> str:
    return ", ".join(f"{stage.name} {1e6 * stage.call_seconds:.1f} µs" for stage in roofline.stages)


def _verdict(stage: Stage, ceilings: Ceilings) -> str:
    bound, ridge = stage.bound(ceilings), ceilings.ridge(stage.dtype, stage.cached)
    where = "cache" if stage.cached else "memory"
    said = PREMISE.get(stage.name)
    paper = "" if said is None else (", as the paper says" if said == bound else f"; the paper says {said}-bound")
    sign = "≥" if bound == "compute" else "<"
    overhead = "overhead-bound, its operations " if stage.overhead_seconds > stage.seconds / 2 else ""
    computing, moving = (_share(stage.bound_seconds(ceilings, part), stage) for part in ("compute", "memory"))
    return (
        f"{stage.name}: {overhead}{bound}-bound ({stage.intensity:.1f} FLOP/B {sign} {ridge:.1f}, the {where}'s "
        f"ridge){paper}; {computing} of its time in compute-bound operations, {moving} in memory-bound ones, "
        f"{_share(stage.overhead_seconds, stage)} in none; {stage.seconds / stage.least_seconds:.1f}× its least time"
    )


def _ceiling_lines(roofline: Roofline) -> Iterator[str]:
    ceilings = roofline.ceilings
    peaks = ", ".join(f"{dtype_name(d)} {f / 1e9:.0f} GFLOP/s" for d, f in ceilings.compute.items())
    main = next(iter(ceilings.compute))
    yield (
        f"Ceilings here: {peaks}; memory {ceilings.memory / 1e9:.0f} GB/s, cache {ceilings.cache / 1e9:.0f} GB/s; "
        f"ridges of {dtype_name(main)}: {ceilings.ridge(main, False):.1f} FLOP/B (memory), "
        f"{ceilings.ridge(main, True):.1f} (cache)."
    )
    yield (
        f"{roofline.name}: {roofline.machine}, {roofline.device}, threads: {roofline.threads}; medians of "
        f"{roofline.repeats} runs on reference kernels{f'; as played: by {roofline.path}' if roofline.path else ''}."
    )


def _stage_table(roofline: Roofline) -> Table:
    table = Table(*_STAGES, box=None)
    for stage in roofline.stages:
        table.add_row(
            stage.name, f"{1e3 * stage.seconds:.2f}",
            f"{1e3 * stage.played_seconds:.2f}" if stage.played_seconds else "the same",
            f"{1e3 * stage.least_seconds:.2f}", f"{stage.flops / 1e9:.3g}",
            f"{stage.bytes / 1e6:.3g}", f"{stage.intensity:.1f}", f"{stage.fused_intensity:.0f}",
            _share(stage.bound_seconds(roofline.ceilings, "compute"), stage),
            _share(stage.bound_seconds(roofline.ceilings, "memory"), stage), _share(stage.overhead_seconds, stage),
        )  # fmt: skip
    return table


def _operation_table(stage: Stage, ceilings: Ceilings, top: int) -> Table:
    table = Table(*_OPERATIONS, box=None)
    for one in stage.operations[:top]:
        table.add_row(*_cells(one, stage, ceilings))
    rest = stage.operations[top:]
    if rest:
        seconds = sum(one.seconds for one in rest)
        table.add_row(f"{len(rest)} more", "", "", "", "", f"{1e3 * seconds:.3f}", f"{seconds / stage.seconds:.0%}")
    overhead = f"{1e3 * stage.overhead_seconds:.3f}"
    table.add_row("overhead", f"{stage.calls}", "", "", "", overhead, _share(stage.overhead_seconds, stage))
    return table


def _cells(one: Operations, stage: Stage, ceilings: Ceilings) -> list[str]:
    return [
        one.name, f"{one.calls}", f"{one.flops / 1e6:.4g}", f"{one.bytes / 1e6:.3g}", f"{one.intensity:.1f}",
        f"{1e3 * one.seconds:.3f}", f"{one.seconds / stage.seconds:.0%}", f"{one.achieved:.0%}",
        one.bound(ceilings.ridge(one.dtype, stage.cached)),
    ]  # fmt: skip


def _share(seconds: float, stage: Stage) -> str:
    return f"{seconds / stage.seconds:.0%}"


def _printed(table: Table) -> list[str]:
    console = Console(width=160, highlight=False)
    with console.capture() as captured:
        console.print(table)
    return [line.rstrip() for line in captured.get().splitlines()]
