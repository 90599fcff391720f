"""docs/your-own-game.md is true: its commands parse, and its file of controls steers as its keys say."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from dreamcade.cli.command_table import ENTRIES
from dreamcade.games.registry import make_game

PAGE = (Path(__file__).parent.parent / "docs" / "your-own-game.md").read_text()
BLOCKS = re.findall(r"^```bash\n(.*?)^```$", PAGE, flags=re.DOTALL | re.MULTILINE)
COMMANDS = [line for block in BLOCKS for line in block.splitlines() if line.startswith("dreamcade ")]


@pytest.mark.parametrize("line", COMMANDS)
def test_its_commands_parse(line: str) -> None:
    _, name, *arguments = shlex.split(line)
    command = {entry.name: entry for entry in ENTRIES}[name].load()
    if hasattr(command, "commands"):
        command, arguments = command.commands[arguments[0]], arguments[1:]
    assert command.make_context(name, arguments).params


def test_its_file_of_controls_steers_the_lander_as_its_keys_say(tmp_path: Path) -> None:
    pytest.importorskip("Box2D", reason="needs the extra 'games'")
    file = tmp_path / "lander.json"
    file.write_text(re.findall(r"^```json\n(.*?)^```$", PAGE, flags=re.DOTALL | re.MULTILINE)[0])
    game = make_game("gym:LunarLander-v3", (96, 64), file)
    places = {}
    for button in game.controls.buttons:
        game.reset(1)
        for _ in range(25):
            game.step(game.controls.encode({button.name: True}))
        places[button.keys[0]] = game._environment.unwrapped.lander.position.x  # type: ignore[attr-defined]
    game.close()
    assert places["ArrowLeft"] < places["ArrowUp"] < places["ArrowRight"]
