"""`dreamcade world`: what is there, what is in it, is it whole."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

app = typer.Typer(name="world", help="List, describe and verify worlds, and write their cards.", no_args_is_help=True)

WorldName = Annotated[str, typer.Argument(metavar="WORLD", help="A shipped name, a folder, or hf://owner/name.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]


@app.command("list")
def list_worlds(as_json: AsJson = False) -> None:
    """List the worlds inside the package.

    Example: dreamcade world list --json
    """
    from dreamcade.world import locate, shipped_worlds
    from dreamcade.world.manifest import read_manifest

    manifests = [read_manifest(locate(name)) for name in shipped_worlds()]
    if as_json:
        _print_json([{"name": m.name, "title": m.title, "game": m.game} for m in manifests])
        return
    if not manifests:
        typer.echo("No world is shipped with this build; train one, or name a folder or a hub id.")
        return
    table = Table("name", "title", "game", "frame", "rate")
    for m in manifests:
        table.add_row(m.name, m.title, m.game, f"{m.frame_size[0]}x{m.frame_size[1]}", f"{m.tick_rate:g} Hz")
    Console(markup=False).print(table)


@app.command()
def info(world: WorldName, as_json: AsJson = False) -> None:
    """Describe a world: game, sizes, controls, card.

    Example: dreamcade world info racing
    """
    from dreamcade.world import locate
    from dreamcade.world.card import card_text
    from dreamcade.world.manifest import read_manifest

    folder = locate(world)
    manifest = read_manifest(folder)
    if as_json:
        _print_json({"folder": str(folder), "bytes": _bytes(folder), **manifest.to_json()})
        return
    width, height = manifest.frame_size
    console = Console(highlight=False, markup=False)  # whoever made the world may write brackets
    console.print(
        Text.assemble((manifest.title, "bold"), f" ({manifest.name})\n{manifest.description}\n"), soft_wrap=True
    )
    table = Table(show_header=False, box=None)
    table.add_row("game", manifest.game)
    table.add_row("licence", manifest.licence)
    table.add_row("frames", f"{width}x{height} at {manifest.tick_rate:g} Hz, {manifest.sampling_steps} sampling steps")
    table.add_row("controls", ", ".join(manifest.controls.names))
    table.add_row("size", f"{_bytes(folder) / 2**20:.1f} MiB in {folder}")
    for key, value in manifest.card.items():
        table.add_row(key.replace("_", " "), card_text(value))
    console.print(table)


@app.command()
def verify(world: WorldName, as_json: AsJson = False) -> None:
    """Check a world's hashes, formats and shapes, and make a frame from each of its starts.

    Example: dreamcade world verify racing
    """
    from dreamcade.world import verify_world

    with Console(stderr=True).status("making a frame from every start"):
        checks = verify_world(world)
    if as_json:
        _print_json({"world": world, "ok": True, "checks": checks})
        return
    for check in checks:
        typer.echo(f"ok  {check}")


@app.command("card")
def write_card(
    world: WorldName,
    out: Annotated[Path, typer.Option(help="Folder of the bundle to write; may be the world's own.")],
    report: Annotated[
        list[Path] | None, typer.Option(help="Folder that `dreamcade evaluate` wrote; may be repeated.")
    ] = None,
    notes: Annotated[Path | None, typer.Option(help='JSON such as {"does badly": ["…"]}: more for the card.')] = None,
) -> None:
    """Put what an evaluation measured, and what else there is to say, on the card of a finished world.

    Example: dreamcade world card racing --report runs/report --out worlds/racing
    """
    from dreamcade.core.errors import BadInputError
    from dreamcade.training.assemble import with_card
    from dreamcade.world import World

    if not report and notes is None:
        raise BadInputError("nothing to put on the card; give --report or --notes")
    saved = with_card(World.load(world), report or [], notes).save(out)
    typer.echo(f"{saved.folder}: {', '.join(saved.manifest.card)}")


@app.command("catalogue")
def write_catalogue(
    worlds: Annotated[list[str] | None, typer.Argument(metavar="WORLDS", help="All shipped ones by default.")] = None,
    out: Annotated[Path | None, typer.Option(help="A file to write; the terminal by default.")] = None,
) -> None:
    """Write a page about worlds from their cards: how near they come to their games, and where they fail.

    Example: dreamcade world catalogue --out docs/worlds.md
    """
    from dreamcade.core.files import atomic_path
    from dreamcade.world import locate, shipped_worlds
    from dreamcade.world.catalogue import catalogue

    page = catalogue([locate(name) for name in worlds or shipped_worlds()], (out or Path("page")).resolve().parent)
    if out is None:
        typer.echo(page, nl=False)
        return
    with atomic_path(out) as temporary:
        temporary.write_text(page, encoding="utf-8")


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir() if path.is_file())


def _print_json(data: Any) -> None:
    typer.echo(json.dumps(data, indent=2))
