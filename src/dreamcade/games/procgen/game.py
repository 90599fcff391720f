"""Procgen's games as a `Game`."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from PIL import Image

from dreamcade.core.controls import Button, Controls
from dreamcade.core.errors import BadInputError
from dreamcade.core.types import ActionVector, Pixels
from dreamcade.games.base import Choices
from dreamcade.games.procgen import coinrun
from dreamcade.games.procgen.coinrun import CoinRunState, parse_state
from dreamcade.games.procgen.process import Answer, ProcgenProcess

COINRUN = "procgen:coinrun"
PROCGEN_NAMES = (
    "bigfish", "bossfight", "caveflyer", "chaser", "climber", "coinrun", "dodgeball", "fruitbot", "heist", "jumper",
    "leaper", "maze", "miner", "ninja", "plunder", "starpilot",
)  # fmt: skip
TICK_RATE = 15.0
"""What Procgen's own player for people uses."""

MOVES = (
    Button("left", ("ArrowLeft", "KeyA"), "button:14", "left", "Left"),
    Button("right", ("ArrowRight", "KeyD"), "button:15", "left", "Right"),
    Button("up", ("ArrowUp", "KeyW", "Space"), "button:0", "right", "Jump"),
    Button("down", ("ArrowDown", "KeyS"), "button:13", "right", "Down"),
)
SPECIALS = tuple(
    Button(f"special_{key}", (f"Digit{n + 1}",), f"button:{n + 1}", "right", key.upper())
    for n, key in enumerate("dawsqe")
)
SPECIALS_OF = {
    "bossfight": 1, "caveflyer": 1, "dodgeball": 1, "fruitbot": 1, "ninja": 6, "plunder": 1, "starpilot": 6,
}  # fmt: skip
"""How many of the specials, from the first on, do anything in a game; in the others none does."""
SPECIAL_SHARE = 0.1
"""How often a driver without a plan uses a special, which stops all movement while it is down."""


def procgen_action(action: ActionVector) -> int:
    """Settings of left, right, up, down (and specials) → one of Procgen's fifteen actions; opposite keys cancel."""
    pressed = np.asarray(action) >= 0.5
    for special in np.flatnonzero(pressed[4:]):
        return 9 + int(special)
    across = int(pressed[1]) - int(pressed[0])
    upward = int(pressed[2]) - int(pressed[3])
    return 3 * (across + 1) + (upward + 1)


def procgen_choices(controls: Controls) -> Choices:
    """The eight moves, alike often, and now and then one of the specials that `controls` have."""
    names, specials = controls.names, len(controls.buttons) - len(MOVES)
    ways = [[*across, *upward] for across in ([], ["left"], ["right"]) for upward in ([], ["up"], ["down"])]
    pressed = [way for way in ways if way] + [[name] for name in names[len(MOVES) :]]
    moves = len(pressed) - specials
    rare = SPECIAL_SHARE if specials else 0.0
    shares = [(1 - rare) / moves] * moves + [rare / max(specials, 1)] * specials
    return Choices(np.stack([controls.encode(dict.fromkeys(down, True)) for down in pressed]), np.array(shares))


