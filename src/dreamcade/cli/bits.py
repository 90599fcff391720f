"""`dreamcade bench bits`: how few bits does a world get by with?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dreamcade.cli.stage_bars import stage_bars


def bits(
    world: Annotated[str, typer.Argument(help="A shipped world or a folder.")],
    data: Annotated[Path, typer.Option(help="The dataset whose held-out play is continued.")],
    windows: Annotated[int, typer.Option(min=1, help="Stretches of play whose pictures are compared.")] = 8,
    ticks: Annotated[int, typer.Option(min=1, help="Ticks of each.")] = 16,
    repeats: Annotated[int, typer.Option(min=1, help="Turns of the timing; the least counts.")] = 20,
    budget_db: Annotated[
        float, typer.Option(min=0, help="PSNR that the smallest form may lose, its interval included.")
    ] = 0.3,
    seed: Annotated[int, typer.Option(min=0, help="Same seed: same windows and noise.")] = 0,
    json: Annotated[Path | None, typer.Option(help="Write the figures to this file.")] = None,
) -> None:
    """Store a world in eight and four bits, on the CPU: pictures lost, memory saved, speed.

    Four-bit weights and packed convolutions are unpacked whenever they are used: there a CPU saves memory, not time.

    Example: dreamcade bench bits racing --data data/racing --json bits.json
    """
    # Imported here: `dreamcade --help` needs no PyTorch.
    import torch

    from dreamcade.core.device import cpu_threads, keep_freed_memory
    from dreamcade.core.files import expect_writable, write_json
    from dreamcade.dataset.reader import Dataset
    from dreamcade.evaluation.bits import compare_bits
    from dreamcade.evaluation.bits_table import bits_table
    from dreamcade.evaluation.machine import machine_name
    from dreamcade.world.world import World

    if json:
        expect_writable(json)
    dataset, loaded = Dataset.open(data), World.load(world)
    threads = cpu_threads()
    torch.set_num_threads(threads)
    keep_freed_memory()
    with stage_bars() as progress:
        figures = compare_bits(
            loaded, dataset, windows=windows, ticks=ticks, seed=seed, repeats=repeats, progress=progress
        )
    figures |= {"machine": machine_name(torch.device("cpu")), "threads": threads}
    if json:
        write_json(json, figures)
    for line in [*bits_table(figures, budget_db), f"{figures['machine']}, {threads} threads"]:
        typer.echo(line)
