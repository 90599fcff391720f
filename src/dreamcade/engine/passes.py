"""What computes: a world's parts on one device, and the memory of every session."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dreamcade.core.errors import BadInputError
from dreamcade.core.types import ActionVector, Frame, FrameKind, FrameTiming, Pixels
from dreamcade.dynamics.extrapolation import curvature
from dreamcade.engine.executors import Executor, choose_executor
from dreamcade.engine.executors.prepared import prepared
from dreamcade.engine.journal import Journal
from dreamcade.engine.noise import Noise
from dreamcade.engine.opening import Opening
from dreamcade.engine.proposal import Dreamed, Proposal
from dreamcade.engine.session import Session
from dreamcade.engine.slots import Slots
from dreamcade.engine.stages import Stopwatch
from dreamcade.kernels.choice import using
from dreamcade.kernels.names import Kernels
from dreamcade.world.world import World

_FIRST_ROWS = 4


class Passes:
    """Own copies of the world's modules on `device`, run by an executor. One pass at a time, but for `draw`."""

    def __init__(
        self, world: World, device: torch.device, dtype: torch.dtype, sampling_steps: int, kernels: Kernels,
        noise: Noise | None = None,
    ) -> None:  # fmt: skip
        self.device = device
        self.noise = noise or Noise(threads=1)
        self.sampling_steps = sampling_steps
        self.codec = prepared(world.codec, device)
        self.dynamics = prepared(world.dynamics, device)
        self._kernels = kernels
        self.executor: Executor = choose_executor(self.dynamics, self.codec, dtype, kernels, sampling_steps)
        self.dtype = self.executor.storage
        self.extrapolator = None
        if world.extrapolator is not None:
            self.extrapolator = prepared(world.extrapolator, device).to(self.dtype)
        self._grid = world.predictor.grid if world.predictor is not None else None
        self.slots = Slots(self.dynamics, _FIRST_ROWS)
        self._drawing = torch.cuda.Stream(device) if device.type == "cuda" else None  # type: ignore[no-untyped-call]

    @torch.inference_mode()
    def compute(
        self, asked: Sequence[tuple[Session, ActionVector]], go_on: Callable[[], bool] | None = None
    ) -> list[Proposal]:
        """A pass for each session and action (on the grid, float32 `[A]`); as `Engine.propose`."""
        watch = Stopwatch(self.device)
        shape = (self.sampling_steps, *self.dynamics.noise_shape)
        # Keyed by seed and tick: a batch makes the frames that each would make alone, a draft the one it stands for.
        noise = self.noise.draw([(s.seed, s.tick + 1) for s, _ in asked], shape)
        rows = self.slots.index([s.row for s, _ in asked])
        actions = torch.from_numpy(np.stack([action for _, action in asked]))
        context = self.dynamics.context(self.slots.state, rows, self._cast(actions))
        with using(self._kernels):
            tokens = self.executor.sample(context, self._cast(noise), go_on)
        latents = self.dynamics.to_latents(tokens)
        watch.stop()
        return [
            Proposal(session, session.version, action, own, Dreamed(latent, session.tick + 1, watch))
            for (session, action), own, latent in zip(asked, tokens, latents, strict=True)
        ]

    @torch.inference_mode()
    def extrapolate(self, session: Session, action: ActionVector | None, ahead: float = 1.0) -> Proposal:
        """The frame `ahead` of the newest, without a pass: the next one under `action`, or, with none, one in between.

        Raises `BadInputError` where the world is not calibrated.
        """
        if self.extrapolator is None:
            raise BadInputError("this world is not calibrated for extrapolation; see dreamcade calibrate --help")
        watch = Stopwatch(self.device)
        state, rows = self.slots.state, self.slots.index([session.row])
        taken = state.actions[rows]
        if action is not None:
            taken = torch.cat([taken[:, 1:], self._cast(torch.from_numpy(action))[None, None]], 1)
        tokens = self.extrapolator(state.recent(rows), taken, ahead)
        latents = self.dynamics.to_latents(tokens)
        watch.stop()
        kind = FrameKind.IN_BETWEEN if action is None else FrameKind.EXTRAPOLATED
        dreamed = Dreamed(latents[0], session.tick + (action is not None), watch, kind)
        return Proposal(session, session.version, taken[0, -1].float().cpu().numpy(), tokens[0], dreamed)

    @torch.inference_mode()
    def commit(self, proposals: Sequence[Proposal]) -> list[Dreamed]:
        """Appends what was proposed and advances the sessions; as `Engine.commit`."""
        if any(proposal.version != proposal.session.version for proposal in proposals):
            raise BadInputError("the session has changed since this was proposed; propose again")
        if proposals:
            rows = self.slots.index([p.session.row for p in proposals])
            actions = self._cast(torch.from_numpy(np.stack([p.action for p in proposals])))
            self.dynamics.commit(self.slots.state, rows, actions, torch.stack([p.tokens for p in proposals]))
        for proposal in proposals:
            proposal.session.advance(proposal.dreamed.kind is FrameKind.EXTRAPOLATED)
        return [proposal.dreamed for proposal in proposals]

    @torch.inference_mode()
    def smoothness(self, session: Session, action: ActionVector) -> tuple[float, float]:
        """The distance of `action` to the last one, and the curvature of the session's last latents."""
        state = self.slots.state
        last = state.actions[session.row, -1].float().cpu().numpy()
        if session.curvature is None:
            session.curvature = float(curvature(state.recent(self.slots.index([session.row]))))
        return float(np.linalg.norm(action - last)), session.curvature

    def history(self, session: Session) -> NDArray[np.float32]:
        """The last actions that were taken, float32 `[history, A]`, on the grid."""
        actions = self.slots.state.actions[session.row].float().cpu().numpy()
        return actions if self._grid is None else self._grid.snap(actions)

    @torch.inference_mode()
    def newest(self, session: Session) -> Dreamed:
        """The session's newest latent, to be drawn once more."""
        watch = Stopwatch(self.device)
        latents = self.dynamics.latest(self.slots.state, self.slots.index([session.row]))
        watch.stop()
        return Dreamed(latents[0], session.tick, watch)

    @torch.inference_mode()
    def draw(self, dreamed: Sequence[Dreamed]) -> list[Frame]:
        """Decodes latents as one batch; touches no session.

        On a GPU it has a stream of its own, so that drawing a frame waits for that frame's pass and for no other.
        """
        with torch.cuda.stream(self._drawing):
            for one in dreamed:
                if self._drawing is not None:
                    one.watch.hold(self._drawing)
                    one.latent.record_stream(self._drawing)
            watch = Stopwatch(self.device)
            with using(self._kernels):
                pixels = self.executor.draw(torch.stack([d.latent for d in dreamed]))
            watch.stop()
            shown = pixels.cpu().numpy()  # on a GPU this waits for the work that is timed
        return [_frame(one, own, watch) for one, own in zip(dreamed, shown, strict=True)]

    @torch.inference_mode()
    def observe(self, row: int, opening: Opening) -> None:
        """Replaces what `row` remembers by `opening`."""
        rows = self.slots.index([row])
        self.slots.state.reset(rows)
        latents, actions = self._cast(opening.latents), self._cast(opening.actions)
        for i in range(len(latents)):
            self.dynamics.observe(self.slots.state, rows, latents[i : i + 1], actions[i : i + 1])

    @torch.inference_mode()
    def replay(self, row: int, opening: Opening, journal: Journal) -> None:
        """Replaces what `row` remembers by what the session that began with `opening` and kept `journal` did."""
        rows, entries = self.slots.index([row]), journal.entries
        if len(entries) == journal.tick:
            self.observe(row, opening)
        else:  # all that is remembered lies in the journal, and the slots go on as they did
            self.slots.state.reset(rows)
            self.slots.state.count[rows] = len(opening.latents) + journal.tick - len(entries)
        shape = self.dynamics.noise_shape
        for entry in entries:
            action = self._cast(torch.from_numpy(entry.action))
            self.dynamics.commit(self.slots.state, rows, action[None], self._cast(entry.tensor(shape))[None])

    def _cast(self, tensor: Tensor) -> Tensor:
        return tensor.to(device=self.device, dtype=self.dtype)


def _frame(dreamed: Dreamed, pixels: Pixels, watch: Stopwatch) -> Frame:
    queue_ms = (watch.began - dreamed.watch.ended) * 1000.0
    timing = FrameTiming(dreamed.watch.milliseconds, watch.milliseconds, queue_ms=queue_ms, kind=dreamed.kind)
    return Frame(pixels, dreamed.tick, timing)
