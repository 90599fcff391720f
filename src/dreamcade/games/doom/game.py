"""Maps of Freedoom as a `Game`: first-person walking, turning, shooting, doors."""

from __future__ import annotations

import contextlib
import functools
import math
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import numpy as np
from PIL import Image

from dreamcade.core.controls import Axis, Button, Controls
from dreamcade.core.errors import BadInputError, GameError, MissingExtraError
from dreamcade.core.types import ActionVector, Pixels
from dreamcade.games.doom.floorplan import FloorPlan, Line, Sector

if TYPE_CHECKING:
    import vizdoom

TICS_A_SECOND = 35
TICS_PER_TICK = 2
FORWARD_SPEED, STRAFE_SPEED = 35.0, 28.0
"""What Doom adds to the player's speed each tic, in its own units; a walk is 25, a run 50."""
TURN_SPEED = 4.0
"""Degrees a tic at full turn."""
OVERSAMPLING = 2
"""Frames are drawn so many times as large each way and averaged: fewer textures that flicker."""

CONTROLS = Controls(
    axes=(
        Axis("turn", -1.0, 1.0, ("ArrowLeft",), ("ArrowRight",), "axis:2", "right", "Turn"),
        Axis("move", -1.0, 1.0, ("ArrowDown", "KeyS"), ("ArrowUp", "KeyW"), "-axis:1", "left", "Walk"),
        Axis("strafe", -1.0, 1.0, ("KeyA",), ("KeyD",), "axis:0", "left", "Sidestep"),
    ),
    buttons=(
        Button("attack", ("Space",), "button:7", "right", "Fire"),
        Button("use", ("KeyE", "Enter"), "button:0", "right", "Open"),
    ),
)
MAPS = tuple(
    [f"vizdoom:freedoom1/e{e}m{m}" for e in range(1, 5) for m in range(1, 10)]
    + [f"vizdoom:freedoom2/map{m:02d}" for m in range(1, 33)]
)


P = ParamSpec("P")
R = TypeVar("R")


def _told_as_game_error(method: Callable[P, R]) -> Callable[P, R]:
    """The engine is a process of its own: when that ends, the game does."""

    @functools.wraps(method)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        import vizdoom

        try:
            return method(*args, **kwargs)
        except (
            vizdoom.ViZDoomErrorException, vizdoom.ViZDoomIsNotRunningException, vizdoom.MessageQueueException,
            vizdoom.ViZDoomUnexpectedExitException, vizdoom.SharedMemoryException,
        ) as error:  # fmt: skip
            raise GameError(f"Doom's engine ended ({error}); start it again") from error

    return call


class DoomGame:
    """One map at 17.5 ticks a second. Who dies, or leaves the map, begins it anew. State: see `state`."""

    controls = CONTROLS
    tick_rate = TICS_A_SECOND / TICS_PER_TICK
    licence = "BSD-3-Clause (Freedoom), MIT (ViZDoom)"

    def __init__(self, name: str, size: tuple[int, int]) -> None:
        if min(size) < 16 or max(size) > 1600:
            raise BadInputError(f"a frame must be between 16x16 and 1600x1600; got {size[0]}x{size[1]}")
        self.name, self.size = name, size
        self._game = _open(name, size)
        self._began = False
        self._lost = self._won = False
        self._plan: FloorPlan | None = None

    @_told_as_game_error
    def reset(self, seed: int) -> Pixels:
        """The map's own beginning; `seed` (a whole number from 0) decides what its inhabitants do."""
        if seed < 0:
            raise BadInputError(f"a seed must be 0 or more; got {seed}")
        self._game.set_seed(seed % 2**31)
        self._game.new_episode()
        self._began, self._lost, self._won = True, False, False
        # The weapon comes up and the screen has melted after this.
        self._game.make_action([0.0] * self.controls.size, 14)
        return self._frame()

    @_told_as_game_error
    def step(self, action: ActionVector) -> tuple[Pixels, float, bool, bool]:
        turn, move, strafe, attack, use = (float(v) for v in self.controls.validate(action))
        if not self._began:
            raise BadInputError("the game has not started; call reset(seed) before step(action)")
        kills = self._variable("KILLCOUNT")
        keys = [TURN_SPEED * turn, FORWARD_SPEED * move, STRAFE_SPEED * strafe, float(attack >= 0.5), float(use >= 0.5)]
        self._game.make_action(keys, TICS_PER_TICK)
        reward = self._variable("KILLCOUNT") - kills
        self._lost = self._game.is_player_dead()
        self._won = self._game.is_episode_finished() and not self._lost
        if self._lost or self._won:
            self._game.new_episode()
            self._game.make_action([0.0] * self.controls.size, 14)
            reward = -1.0 if self._lost else 1.0
        return self._frame(), reward, False, False

    def state(self) -> Mapping[str, float]:
        """Doom's map units and radians, `heading` anticlockwise from east; `speed` in units a tic.

        `ahead`, `ahead_left` and `ahead_right` are how far one could walk straight on and 45 degrees to each side (at
        most 512; doors count as open). `lost` and `won` say that the step before ended a life, or the map.
        """
        x, y, heading = (
            self._variable("POSITION_X"),
            self._variable("POSITION_Y"),
            math.radians(self._variable("ANGLE")),
        )
        vx, vy = self._variable("VELOCITY_X"), self._variable("VELOCITY_Y")
        free = self.floor_plan.clearance
        return {
            "x": x, "y": y, "z": self._variable("POSITION_Z"), "heading": heading,
            "vx": vx, "vy": vy, "speed": math.hypot(vx, vy), "ahead": free(x, y, heading),
            "ahead_left": free(x, y, heading + math.pi / 4), "ahead_right": free(x, y, heading - math.pi / 4),
            "health": self._variable("HEALTH"), "armor": self._variable("ARMOR"),
            "ammo": self._variable("SELECTED_WEAPON_AMMO"), "weapon": self._variable("SELECTED_WEAPON"),
            "kills": self._variable("KILLCOUNT"), "lost": float(self._lost), "won": float(self._won),
        }  # fmt: skip

    def close(self) -> None:
        self._game.close()

    @property
    def floor_plan(self) -> FloorPlan:
        """Where one can walk on this map."""
        if self._plan is None:
            sectors = [
                Sector(
                    sector.floor_height,
                    sector.ceiling_height,
                    tuple(Line(line.x1, line.y1, line.x2, line.y2, line.is_blocking) for line in sector.lines),
                )
                for sector in self._state().sectors
            ]
            self._plan = FloorPlan(sectors)
        return self._plan

    def sight(self) -> list[tuple[str, float, float]]:
        """What is in the picture: name, how far right of its middle (−1…1), and how much of its width."""
        width = self._game.get_screen_width()
        return [
            (str(label.object_name), (label.x + label.width / 2) / width * 2 - 1, label.width / width)
            for label in self._state().labels
        ]

    @_told_as_game_error
    def place(self, x: float, y: float, heading: float) -> Pixels:
        """Puts the player at (x, y), looking along `heading`; the frame there."""
        self._game.send_game_command(f"warp {x:.1f} {y:.1f}")
        turned = math.degrees(math.radians(self._variable("ANGLE")) - heading)
        self._game.make_action([turned, 0.0, 0.0, 0.0, 0.0], 1)
        self._game.make_action([0.0] * self.controls.size, 8)
        return self._frame() if not self._game.is_episode_finished() else self.reset(0)

    def _state(self) -> Any:
        state = self._game.get_state()
        if state is None:
            raise GameError(f"{self.name} shows nothing; reset it")
        return state

    def _frame(self) -> Pixels:
        pixels = np.asarray(self._state().screen_buffer)
        return np.asarray(Image.fromarray(pixels).resize(self.size, Image.Resampling.BOX))

    def _variable(self, name: str) -> float:
        import vizdoom

        return float(self._game.get_game_variable(getattr(vizdoom.GameVariable, name)))


