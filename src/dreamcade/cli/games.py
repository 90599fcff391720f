"""`dreamcade games list | install`."""

from __future__ import annotations

from typing import Annotated

import typer

games_app = typer.Typer(name="games", help="Real games that can be recorded.", no_args_is_help=True)


@games_app.command(name="list", epilog="Example: dreamcade games list")
def list_games() -> None:
    """The games that have an adapter here, by family, and whether each family is set up."""
    from importlib.util import find_spec

    from dreamcade.games.procgen.environment import INSTALL_COMMAND, is_installed
    from dreamcade.games.registry import game_names

    families: dict[str, list[str]] = {}
    for name in game_names():
        families.setdefault(name.partition(":")[0], []).append(name)
    extra = "pip install 'dreamcade[games]'"
    ready = {
        "gym": (find_spec("gymnasium") is not None, extra),
        "vizdoom": (find_spec("vizdoom") is not None, extra),
        "procgen": (is_installed(), INSTALL_COMMAND),
    }
    for family, names in families.items():
        there, command = ready[family]
        typer.echo(f"{family}: {'ready' if there else f'not set up; set it up with: {command}'}")
        for name in names:
            typer.echo(f"  {name}")
    typer.echo("gym:ID works for any environment of Gymnasium that draws itself; video:FOLDER reads recordings.")


@games_app.command(epilog="Example: dreamcade games install procgen")
def install(
    family: Annotated[str, typer.Argument(help="procgen: needs old packages, in an environment of its own.")],
) -> None:
    """Set up a family of games that does not come with the package's extras. Needs a network."""
    from dreamcade.core.errors import UnknownNameError
    from dreamcade.games.procgen.environment import PACKAGE, install

    if family != "procgen":
        raise UnknownNameError("family of games to install", family, ["procgen"])
    typer.echo(f"installing {PACKAGE} in an environment of its own (about 300 MB) ...")
    typer.echo(f"ready in {install()}; record with: dreamcade record procgen:coinrun --out data/platformer")
