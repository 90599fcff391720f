"""The engine: one world on one device, and the sessions that play it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from dreamcade.core.device import cpu_threads, fast_dtype, keep_freed_memory, resolve_device
from dreamcade.core.errors import BadInputError
from dreamcade.core.types import ActionVector, Frame, FrameTiming
from dreamcade.engine.home import Home
from dreamcade.engine.opening import ImageLike, Opening, encode_action, open_frames, open_image, open_start
from dreamcade.engine.session import Session, check_seed
from dreamcade.engine.slots import Slots
from dreamcade.engine.snapshot import check_world, unpack
from dreamcade.engine.stages import Stopwatch
from dreamcade.world.aside import aside
from dreamcade.world.world import World

Action = Mapping[str, float | bool] | ActionVector | Sequence[float]
ModuleT = TypeVar("ModuleT", bound=nn.Module)
_FIRST_ROWS = 4


@dataclass(frozen=True, slots=True)
class Dreamed:
    """A frame that is dreamed but not drawn: its latent `[c, h, w]`, its tick, and how long it took."""

    latent: Tensor
    tick: int
    watch: Stopwatch


class Engine:
    """Plays a world. Methods may be called from any thread; one frame (or batch of frames) is made at a time, in the
    caller's thread or, while a `GameLoop` plays, in the loop's two.

    `device` is auto, cpu, cuda or cuda:N; `sampling_steps` defaults to the world's; `dtype` to the fastest that the
    device multiplies natively. On a CPU, PyTorch is set to use all cores of this process.
    """

    def __init__(
        self, world: World, device: str = "auto", sampling_steps: int | None = None, dtype: torch.dtype | None = None
    ) -> None:
        if sampling_steps is not None and sampling_steps < 1:
            raise BadInputError(f"sampling_steps must be at least 1; got {sampling_steps}")
        self.world = world
        self.device = resolve_device(device)
        self.dtype = dtype or fast_dtype(self.device)
        self.sampling_steps = sampling_steps or world.manifest.sampling_steps
        if self.device.type == "cpu":
            keep_freed_memory()
        self.use_all_cores()
        self._codec = aside(lambda: self._prepare(world.codec))
        self._dynamics = aside(lambda: self._prepare(world.dynamics))
        self._slots = aside(lambda: Slots(self._dynamics, _FIRST_ROWS))
        self.home = Home()

    def use_all_cores(self) -> None:
        """Sets PyTorch's threads for a CPU engine; part of the setting belongs to the calling thread."""
        self._use_cores(cpu_threads())

    def share_cores(self) -> None:
        """The same for each of two threads that compute at once: half the cores, at least one."""
        self._use_cores(max(1, cpu_threads() // 2))

    def _use_cores(self, count: int) -> None:
        if self.device.type == "cpu":
            torch.set_num_threads(count)

    def open_session(
        self,
        seed: int = 0,
        start: str | int | None = None,
        frames: Any = None,
        actions: Any = None,
        image: ImageLike | None = None,
    ) -> Session:
        """A new session: from a start (none given: the first), from `frames` uint8 `[T, H, W, 3]` with the `actions`
        `[T, A]` taken after each, or from one `image`. Raises `BadInputError` or `UnknownNameError`."""
        check_seed(seed)

        def open_session() -> Session:
            opening = self._opening(start, frames, actions, image)
            return self._admit(lambda row: Session(self, row, int(seed), opening))

        return self.home.run(open_session, once=True)

    def restore_session(self, state: bytes) -> Session:
        """A new session that continues a snapshot of this world, bit for bit on the same device and build.

        Raises `BadInputError` for damaged or newer bytes, `WorldError` for another world's.
        """
        snapshot = unpack(state)
        check_world(snapshot, self.world.manifest.name, self.world.identity)
        try:
            return self.home.run(lambda: self._admit(lambda row: Session.from_snapshot(self, row, snapshot)), once=True)
        except (KeyError, RuntimeError, BadInputError) as error:
            raise BadInputError(f"the snapshot does not fit this build ({error}); it cannot be restored") from error

    def step_many(self, actions: Mapping[Session, Action]) -> dict[Session, Frame]:
        """One tick of several sessions as one batch. Every action is checked before anything changes.

        Raises `BadInputError` for a closed or foreign session or a bad action.
        """
        sessions, vectors = self._checked(actions)

        def step() -> list[Frame]:
            frames = self.draw(self._dream(sessions, vectors))
            for session, frame in zip(sessions, frames, strict=True):
                session.shown(frame)
            return frames

        return dict(zip(sessions, self.home.run(step), strict=True))

    def dream_many(self, actions: Mapping[Session, Action]) -> dict[Session, Dreamed]:
        """The first half of `step_many`: the sessions are a tick further, their frames still to be drawn by `draw`."""
        sessions, vectors = self._checked(actions)
        return dict(zip(sessions, self.home.run(lambda: self._dream(sessions, vectors)), strict=True))

    def newest(self, session: Session) -> Dreamed:
        """What `session` has come to, to be drawn once more."""
        return self.home.run(lambda: self._newest(session))

    @torch.inference_mode()
    def draw(self, dreamed: Sequence[Dreamed]) -> list[Frame]:
        """Decodes latents as one batch. It touches no session and may run in a thread beside the one that dreams."""
        if not dreamed:
            return []
        watch = Stopwatch(self.device)
        pixels = self._codec.decode_pixels(torch.stack([d.latent for d in dreamed]))
        watch.stop()
        shown = pixels.cpu().numpy()  # on a GPU this waits for the work that is timed
        frames = []
        for one, own in zip(dreamed, shown, strict=True):
            queue_ms = (watch.began - one.watch.ended) * 1000.0
            frames.append(
                Frame(own, one.tick, FrameTiming(one.watch.milliseconds, watch.milliseconds, queue_ms=queue_ms))
            )
        return frames

    def check(self, session: Session) -> None:
        """Raises `BadInputError` unless `session` is an open session of this engine."""
        if not isinstance(session, Session) or session.engine is not self:
            raise BadInputError("this session belongs to another engine; step it with that one")
        if session.closed:
            raise BadInputError("this session is closed; open another one with engine.open_session()")

    @torch.inference_mode()
    def observe(self, row: int, opening: Opening) -> None:
        """Replaces what `row` remembers by `opening`."""
        rows = self._slots.index([row])
        self._slots.state.reset(rows)
        latents, actions = self._cast(opening.latents), self._cast(opening.actions)
        for i in range(len(latents)):
            self._dynamics.observe(self._slots.state, rows, latents[i : i + 1], actions[i : i + 1])

    def read_row(self, row: int) -> dict[str, Tensor]:
        """Copies of what `row` remembers."""
        return self._slots.state.read(row)

    def write_row(self, row: int, saved: Mapping[str, Tensor]) -> None:
        """Inverse of `read_row`."""
        self._slots.state.write(row, saved)

    def release(self, row: int) -> None:
        """Takes a closed session's row back."""
        self._slots.release(row)

    def _admit(self, make: Callable[[int], Session]) -> Session:
        row = self._slots.acquire()
        try:
            return make(row)
        except BaseException:
            self._slots.release(row)
            raise

    def _checked(self, actions: Mapping[Session, Action]) -> tuple[list[Session], Tensor]:
        sessions = list(actions)
        vectors = [torch.from_numpy(encode_action(self.world.controls, action)) for action in actions.values()]
        return sessions, torch.stack(vectors) if vectors else torch.zeros(0, self.world.controls.size)

    @torch.inference_mode()
    def _dream(self, sessions: Sequence[Session], actions: Tensor) -> list[Dreamed]:
        for session in sessions:
            self.check(session)
        if not sessions:
            return []
        watch = Stopwatch(self.device)
        shape = (self.sampling_steps, *self._dynamics.noise_shape)
        # Each session draws its own noise, so that a batch makes the frames that each would make alone.
        noise = torch.stack([torch.randn(shape, generator=s.generator) for s in sessions], dim=1)
        rows = self._slots.index([s.row for s in sessions])
        latents = self._dynamics.step(self._slots.state, rows, self._cast(actions), self._cast(noise))
        watch.stop()
        return [Dreamed(latent, s.advance(), watch) for s, latent in zip(sessions, latents, strict=True)]

    @torch.inference_mode()
    def _newest(self, session: Session) -> Dreamed:
        self.check(session)
        watch = Stopwatch(self.device)
        latents = self._dynamics.latest(self._slots.state, self._slots.index([session.row]))
        watch.stop()
        return Dreamed(latents[0], session.tick, watch)

    def _opening(self, start: str | int | None, frames: Any, actions: Any, image: ImageLike | None) -> Opening:
        given = [name for name, value in (("start", start), ("frames", frames), ("image", image)) if value is not None]
        if len(given) > 1:
            raise BadInputError(f"a session opens from one thing; got {' and '.join(given)}")
        if actions is not None and frames is None:
            raise BadInputError("actions go with frames: give frames= too")
        if frames is not None:
            return open_frames(self.world, frames, actions)
        return open_start(self.world, start) if image is None else open_image(self.world, image)

    def _prepare(self, module: ModuleT) -> ModuleT:
        # A copy: the world stays float32 where it is, for others to use.
        own = copy.deepcopy(module).eval().requires_grad_(False)
        return own.to(device=self.device, dtype=self.dtype).to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]

    def _cast(self, tensor: Tensor) -> Tensor:
        return tensor.to(device=self.device, dtype=self.dtype)
