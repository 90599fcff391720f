"""The paper's engine here, as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from dreamcade.evaluation.paper.counts import DECODE, PASS, STAGES

_STAGE_COLUMNS = (
    "stage",
    "ms",
    "GFLOP",
    "MB",
    "floor ms",
    "arithmetic ms",
    "transfers ms",
    "of peak",
    "of copy",
    "bound",
)
_FRAME_COLUMNS = ("steps", "FPS", "ms", "floor ms", "pipelined FPS", "ms", "floor ms", "FPS per TFLOP/s")
_UNFUSED_COLUMNS = ("unfused", "ms", "times ours", "against")


def paper_lines(figures: Mapping[str, Any]) -> list[str]:
    """Frames, stages, where the time goes, what unfused networks take, the paper's own figures, the machine."""
    lines = [headline(figures), ""]
    lines += [*_printed(_frame_table(figures)), "", *_printed(_stage_table(figures)), "", *explanations(figures), ""]
    if figures["unfused"]:
        lines += [*_printed(_unfused_table(figures)), *_failures(figures), ""]
    return [*lines, memory_line(figures), *few_bits_lines(figures), *paper_comparison(figures), machine_line(figures)]


def headline(figures: Mapping[str, Any]) -> str:
    width, height = figures["frame_size"]
    small = f", shrunk {figures['shrink']} times: its FPS say nothing of the full size" if figures["shrink"] > 1 else ""
    return (
        f"{figures['preset']} at {width}x{height}: {figures['parameters'] / 1e6:,.0f} M weights ({figures['weights']}, "
        f"random), caches in {figures['cache_bits']} bits, "
        f"{figures['tokens']} tokens, {figures['attention']} attention, {figures['decoder']} decoder{small}"
    )


def where_it_goes(figures: Mapping[str, Any], steps: str) -> list[tuple[str, float]]:
    """Milliseconds of a frame above its floor: of each stage, and between them; the largest first."""
    stages = figures["stages"]
    times = {name: int(steps) if name == PASS else 1 for name in STAGES}
    above = [(name, times[name] * (stages[name]["ms"] - stages[name]["floor_ms"])) for name in STAGES]
    return sorted([*above, ("between stages", figures["frames"][steps]["between_ms"])], key=lambda one: -one[1])


def explanations(figures: Mapping[str, Any]) -> list[str]:
    """What the columns mean, and where a frame's milliseconds beyond the floor go."""
    ceilings = figures["ceilings"]
    peak, copied = ceilings["flops_per_second"]["bfloat16"], ceilings["memory_bytes_per_second"]
    steps = next(iter(figures["frames"]))
    frame = figures["frames"][steps]
    once = ["Only first runs were timed, one of each: give it more --seconds."] if frame["rounds"] == 1 else []
    gone = ", ".join(f"{name} {ms:.2f}" for name, ms in where_it_goes(figures, steps) if ms >= 0.01)
    return [
        *once,
        f"Ceilings of the same run: {peak / 1e12:.3g} TFLOP/s in a large bf16 product, {copied / 1e9:.4g} GB/s in a "
        "large copy.",
        "Floor: arithmetic, or weights, caches and frames moved once, whichever takes longer. Of peak, of copy: the "
        "arithmetic and the transfers of every (fused) operation as shares of those ceilings.",
        f"With {_steps(steps)}, {frame['ms']:.2f} ms: floor {frame['floor_ms']:.2f}; above it {gone or 'nothing'}.",
        "Pipelined, both halves share one device: their floor is all of either ceiling's work, not the slower half.",
    ]


def memory_line(figures: Mapping[str, Any]) -> str:
    memory = {name: amount / 1e9 for name, amount in figures["memory_bytes"].items()}
    whose = "of PyTorch" if figures["device"].startswith("cuda") else "of the process"
    return (
        f"Memory: weights of the dynamics {memory['dynamics']:.3g} GB and of the decoder {memory['decoder']:.3g} GB, "
        f"caches of one session {memory['caches']:.3g} GB, peak {whose} {memory['peak']:.3g} GB."
    )