class ProcgenGame:
    """Any of Procgen's sixteen games at 15 ticks a second; a level that ends is followed by itself.

    `reset(seed)` begins the level of that seed. The state is what the step led to: see `state`.
    """

    tick_rate = TICK_RATE
    licence = "MIT (Procgen), CC0 art"

    def __init__(self, name: str, size: tuple[int, int]) -> None:
        if min(size) < 16 or max(size) > 4096:
            raise BadInputError(f"a frame must be between 16x16 and 4096x4096; got {size[0]}x{size[1]}")
        self.name, self.size = name, size
        title = name.removeprefix("procgen:")
        self.controls = Controls(buttons=(*MOVES, *SPECIALS[: SPECIALS_OF.get(title, 0)]))
        self._process = ProcgenProcess(title, "hard")
        self._answer: Answer | None = None
        self._level = 0

    @property
    def choices(self) -> Choices:
        return procgen_choices(self.controls)

    def reset(self, seed: int) -> Pixels:
        """The first frame of level `seed` (a whole number from 0)."""
        if seed < 0:
            raise BadInputError(f"a seed must be 0 or more; got {seed}")
        return self._begin(seed % 2**31)

    def step(self, action: ActionVector) -> tuple[Pixels, float, bool, bool]:
        vector = self.controls.validate(action)
        if self._answer is None:
            raise BadInputError("the game has not started; call reset(seed) before step(action)")
        self._answer = answer = self._process.step(procgen_action(vector))
        if answer.complete:
            self._begin(self._following(self._level))
        return self._frame(), answer.reward, False, False

    def state(self) -> Mapping[str, float]:
        """`level`, and whether the last step won it (`won`) or lost it (`lost`)."""
        won, ended = self._given().complete, self._given().ended
        return {"level": float(self._level), "won": float(won), "lost": float(ended and not won)}

    def close(self) -> None:
        self._process.close()

    def _begin(self, level: int) -> Pixels:
        self._level = level
        began = self._process.reset(level)
        before = self._answer
        ended = before is not None and before.complete
        self._answer = Answer(began.pixels, began.state, before.reward if before and ended else 0.0, ended, ended)
        return self._frame()

    def _following(self, level: int) -> int:
        return level

    def _given(self) -> Answer:
        if self._answer is None:
            raise BadInputError("the game has not started; call reset(seed) first")
        return self._answer

    def _frame(self) -> Pixels:
        pixels = self._given().pixels
        assert pixels is not None
        if self.size == pixels.shape[1::-1]:
            return pixels
        return np.asarray(Image.fromarray(pixels).resize(self.size, Image.Resampling.BOX))


class CoinRunGame(ProcgenGame):
    """CoinRun, a platform game: run, jump, mind the saws and what crawls, reach the coin.

    It plays a pack of levels (`coinrun.LEVELS`) in turn: who dies begins the level anew, who reaches the coin goes on
    to the next. `reset(seed)` begins one that the seed chooses.
    """

    def __init__(self, name: str, size: tuple[int, int]) -> None:
        super().__init__(name, size)
        self._known: CoinRunState | None = None

    @property
    def saved(self) -> bytes:
        """The game as it stands, for `place`."""
        return self._given().state

    @property
    def process(self) -> ProcgenProcess:
        """What a driver may look ahead with, where it does not draw."""
        return self._process

    @property
    def view(self) -> CoinRunState:
        """Where everything is."""
        return parse_state(self._given().state)

    def reset(self, seed: int) -> Pixels:
        if seed < 0:
            raise BadInputError(f"a seed must be 0 or more; got {seed}")
        self._answer = None
        return self._begin(coinrun.LEVELS[int(np.random.default_rng([seed, 0xC0]).integers(len(coinrun.LEVELS)))])

    def place(self, level: int, state: bytes) -> Pixels:
        """Goes on from a saved state of `level`."""
        self._level = level
        self._answer = self._process.restore(level, state)
        return self._frame()

    def state(self) -> Mapping[str, float]:
        """Cells and cells a tick; y grows upwards. `supported` says whether something carries the player, `height` how
        far the feet are above what would; `wall`, `gap` and `danger` what is right before it on the right; `goal_x`,
        `goal_y` are the coin's cell."""
        view = self.view
        goal_x, goal_y = view.goal
        wall, gap, danger = view.obstacles(1)
        return {
            **super().state(), "x": view.x, "y": view.y, "vx": view.vx, "vy": view.vy,
            "supported": float(view.supported), "facing": 1.0 if view.facing_right else -1.0, "height": view.height,
            "wall": float(wall),
            "gap": float(gap),
            "danger": float(danger),
            "goal_x": float(goal_x), "goal_y": float(goal_y),
        }  # fmt: skip

    def _following(self, level: int) -> int:
        place = coinrun.LEVELS.index(level)
        return coinrun.LEVELS[(place + 1) % len(coinrun.LEVELS)]
