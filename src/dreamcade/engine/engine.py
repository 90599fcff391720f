"""The engine: one world on one device, and the sessions that play it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dreamcade.core.device import cpu_threads, fast_dtype, resolve_device
from dreamcade.core.errors import BadInputError
from dreamcade.core.types import ActionVector, Frame, FrameTiming
from dreamcade.engine.home import Home
from dreamcade.engine.opening import ImageLike, Opening, encode_action, open_frames, open_image, open_start
from dreamcade.engine.session import Session, check_seed
from dreamcade.engine.slots import Slots
from dreamcade.engine.snapshot import check_world, unpack
from dreamcade.engine.stages import StageTimer
from dreamcade.world.aside import aside
from dreamcade.world.world import World

Action = Mapping[str, float | bool] | ActionVector | Sequence[float]
ModuleT = TypeVar("ModuleT", bound=nn.Module)
_FIRST_ROWS = 4


class Engine:
    """Plays a world. Methods may be called from any thread; one frame (or batch of frames) is made at a time, in the
    caller's thread or, while a `GameLoop` plays, in the loop's.

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
        self.use_all_cores()
        self._codec = aside(lambda: self._prepare(world.codec))
        self._dynamics = aside(lambda: self._prepare(world.dynamics))
        self._slots = aside(lambda: Slots(self._dynamics, _FIRST_ROWS))
        self._timer = StageTimer(self.device, stages=2)
        self.home = Home()

    def use_all_cores(self) -> None:
        """Sets PyTorch's threads for a CPU engine; part of the setting belongs to the calling thread."""
        if self.device.type == "cpu":
            torch.set_num_threads(cpu_threads())

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
        if not actions:
            return {}
        sessions = list(actions)
        vectors = torch.stack(
            [torch.from_numpy(encode_action(self.world.controls, action)) for action in actions.values()]
        )

        def step() -> list[Frame]:
            for session in sessions:
                self.check(session)
            return self._make_frames(sessions, vectors)

        return dict(zip(sessions, self.home.run(step), strict=True))

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

    @torch.inference_mode()
    def show(self, row: int, tick: int) -> Frame:
        """The newest latent of `row` as a frame."""
        self._timer.mark(1)
        pixels = self._decode(self._dynamics.latest(self._slots.state, self._slots.index([row])))
        return Frame(pixels[0], tick, FrameTiming(decode_ms=self._timer.milliseconds(1)))

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

    @torch.inference_mode()
    def _make_frames(self, sessions: Sequence[Session], actions: Tensor) -> list[Frame]:
        self._timer.mark(0)
        shape = (self.sampling_steps, *self._dynamics.noise_shape)
        # Each session draws its own noise, so that a batch makes the frames that each would make alone.
        noise = torch.stack([torch.randn(shape, generator=s.generator) for s in sessions], dim=1)
        rows = self._slots.index([s.row for s in sessions])
        latents = self._dynamics.step(self._slots.state, rows, self._cast(actions), self._cast(noise))
        self._timer.mark(1)
        pixels = self._decode(latents)
        timing = FrameTiming(dynamics_ms=self._timer.milliseconds(0), decode_ms=self._timer.milliseconds(1))
        return [session.advance(own, timing) for session, own in zip(sessions, pixels, strict=True)]

    def _decode(self, latents: Tensor) -> NDArray[Any]:
        pixels = self._codec.decode_pixels(latents)
        self._timer.mark(2)
        return pixels.cpu().numpy()  # on a GPU this waits for the work that the timer times

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
