"""Any Gymnasium environment that draws itself, as a `Game`."""

from __future__ import annotations

import importlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from dreamcade.core.controls import Controls
from dreamcade.core.errors import BadInputError, GameError, MissingExtraError
from dreamcade.core.types import ActionVector, Pixels
from dreamcade.games.action_map import ActionMap, continuous, numbered, read_control_file
from dreamcade.games.base import Choices

DEFAULT_TICK_RATE, ATARI_RATE = 30.0, 60.0
SIZE_STEP = 16
"""An environment's own picture is scaled to the nearest multiples of this, which a codec can learn."""


class GymnasiumGame:
    """The environment `gym:ID`, one step a tick. An episode that ends is followed by another.

    `gym:ID?key=value&key=value` hands settings to the environment: `gym:ALE/Pong-v5?frameskip=2`.

    `size` (width, height) is the environment's own unless one is asked for; `controls_file` names its controls, see
    `action_map`. Raises `BadInputError` for an environment that is not registered, cannot draw itself, or whose actions
    no key can mean; `MissingExtraError` or `GameError` where it cannot be made here.
    """

    def __init__(self, name: str, size: tuple[int, int] | None = None, controls_file: Path | None = None) -> None:
        file = read_control_file(controls_file) if controls_file else {}
        self.name = name
        self._environment = _make(name)
        self._to_action = _action_map(self._environment, file)
        self.tick_rate = _tick_rate(self._environment, file)
        self.licence = f"the licence of {name}"
        self._ended, self._started, self._rng = False, False, np.random.default_rng(0)
        self._environment.reset(seed=0)
        height, width = self._draw().shape[:2]
        self.size = size or (_rounded(width), _rounded(height))

    @property
    def controls(self) -> Controls:
        return self._to_action.controls

    @property
    def choices(self) -> Choices | None:
        return self._to_action.choices

    def reset(self, seed: int) -> Pixels:
        if seed < 0:
            raise BadInputError(f"a seed must be 0 or more; got {seed}")
        self._rng = np.random.default_rng([seed, 0x67])
        self._environment.reset(seed=seed % 2**31)
        self._environment.action_space.seed(seed % 2**31)
        self._ended, self._started = False, True
        return self._frame()

    def step(self, action: ActionVector) -> tuple[Pixels, float, bool, bool]:
        vector = self.controls.validate(action)
        if not self._started:
            raise BadInputError("the game has not started; call reset(seed) before step(action)")
        _, reward, terminated, truncated, _ = self._environment.step(self._to_action(vector))
        self._ended = bool(terminated or truncated)
        if self._ended:
            self._environment.reset(seed=int(self._rng.integers(2**31)))
        return self._frame(), float(reward), False, False

    def state(self) -> Mapping[str, float]:
        """`ended`: whether the last step ended an episode, so that this frame begins another."""
        return {"ended": float(self._ended)}

    def close(self) -> None:
        self._environment.close()

    def _frame(self) -> Pixels:
        picture = self._draw()
        if picture.shape[1::-1] == self.size:
            return picture
        way = Image.Resampling.BOX if picture.shape[1] > self.size[0] else Image.Resampling.BILINEAR
        return np.asarray(Image.fromarray(picture).resize(self.size, way))

    def _draw(self) -> Pixels:
        picture = self._environment.render()
        drawn = isinstance(picture, np.ndarray) and picture.dtype == np.uint8 and picture.ndim == 3
        if not drawn or picture.shape[2] != 3:
            raise BadInputError(f"{self.name} must draw uint8 [H, W, 3] (rgb_array); got {type(picture).__name__}")
        return np.ascontiguousarray(picture)


def _make(name: str) -> Any:
    # SDL reads the variable when a game draws for the first time; a recording needs no window.
    os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    try:
        import gymnasium
    except ImportError as error:
        raise MissingExtraError(name, "games") from error
    identifier, settings = _settings(name)
    if identifier.startswith("ALE/"):
        try:
            emulator = importlib.import_module("ale_py")
            emulator.ALEInterface.setLoggerMode(emulator.LoggerMode.Error)  # else it greets at every start
            gymnasium.register_envs(emulator)
        except ImportError as error:
            raise MissingExtraError(name, "games") from error
    try:
        return gymnasium.make(identifier, render_mode="rgb_array", disable_env_checker=True, **settings)
    except gymnasium.error.DependencyNotInstalled as error:
        raise MissingExtraError(name, "games") from error
    except gymnasium.error.Error as error:
        raise BadInputError(f"{name} is no environment of Gymnasium here: {error}") from error
    except Exception as error:
        raise GameError(f"{name} could not be started ({type(error).__name__}: {error})") from error


def _settings(name: str) -> tuple[str, dict[str, Any]]:
    """`gym:ID?key=value` → the environment's id and its settings; values are JSON, or text."""
    identifier, _, query = name.removeprefix("gym:").partition("?")
    settings: dict[str, Any] = {}
    for part in query.split("&") if query else ():
        key, separator, value = part.partition("=")
        if not separator or not key.isidentifier():
            raise BadInputError(f"settings of a game are written ?key=value&key=value; got {part!r} in {name!r}")
        try:
            settings[key] = json.loads(value)
        except ValueError:
            settings[key] = value
    return identifier, settings


def _action_map(environment: Any, file: Mapping[str, Any]) -> ActionMap:
    from gymnasium.spaces import Box, Discrete

    space = environment.action_space
    if isinstance(space, Discrete):
        meanings = getattr(environment.unwrapped, "get_action_meanings", lambda: None)()
        return numbered(int(space.n), meanings, file)
    if isinstance(space, Box) and len(space.shape) == 1:
        return continuous(space.low.astype(np.float32), space.high.astype(np.float32), file)
    raise BadInputError(f"a game's actions must be Discrete or a Box of one dimension; this one's are {space}")


def _tick_rate(environment: Any, file: Mapping[str, Any]) -> float:
    own = environment.metadata.get("render_fps")
    if environment.spec is not None and str(environment.spec.id).startswith("ALE/"):
        skipped = environment.unwrapped._frameskip  # Atari's own rate, whatever the metadata say
        own = ATARI_RATE / (skipped if isinstance(skipped, int) else sum(skipped) / 2)
    rate = file.get("tick_rate", own or DEFAULT_TICK_RATE)
    if isinstance(rate, bool) or not isinstance(rate, int | float) or not 1 <= rate <= 240:
        raise BadInputError(f"a tick rate must be a number from 1 to 240 a second; got {rate!r}")
    return float(rate)


def _rounded(side: int) -> int:
    return max(SIZE_STEP, round(side / SIZE_STEP) * SIZE_STEP)
