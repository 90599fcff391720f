"""Which commands there are; a command's module is imported when the command runs.

PyArrow, numpy and PyTorch take seconds to import together: `dreamcade --help` needs none of them.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup


@dataclass(frozen=True, slots=True)
class Entry:
    """A command: its name, its module in this package, the function or `Typer` there, and its line in the help."""

    name: str
    module: str
    attribute: str
    summary: str

    def load(self) -> Any:
        """Imports the module → the command (or group of commands) that parses and runs."""
        target = getattr(importlib.import_module(f"dreamcade.cli.{self.module}"), self.attribute)
        if isinstance(target, typer.Typer):
            return typer.main.get_group(target)
        single = typer.Typer(add_completion=False)
        single.command(self.name)(target)
        return typer.main.get_command(single)


ENTRIES = (
    Entry("play", "play", "play", "Play a world in the browser."),
    Entry("serve", "serve", "serve", "Serve worlds to many players, on this machine or a cluster."),
    Entry("record", "record", "record", "Record a real game with a scripted driver that covers it."),
    Entry("games", "games", "games_app", "List the games that can be recorded; set them up."),
    Entry("dataset", "dataset", "dataset_app", "Look into recorded datasets; put several into one."),
    Entry("train", "train", "train_app", "Train a world from a dataset."),
    Entry("evaluate", "evaluate", "evaluate", "Measure a world on held-out play, beside its baselines."),
    Entry("calibrate", "calibrate", "calibrate", "Teach a world which frames it may extrapolate."),
    Entry("bench", "bench", "bench_app", "Measure speed."),
    Entry("plan", "plan", "plan", "Split devices for a world; predict what they bring."),
    Entry("world", "world", "app", "List, describe and verify worlds."),
)


class CommandTable(TyperGroup):
    """Lists every entry by its summary alone; the one that is called is loaded."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.entries = {entry.name: entry for entry in ENTRIES}
        for entry in ENTRIES:
            self.add_command(TyperCommand(entry.name, help=entry.summary))

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        name, command, rest = super().resolve_command(ctx, args)
        return name, self.entries[name].load() if name in self.entries else command, rest
