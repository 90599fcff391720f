"""`dreamcade plan`: I have these devices, this world, this many players; what do I get?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from dreamcade.cluster.devices import DeviceGroup
    from dreamcade.cluster.report import PlanReport
    from dreamcade.evaluation.simulation.answer import Answer


def plan(
    world: Annotated[str | None, typer.Argument(help="A shipped world, a folder or a hub id; or --preset.")] = None,
    preset: Annotated[str | None, typer.Option(help="paper-racing or paper-platformer.")] = None,
    devices: Annotated[
        str, typer.Option(help="KIND:N by commas, as in h200:8,rtx-4090:2; or this machine's: auto, cpu:N, cuda:N.")
    ] = "auto",
    players: Annotated[int, typer.Option(min=1, help="How many play at once.")] = 1,
    latency: Annotated[
        float | None, typer.Option(help="Most milliseconds from an input, once read, to its pixels.")
    ] = None,
    steps: Annotated[int | None, typer.Option(min=1, max=64, help="Denoising steps; none: the world's own.")] = None,
    attention: Annotated[str | None, typer.Option(help="Of a preset: factorised or full.")] = None,
    decoder: Annotated[str | None, typer.Option(help="Of a preset: convolutional or light.")] = None,
    skip: Annotated[float | None, typer.Option(help="Share of frames that are extrapolated, 0 to 1.")] = None,
    calibration: Annotated[
        str | None, typer.Option(help="A file of `dreamcade bench calibrate`, or none: assumptions only.")
    ] = None,
    device_kinds: Annotated[Path | None, typer.Option(help="Your own kinds of devices, as JSON.")] = None,
    host_cores: Annotated[
        float | None, typer.Option(help="Cores of your machines' processors for each device; none: a usual machine's.")
    ] = None,
    decoding: Annotated[str | None, typer.Option(help="round-robin or spatial; none: whichever is better.")] = None,
    top: Annotated[int, typer.Option(min=1, help="Plans to list.")] = 8,
    json: Annotated[Path | None, typer.Option(help="Write the plans to this file; --plan FILE reads it.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw FPS by devices and by splits into this PNG.")] = None,
    simulate: Annotated[
        bool, typer.Option("--simulate", help="Simulate the players: devices, latencies, cost.")
    ] = False,
    seconds: Annotated[float, typer.Option(help="Of play that is simulated.")] = 10.0,
    seed: Annotated[int, typer.Option(min=0, help="Of the simulation.")] = 0,
    misses: Annotated[float, typer.Option(help="Share of frames that may be missed, simulated.")] = 0.01,
    losses: Annotated[float, typer.Option(help="How often a day each replica is lost, simulated.")] = 0.0,
    price: Annotated[list[str] | None, typer.Option(help="KIND=EUR of a device for an hour; for each kind.")] = None,
    simulation_plot: Annotated[Path | None, typer.Option(help="Draw the simulation into this PNG.")] = None,
) -> None:
    """Split devices between dynamics and decoder: the best plans, what they would bring, what holds them back.

    Example: dreamcade plan racing --devices h100:8 --players 200 --latency 60
    """
    # Imported here: `dreamcade --help` needs no PyTorch.
    from dreamcade.core.errors import BadInputError
    from dreamcade.core.files import expect_writable, write_json, write_whole

    for file in filter(None, (json, plot, simulation_plot)):
        expect_writable(file)
    if (world is None) == (preset is None):
        raise BadInputError(
            "a plan is for one world or one preset: dreamcade plan racing, or dreamcade plan --preset paper-racing"
        )
    if plot:
        from dreamcade.evaluation.plan_plot import plot_plan  # before anything is counted: it needs an extra
    from dreamcade.cluster.report import report
    from dreamcade.evaluation.paper.presets import paper_preset
    from dreamcade.evaluation.plan_subject import plan_subject

    there = _devices_there(devices, device_kinds, host_cores)
    name = world or paper_preset(preset or "").name
    subject = plan_subject(name, there, calibration, steps=steps, attention=attention, decoder=decoder, skip=skip)
    asked = report(subject.workload, there, subject.calibration, players=players, latency_ms=latency, decoding=decoding)
    asked.notes.extend(subject.notes(asked.plans))
    answer = None
    if simulate:
        from dreamcade.cli.simulate import simulate_report

        answer = simulate_report(
            asked, world, seconds=seconds, seed=seed, prices=price or [], misses=misses, losses_a_day=losses
        )
    if json:
        write_json(json, asked.to_json() if answer is None else {**asked.to_json(), "simulation": answer.to_json()})
    if plot:
        write_whole(plot, plot_plan(asked, decoding, subject.published))
    _tell(asked, top, answer, simulation_plot)


def _devices_there(text: str, kinds: Path | None, host_cores: float | None) -> tuple[DeviceGroup, ...]:
    """What `--devices` names, among the known kinds or one's own."""
    from dreamcade.cluster.devices import KINDS, read_kinds, with_host_cores
    from dreamcade.cluster.own_devices import asked_devices

    there = asked_devices(text, KINDS if kinds is None else read_kinds(kinds))
    return there if host_cores is None else with_host_cores(there, host_cores)


def _tell(asked: PlanReport, top: int, answer: Answer | None, simulation_plot: Path | None) -> None:
    """Prints the plans, then what a simulation says, where there was one; and draws that."""
    from dreamcade.core.files import write_whole
    from dreamcade.evaluation.plan_table import plan_lines

    lines = plan_lines(asked, top)
    if answer is not None:
        from dreamcade.cli.simulate import simulated_lines, simulation_png

        if simulation_plot:
            write_whole(simulation_plot, simulation_png(answer))
        lines = [*lines, "", *simulated_lines(answer)]
    for line in lines:
        typer.echo(line)