def few_bits_lines(figures: Mapping[str, Any]) -> list[str]:
    """Of weights or caches in few bits: how far off a pass is, and whether its speed means anything."""
    if figures["error"] is None:
        return []
    kept = f"weights in {figures['weights']}, caches in {figures['cache_bits']} bits"
    lines = [f"A pass with {kept} is {figures['error']:.2%} off the one in bf16 (random weights; norms)."]
    if figures["emulated"]:
        lines.append(
            f"{figures['weights']} is only emulated on this device: the same numbers, no faster; these times say "
            "nothing of a device that has it."
        )
    return lines


def paper_comparison(figures: Mapping[str, Any]) -> list[str]:
    """Beside the paper's figures, whose peak is a data sheet's, not a measured one."""
    paper = figures["paper"]
    lines = [
        f"The paper ({paper['source']}): {paper['fps']:g} FPS on {paper['devices']} devices of "
        f"{paper['tflops_per_device']:g} dense bf16 TFLOP/s each: {paper['fps_per_device']:.3g} FPS per device, "
        f"{paper['fps_per_tflops']:.3g} per TFLOP/s of the data sheet. No code or weights were released."
    ]
    for steps, frame in figures["frames"].items():
        fps = max(frame["fps"], frame["pipelined_fps"])
        per = max(frame["fps_per_tflops"], frame["pipelined_fps_per_tflops"])
        silent = figures["shrink"] > 1 or figures["emulated"]
        ratio = "" if silent else f", {fps / paper['fps_per_device']:.3g} times the paper's per device"
        lines.append(f"Here, {_steps(steps)}: {fps:.4g} FPS on one device{ratio}, {per:.3g} per measured TFLOP/s.")
    return lines


def machine_line(figures: Mapping[str, Any]) -> str:
    kernels = "Triton kernels" if figures["kernels"] == "triton" else "no Triton here: the fused path is the reference"
    graphs = "one CUDA graph a frame" if figures["graphs"] else "no graphs, and pipelined is one after the other"
    threads = "1 thread" if figures["threads"] == 1 else f"{figures['threads']} threads"
    return f"{figures['machine']}, {threads}; {kernels}; {graphs}"


def _frame_table(figures: Mapping[str, Any]) -> Table:
    return _table(
        _FRAME_COLUMNS,
        [
            (
                steps, f"{one['fps']:.4g}", f"{one['ms']:.2f}", f"{one['floor_ms']:.2f}", f"{one['pipelined_fps']:.4g}",
                f"{one['pipelined_ms']:.2f}", f"{one['pipelined_floor_ms']:.2f}",
                f"{max(one['fps_per_tflops'], one['pipelined_fps_per_tflops']):.3g}",
            )
            for steps, one in figures["frames"].items()
        ],
    )  # fmt: skip


def _stage_table(figures: Mapping[str, Any]) -> Table:
    return _table(
        _STAGE_COLUMNS,
        [
            (
                name, f"{one['ms']:.3f}", f"{one['flops'] / 1e9:,.1f}", f"{one['bytes'] / 1e6:,.1f}",
                f"{one['floor_ms']:.3f}", f"{one['compute_ms']:.3f}", f"{one['memory_ms']:.3f}",
                f"{one['of_compute']:.0%}", f"{one['of_bandwidth']:.0%}", one["bound"],
            )
            for name, one in figures["stages"].items()
        ],
    )  # fmt: skip


def _unfused_table(figures: Mapping[str, Any]) -> Table:
    rows = []
    for stage in (PASS, DECODE):
        if stage in figures["unfused"]:
            found = figures["unfused"][stage]
            rows.append((f"{stage}, ours", f"{found['ms']['fused']:.3f}", "1", ""))
            rows += [
                (f"{stage}, {one['side']}", f"{one['ms']:.3f}", f"{one['times_fused']:.2f}", found["against"])
                for one in found["ways"].values()
            ]
    return _table(_UNFUSED_COLUMNS, rows)


def _failures(figures: Mapping[str, Any]) -> list[str]:
    found = figures["unfused"].items()
    return [f"{stage}, {side}: not measured: {why}" for stage, one in found for side, why in one["failed"].items()]


def _steps(count: str) -> str:
    return "1 step" if count == "1" else f"{count} steps"


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="")
    for index, column in enumerate(columns):
        table.add_column(column, justify="left" if index == 0 else "right", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    return table


def _printed(table: Table) -> list[str]:
    console = Console(width=160, highlight=False)
    with console.capture() as caught:
        console.print(table)
    return [line.rstrip() for line in caught.get().splitlines()]
