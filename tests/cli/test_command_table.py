"""The list of commands: complete, documented, and quick to print."""

from __future__ import annotations

import subprocess
import sys

import pytest
import typer
from typer.testing import CliRunner

from dreamcade.cli import app
from dreamcade.cli.command_table import ENTRIES, Entry


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_every_command_loads_and_shows_an_example(entry: Entry) -> None:
    command = entry.load()
    subcommands = getattr(command, "commands", {}) or {entry.name: command}
    for name, each in subcommands.items():
        text = f"{each.help} {each.epilog}"
        assert f"Example: dreamcade {entry.name}" in text, f"{name} needs an example in its help"


def test_help_lists_every_command_with_its_summary() -> None:
    result = CliRunner().invoke(app, ["--help"], terminal_width=120)
    assert result.exit_code == 0
    for entry in ENTRIES:
        assert entry.name in result.output
        assert entry.summary in result.output


def loaded_by_help(*arguments: str) -> set[str]:
    """Which heavy packages `dreamcade … --help` imports."""
    script = (
        "import sys, runpy\n"
        f"sys.argv = {['dreamcade', *arguments, '--help']}\n"
        "try: runpy.run_module('dreamcade', run_name='__main__')\n"
        "except SystemExit: pass\n"
        "print('loaded', *sorted({'torch', 'numpy', 'pyarrow', 'av', 'starlette'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    return set(done.stdout.splitlines()[-1].split()[1:])


def test_help_imports_nothing_heavy() -> None:
    assert not loaded_by_help()


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_no_command_s_help_imports_pytorch(entry: Entry) -> None:
    assert not {"torch", "starlette"} & loaded_by_help(entry.name)


def test_a_function_and_a_group_both_become_commands() -> None:
    by_name = {entry.name: entry for entry in ENTRIES}
    assert not hasattr(by_name["play"].load(), "commands")
    assert {"codec", "dynamics", "bundle"} <= by_name["train"].load().commands.keys()


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["plya"], "Did you mean 'play'"),
        (["play", "--prot", "1"], "--port"),
        (["train", "codce"], "Did you mean 'codec'?"),
    ],
)
def test_the_nearest_name_is_suggested(arguments: list[str], hint: str) -> None:
    result = CliRunner().invoke(app, arguments, terminal_width=120)
    assert result.exit_code == 2
    assert hint in result.output


def test_version_is_the_package_s() -> None:
    from importlib.metadata import version

    result = CliRunner().invoke(app, ["--version"])
    assert result.output == f"dreamcade {version('dreamcade')}\n"
    assert isinstance(app, typer.Typer)
