"""docs/your-own-game.md is true: its three commands make a world of an Atari game whose paddle answers the keys.

With DREAMCADE_FULL=1 they run as they stand there (about half an hour on two cores); else with a part of the recording
and of the training, which is enough to see the paddle go where the keys say.
"""

from __future__ import annotations

import dataclasses
import os
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from dreamcade.cli import app
from dreamcade.core.types import Pixels
from dreamcade.engine import Engine
from dreamcade.games.registry import make_game
from dreamcade.training import presets
from dreamcade.world import World

pytest.importorskip("ale_py", reason="needs the extra 'games'")
PAGE = (Path(__file__).parent.parent / "docs" / "your-own-game.md").read_text()
FULL = bool(os.environ.get("DREAMCADE_FULL"))
LESS = {"--episodes": "14", "--ticks": "200"}
CODEC_STEPS, DYNAMICS_STEPS = 300, 300
HELD_TICKS = 10


def commands() -> list[list[str]]:
    """The three of the page's first block."""
    block = re.findall(r"^```bash\n(.*?)^```$", PAGE, flags=re.DOTALL | re.MULTILINE)[0]
    return [shlex.split(line)[1:] for line in block.splitlines() if line.startswith("dreamcade ")]


def test_the_file_of_controls_steers_the_lander_as_its_keys_say(tmp_path: Path) -> None:
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


def with_less(arguments: list[str]) -> list[str]:
    return [LESS.get(before, word) for before, word in zip(["", *arguments], arguments, strict=False)]


def paddle(frame: Pixels) -> float:
    """Where its middle is, 0 at the left edge of the picture and 1 at the right."""
    height, width = frame.shape[:2]
    strip = frame[round(0.89 * height) : round(0.92 * height), round(0.06 * width) : round(0.94 * width)].astype(int)
    red = (strip[..., 0] - strip[..., 1]).clip(0)
    return float((red * np.linspace(0.06, 0.94, strip.shape[1])).sum() / max(red.sum(), 1))


def test_three_commands_make_a_game_that_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record, train, play = commands()
    assert (record[0], train[0], play[0]) == ("record", "train", "play")
    if not FULL:
        small = presets.PRESETS["small"]
        quick = dataclasses.replace(
            small,
            codec_training=dataclasses.replace(small.codec_training, steps=CODEC_STEPS, check_every=CODEC_STEPS),
            dynamics_training=dataclasses.replace(
                small.dynamics_training, steps=DYNAMICS_STEPS, check_every=DYNAMICS_STEPS
            ),
        )
        monkeypatch.setitem(presets.PRESETS, "small", quick)
        record = with_less(record)
    monkeypatch.chdir(tmp_path)
    for arguments in (record, train):
        done = CliRunner().invoke(app, arguments, catch_exceptions=False)
        assert done.exit_code == 0, done.output
    world = World.load(play[1])
    engine = Engine(world, device="cpu")
    apart = []
    for start in world.starts:
        places = {}
        for key in ("left", "right"):
            session = engine.open_session(seed=0, start=start.name)
            for _ in range(HELD_TICKS):
                frame = session.step({key: 1.0}).pixels
            places[key] = paddle(frame)
            session.close()
        apart.append(places["right"] - places["left"])
    assert np.mean(np.array(apart) > 0.05) >= 0.75, f"how far apart the paddle is after holding right and left: {apart}"
