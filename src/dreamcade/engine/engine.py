"""The engine: one world on one device or several, and the sessions that play it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dreamcade.cluster.hosts import Hosts, LocalHosts
from dreamcade.cluster.layout import Layout
from dreamcade.cluster.plan import Plan
from dreamcade.core.device import fast_dtype, keep_freed_memory, resolve_device
from dreamcade.core.errors import BadInputError
from dreamcade.core.types import ActionVector, Frame
from dreamcade.engine.cores import Cores
from dreamcade.engine.decider import Limits
from dreamcade.engine.home import Home
from dreamcade.engine.journal import Journal, check_journal
from dreamcade.engine.noise import Noise
from dreamcade.engine.notices import Notices
from dreamcade.engine.opening import ImageLike, Opening, encode_action, open_from
from dreamcade.engine.passes import Passes
from dreamcade.engine.progress import SPREAD_PATIENCE, Progress
from dreamcade.engine.proposal import Dreamed, Proposal
from dreamcade.engine.session import Session, check_seed
from dreamcade.engine.snapshot import check_world, unpack
from dreamcade.engine.spreading import Devices, choose_layout, expect_shares, name_devices, planned
from dreamcade.engine.workers import take_on
from dreamcade.kernels.names import Kernels
from dreamcade.world.aside import aside
from dreamcade.world.world import World

Action = Mapping[str, float | bool] | ActionVector | Sequence[float]


class Engine:
    """Plays a world. Methods may be called from any thread; one frame (or batch of frames) is made at a time, in the
    caller's thread or, while a `GameLoop` plays, in the loop's two.

    `device` is auto, cpu, cuda or cuda:N; `sampling_steps` defaults to the world's; `dtype` to the fastest that the
    device multiplies natively. `kernels` is auto (the quickest way that is here), openvino or reference (plain
    PyTorch); `path` tells which it became. On a CPU, PyTorch is set to use all cores of this process.

    `devices` (in place of `device`: `cpu:3`, `cuda:2`, or a list of names) spreads the world over several, each but
    the first with a process of its own, started by `hosts` (none: on this machine). `plan` says what each does
    (`auto`: the planner does; none: the first makes the latents, the others draw). Sessions are played, and survive the
    loss of any of these processes, just as on one device; `replace`: others are started in place of those that are
    lost. `close` ends them; an engine is a context manager. Raises `BadInputError` for devices that are not there, or
    too few of them, or a world that does not fit them or that the processes cannot read.
    """

    def __init__(
        self, world: World, device: str = "auto", sampling_steps: int | None = None, dtype: torch.dtype | None = None,
        kernels: str = "auto", devices: Devices | None = None, plan: Plan | Layout | str | None = None,
        hosts: Hosts | None = None, replace: bool = True,
    ) -> None:  # fmt: skip
        if sampling_steps is not None and sampling_steps < 1:
            raise BadInputError(f"sampling_steps must be at least 1; got {sampling_steps}")
        self.world = world
        names = (device,) if devices is None else name_devices(devices)
        replan, layout = planned(world, plan, names, sampling_steps or world.manifest.sampling_steps)
        self.layout = choose_layout(len(names), layout)
        expect_shares(world, self.layout)
        self.device = resolve_device(names[0])
        self.dtype = dtype or fast_dtype(self.device)
        self.sampling_steps = sampling_steps or world.manifest.sampling_steps
        if self.device.type == "cpu":
            keep_freed_memory()
        self._cores = Cores(self.device, self.layout)
        self.use_all_cores()
        self.kernels = Kernels.named(kernels)
        noise = Noise(self.encoding_threads)
        self.passes = aside(lambda: Passes(world, self.device, self.dtype, self.sampling_steps, self.kernels, noise))
        self.home = Home()
        self.notices = Notices()
        self.progress = Progress() if self.layout.shared else Progress(SPREAD_PATIENCE)
        self._closing = contextlib.ExitStack()
        if not self.layout.shared:
            workers = names[1 : self.layout.pipeline_devices]
            self._closing = take_on(
                world, self.passes, self.dtype, self.layout, workers, hosts or LocalHosts(),
                threads=self._cores.each(1), replace=replace, replan=replan, tell=self.notices.tell,
            )  # fmt: skip

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the processes on other devices; stop the game loop first. What is still asked of the engine, it does
        on its own device. Closing twice is fine."""
        self._closing.close()
        self.passes.noise.close()

    @property
    def lanes(self) -> int:
        """How many frames can be drawn at once."""
        return self.passes.executor.lanes

    @property
    def encoding_threads(self) -> int:
        """How many pictures may be encoded at once."""
        return self._cores.encoding_threads

    @property
    def path(self) -> str:
        """What runs the networks, and in which number format; for people."""
        return self.passes.executor.name

    def use_all_cores(self) -> None:
        """Sets PyTorch's threads for a CPU engine; part of the setting belongs to the calling thread."""
        self._cores.use_all()

    def share_cores(self) -> None:
        """The same for each of two threads that compute at once."""
        self._cores.share()

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
            opening = open_from(self.world, start, frames, actions, image)
            return self._admit(lambda row: Session(self, row, int(seed), opening))

        return self.home.run(open_session, once=True)

    def restore_session(self, state: bytes) -> Session:
        """A new session that continues a snapshot of this world, bit for bit on the same device, kernels and build.

        Raises `BadInputError` for damaged or newer bytes, `WorldError` for another world's.
        """
        snapshot = unpack(state)
        check_world(snapshot, self.world.manifest.name, self.world.identity)
        try:
            return self.home.run(lambda: self._admit(lambda row: Session.from_snapshot(self, row, snapshot)), once=True)
        except (KeyError, RuntimeError, BadInputError) as error:
            raise BadInputError(f"the snapshot does not fit this build ({error}); it cannot be restored") from error

    def resume_session(self, journal: Journal) -> Session:
        """A new session that continues the one that kept `journal`, bit for bit on the same device, kernels and build.

        Raises `BadInputError` for a journal that is too short or of another world, `UnknownNameError` for its start.
        """
        check_journal(journal, self.world.dynamics.config)
        return self.home.run(lambda: self._admit(lambda row: Session.from_journal(self, row, journal)), once=True)

    def step_many(self, actions: Mapping[Session, Action]) -> dict[Session, Frame]:
        """One tick of several sessions as one batch. Every action is checked before anything changes.

        Raises `BadInputError` for a closed or foreign session or a bad action.
        """
        asked = self._checked(actions)

        def step() -> list[Frame]:
            frames = self.draw(self._step(asked))
            for (session, _), frame in zip(asked, frames, strict=True):
                session.shown(frame)
            return frames

        return dict(zip(actions, self.home.run(step), strict=True))

    def dream_many(self, actions: Mapping[Session, Action]) -> dict[Session, Dreamed]:
        """The first half of `step_many`: the sessions are a tick further, their frames still to be drawn by `draw`."""
        asked = self._checked(actions)
        return dict(zip(actions, self.home.run(lambda: self._step(asked)), strict=True))

    def propose(
        self, asked: Sequence[tuple[Session, ActionVector]], go_on: Callable[[], bool] | None = None
    ) -> list[Proposal]:
        """What comes next under each action (on the world's grid), by one pass; nothing changes until `commit`.

        A session may be asked about several actions. `go_on` is asked now and then: where it says no, the pass ends
        with `Abandoned`.
        """
        return self.home.run(lambda: self._propose(asked, go_on))

    def extrapolate(self, session: Session, action: ActionVector) -> Proposal:
        """What comes next if motion goes on: no pass. The world must be calibrated."""
        return self.home.run(lambda: self._open(session).extrapolate(session, action))

    def between(self, session: Session, ahead: float) -> Dreamed:
        """The frame that lies `ahead` (0…1) of a tick beyond the newest, for the eye alone; likewise."""
        return self.home.run(lambda: self._open(session).extrapolate(session, None, ahead).dreamed)

    def commit(self, proposals: Sequence[Proposal]) -> list[Dreamed]:
        """Takes proposals, at most one a session: their sessions are a tick further.

        Raises `BadInputError` where a session has changed since; then nothing is taken.
        """
        return self.home.run(lambda: self._commit(proposals))

    def calm(self, session: Session, action: ActionVector) -> bool:
        """Whether the world's calibration lets the next frame under `action` be extrapolated."""
        if self.limits is None:
            return False
        distance, curvature = self.home.run(lambda: self._open(session).smoothness(session, action))
        return self.limits.allow(distance, curvature, session.skips)

    def history(self, session: Session) -> NDArray[np.float32]:
        """The last actions that `session` has taken, float32 `[history, A]`, newest last."""
        return self.home.run(lambda: self._open(session).history(session))

    @property
    def limits(self) -> Limits | None:
        """The world's calibration, if it has one."""
        if self.world.extrapolator is None:
            return None
        config = self.world.extrapolator.config
        return Limits(config.action_distance, config.curvature, config.most_skips)

    def snap(self, action: ActionVector) -> ActionVector:
        """`action` as the world tells it apart: on its predictor's grid, if it has one."""
        return action if self.world.predictor is None else self.world.predictor.grid.snap(action)

    def newest(self, session: Session) -> Dreamed:
        """What `session` has come to, to be drawn once more."""
        return self.home.run(lambda: self._open(session).newest(session))

    def draw(self, dreamed: Sequence[Dreamed]) -> list[Frame]:
        """Decodes latents as one batch. It touches no session and may run in a thread beside the one that dreams."""
        if not dreamed:
            return []
        with self.progress.doing("drawing", len(dreamed)):
            return self.passes.draw(dreamed)

    def observe(self, row: int, opening: Opening) -> None:
        """Replaces what `row` remembers by `opening`."""
        self.passes.observe(row, opening)

    def check(self, session: Session) -> None:
        """Raises `BadInputError` unless `session` is an open session of this engine."""
        if not isinstance(session, Session) or session.engine is not self:
            raise BadInputError("this session belongs to another engine; step it with that one")
        if session.closed:
            raise BadInputError("this session is closed; open another one with engine.open_session()")

    def read_row(self, row: int) -> dict[str, Tensor]:
        """Copies of what `row` remembers."""
        return self.passes.slots.state.read(row)

    def write_row(self, row: int, saved: Mapping[str, Tensor]) -> None:
        """Inverse of `read_row`."""
        self.passes.slots.state.write(row, saved)

    def release(self, row: int) -> None:
        """Takes a closed session's row back."""
        self.passes.slots.release(row)

    def _admit(self, make: Callable[[int], Session]) -> Session:
        row = self.passes.slots.acquire()
        try:
            return make(row)
        except BaseException:
            self.passes.slots.release(row)
            raise

    def _checked(self, actions: Mapping[Session, Action]) -> list[tuple[Session, ActionVector]]:
        controls = self.world.controls
        return [(session, self.snap(encode_action(controls, action))) for session, action in actions.items()]

    def _open(self, session: Session) -> Passes:
        self.check(session)
        return self.passes

    def _step(self, asked: Sequence[tuple[Session, ActionVector]]) -> list[Dreamed]:
        return self._commit(self._propose(asked))

    def _propose(
        self, asked: Sequence[tuple[Session, ActionVector]], go_on: Callable[[], bool] | None = None
    ) -> list[Proposal]:
        for session, _ in asked:
            self.check(session)
        if not asked:
            return []
        with self.progress.doing("a pass", len(asked)):
            return self.passes.compute(asked, go_on)

    def _commit(self, proposals: Sequence[Proposal]) -> list[Dreamed]:
        for proposal in proposals:
            self.check(proposal.session)
        dreamed = self.passes.commit(proposals)
        for proposal in proposals:
            proposal.session.committed(proposal)
        return dreamed