def _open(name: str, size: tuple[int, int]) -> vizdoom.DoomGame:
    try:
        import vizdoom
    except ImportError as error:
        raise MissingExtraError(name, "games") from error
    wad, level = name.removeprefix("vizdoom:").split("/")
    game = vizdoom.DoomGame()
    game.set_doom_game_path(str(Path(vizdoom.__file__).with_name(f"{wad}.wad")))
    game.set_doom_map(level)
    game.set_doom_skill(2)
    game.set_screen_resolution(_resolution(vizdoom, size))
    game.set_screen_format(vizdoom.ScreenFormat.RGB24)
    game.set_window_visible(False)
    game.set_sound_enabled(False)
    game.set_render_hud(True)
    for drawn in ("messages", "screen_flashes", "decals", "particles", "crosshair"):
        getattr(game, f"set_render_{drawn}")(False)
    game.set_sectors_info_enabled(True)
    game.set_labels_buffer_enabled(True)
    game.set_mode(vizdoom.Mode.PLAYER)
    game.set_episode_timeout(0)
    game.set_doom_config_path(os.devnull)
    game.add_game_args("+cl_showsecretmessage 0 +con_centernotify 0 +sv_noautoaim 0")
    buttons = vizdoom.Button
    for button in (
        buttons.TURN_LEFT_RIGHT_DELTA, buttons.MOVE_FORWARD_BACKWARD_DELTA, buttons.MOVE_LEFT_RIGHT_DELTA,
        buttons.ATTACK, buttons.USE,
    ):  # fmt: skip
        game.add_available_button(button)
    with _one_start_at_a_time():
        try:
            game.init()
        except vizdoom.ViZDoomErrorException as error:
            raise GameError(f"{name} could not be started ({error})") from error
    return game


@contextlib.contextmanager
def _one_start_at_a_time() -> Iterator[None]:
    """The engine makes an empty folder where it is started, whatever it is told, and dies where another engine makes it
    in the same moment. So engines of one user start one after the other, in whatever process, and the folder goes."""
    import filelock

    folder = Path("_vizdoom")
    lock = filelock.FileLock(Path(tempfile.gettempdir()) / f"dreamcade-doom-{getattr(os, 'getuid', int)()}.lock")
    try:
        lock.acquire()
    except OSError as error:
        raise GameError(f"Doom's engines start one by one, and {lock.lock_file} cannot be locked ({error})") from error
    there = folder.exists()
    try:
        yield
    finally:
        if not there:
            with contextlib.suppress(OSError):
                folder.rmdir()
        lock.release()


def _resolution(vizdoom: Any, size: tuple[int, int]) -> Any:
    """The smallest screen that has `OVERSAMPLING` times the size each way, of those that the engine offers."""
    width, height = (OVERSAMPLING * v for v in size)
    offered = []
    for name in dir(vizdoom.ScreenResolution):
        parts = name.removeprefix("RES_").split("X")
        if name.startswith("RES_") and len(parts) == 2:
            offered.append((int(parts[0]), int(parts[1]), name))
    same_shape = [o for o in offered if o[0] * height == o[1] * width] or offered
    enough = [o for o in same_shape if o[0] >= width and o[1] >= height] or [max(same_shape)]
    return getattr(vizdoom.ScreenResolution, min(enough)[2])
