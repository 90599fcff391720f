"""The command `dreamcade`: argument parsing and assembly, nothing else."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from dreamcade.cli.command_table import CommandTable
from dreamcade.cli.errors import INTERRUPTED, end_at_once, exit_code_of

app = typer.Typer(
    name="dreamcade",
    cls=CommandTable,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"dreamcade {version('dreamcade')}")
        raise typer.Exit


@app.callback()
def dreamcade(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """Record the play of any game, train a world model of it, and play that model live.

    Example: dreamcade play racing
    """


def main() -> None:
    """The entry point: runs the command line of this process and exits with its code."""
    code = exit_code_of(lambda: app(prog_name="dreamcade"))
    if code == INTERRUPTED:
        end_at_once(code)
    sys.exit(code)
