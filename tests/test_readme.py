"""The README is true: its Python runs, its commands parse, what it points to exists."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from dreamcade.cli.command_table import ENTRIES
from dreamcade.world import locate, shipped_worlds
from dreamcade.world.catalogue import catalogue

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", README, flags=re.DOTALL | re.MULTILINE)
    return [text for name, text in fenced if name == language]


COMMANDS = [line for block in blocks("bash") for line in block.splitlines() if line.startswith("dreamcade ")]


@pytest.mark.skipif("racing" not in shipped_worlds(), reason="the world 'racing' is not in this build")
@pytest.mark.parametrize("snippet", blocks("python"))
def test_python_runs(snippet: str) -> None:
    names: dict[str, object] = {}
    exec(compile(snippet, "README.md", "exec"), names)
    frame, world = names["frame"], names["world"]
    width, height = world.frame_size  # type: ignore[attr-defined]
    assert frame.pixels.shape == (height, width, 3)  # type: ignore[attr-defined]
    assert isinstance(names["state"], bytes)


def test_the_page_about_the_worlds_says_what_their_cards_say() -> None:
    page = ROOT / "docs" / "worlds.md"
    written = catalogue([locate(name) for name in shipped_worlds()], page.parent)
    assert page.read_text() == written, "write it anew: dreamcade world catalogue --out docs/worlds.md"


@pytest.mark.parametrize("line", COMMANDS)
def test_commands_parse(line: str) -> None:
    _, name, *arguments = shlex.split(line)
    command = {entry.name: entry for entry in ENTRIES}[name].load()
    if hasattr(command, "commands"):
        command, arguments = command.commands[arguments[0]], arguments[1:]
    context = command.make_context(name, arguments)  # parses and checks every option, runs nothing
    assert context.params


def test_make_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = {t for line in re.findall(r"^make (.*)$", README, flags=re.MULTILINE) for t in line.split()}
    assert targets >= {"play", "check", "test"}
    for target in targets:
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), target


def test_ci_runs_the_test_command() -> None:
    assert "make check test" in blocks("bash")[1]
    assert "make check test" in (ROOT / ".ci" / "run").read_text()


def test_the_file_tree_names_every_room() -> None:
    (tree,) = (block for block in blocks("") if block.startswith("src/dreamcade/"))
    named = set(re.findall(r"^  (\w+)/ ", tree, flags=re.MULTILINE))
    assert named == {p.parent.name for p in (ROOT / "src" / "dreamcade").glob("*/__init__.py")}


def test_links_lead_somewhere() -> None:
    links = re.findall(r"(?<!!)\[[^\]]+\]\(([^)#]+)\)", README)
    assert links
    for link in links:
        assert link.startswith("https://") or (ROOT / link).exists(), link
