"""docs/your-own-game.md is true: its commands parse, and its file of controls steers as its keys say."""

from __future__ import annotations

import faulthandler
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dreamcade.cli.command_table import ENTRIES
from dreamcade.core.types import Pixels
from dreamcade.engine import Engine
from dreamcade.games.registry import make_game
from dreamcade.world import World

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
    assert game.tick_rate == game._environment.metadata["render_fps"], "no slow motion"  # type: ignore[attr-defined]
    places = {}
    for button in game.controls.buttons:
        game.reset(1)
        for _ in range(25):
            game.step(game.controls.encode({button.name: True}))
        places[button.keys[0]] = game._environment.unwrapped.lander.position.x  # type: ignore[attr-defined]
    game.close()
    assert places["ArrowLeft"] < places["ArrowUp"] < places["ArrowRight"]


def paddle(frame: Pixels) -> float:
    """Where Breakout's paddle is, 0 (left) to 1: it is red, and stands alone near the lower edge."""
    height, width, _ = frame.shape
    red, green, blue = frame[round(0.88 * height) : round(0.94 * height)].astype(float).transpose(2, 0, 1)
    weight = np.clip(red - (green + blue) / 2 - 30, 0, None).sum(0)
    return float((weight * np.arange(width)).sum() / max(weight.sum(), 1e-6) / width)


def run_in(folder: Path, *lines: str) -> None:
    for line in lines:
        subprocess.run([sys.executable, "-m", *shlex.split(line)], cwd=folder, check=True, timeout=1800)


def test_its_three_commands_run_at_toy_size(tmp_path: Path) -> None:
    pytest.importorskip("ale_py", reason="needs the extra 'games'")
    record, train, play = COMMANDS[:3]
    toy = (("--episodes 60", "--episodes 12"), ("--ticks 400", "--ticks 80"), ("--preset small", "--preset smoke"))
    for long, short in toy:
        assert long in record + train
        record, train = record.replace(long, short), train.replace(long, short)
    run_in(tmp_path, record, train)
    world = World.load(tmp_path / shlex.split(play)[-1])
    assert world.controls.names == ("left", "right", "fire")
    session = Engine(world, device="cpu").open_session(seed=0)
    assert session.step({"left": True}).pixels.shape == (*world.frame_size[::-1], 3)


@pytest.mark.long
def test_its_three_commands_make_a_game_that_answers_the_keys(tmp_path: Path) -> None:
    pytest.importorskip("ale_py", reason="needs the extra 'games'")
    faulthandler.cancel_dump_traceback_later()  # it is not stuck
    record, train, play = COMMANDS[:3]
    run_in(tmp_path, record, train)
    world = World.load(tmp_path / shlex.split(play)[-1])
    engine = Engine(world, device="cpu")
    answers = []
    for start in world.starts:
        places = {}
        for key in ("left", "right"):
            session = engine.open_session(start=start.name, seed=0)
            places[key] = [paddle(session.step({key: True}).pixels) for _ in range(20)][-1]
            session.close()
        answers.append(places["right"] - places["left"])
    print("right of left, shares of the width:", np.round(answers, 2))
    assert np.mean(np.array(answers) > 0.1) >= 0.75
