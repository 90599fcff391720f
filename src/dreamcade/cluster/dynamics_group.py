"""What one rank of a dynamics group does: its part of every session's frames, command by command.

How commands come is somebody else's: each rank is given the same ones in the same order, and answers when it is
done. `step` alone waits for the other ranks. The head, rank 0, decides: what it has committed is what there is. So when
a rank is lost, the others are regrouped with the head's pasts, and repeat at most the step that failed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from dreamcade.core.errors import BadInputError
from dreamcade.dynamics.diffusion_state import DiffusionState
from dreamcade.dynamics.diffusion_transformer import DiffusionTransformer
from dreamcade.dynamics.exchange import ALONE, Exchange
from dreamcade.dynamics.rebuild import Past, frames_that_matter, rebuild_diffusion


class _Session:
    """One session's memory on this rank, and its newest frames, of which any rank can make it anew."""

    def __init__(self, model: DiffusionTransformer, exchange: Exchange, bits: int) -> None:
        self.model = model
        self.state: DiffusionState = model.new_state(1, bits, exchange)
        self.frames: deque[tuple[Tensor, Tensor]] = deque(maxlen=frames_that_matter(model.config))
        self.count = 0

    def commit(self, action: Tensor) -> None:
        """Counts in the frame that the state has just been given."""
        self.frames.append((self.state.recent()[0, 0].clone(), action.clone()))
        self.count += 1

    def rebuild(self, past: Past) -> None:
        rebuild_diffusion(self.model, self.state, past)
        kept, device = zip(past.tokens, past.actions, strict=True), self.state.count.device
        self.frames.extend((tokens.to(device), action.to(device)) for tokens, action in kept)
        self.count = past.count

    def past(self) -> Past:
        config, frames = self.model.config, list(self.frames)
        tokens = torch.zeros(len(frames), config.tokens, config.token_size)
        actions = torch.zeros(len(frames), config.action_size)
        for i, (frame, action) in enumerate(frames):
            tokens[i], actions[i] = frame, action
        return Past(tokens, actions, self.count)


class DynamicsRank:
    """This rank's part of a model that `exchange` shares; the caches in `bits`. One thread at a time."""

    def __init__(self, model: DiffusionTransformer, exchange: Exchange = ALONE, bits: int = 16) -> None:
        self.model, self.bits = model, bits
        self._exchange = exchange
        self._sessions: dict[str, _Session] = {}
        self._failed = False

    @property
    def sessions(self) -> list[str]:
        """Their names, in the order in which they were opened."""
        return list(self._sessions)

    def open(self, name: str, past: Past | None = None) -> None:
        """A session with nothing in it, or one that goes on after `past`. Nobody is waited for."""
        if name in self._sessions:
            raise BadInputError(f"session {name!r} is open already; close it first")
        session = _Session(self.model, self._exchange, self.bits)
        if past is not None:
            session.rebuild(past)
        self._sessions[name] = session

    def observe(self, name: str, latents: Tensor, action: Tensor) -> None:
        """Appends a real latent `[c, h, w]` and the action `[A]` that led to it. Nobody is waited for."""
        session = self._session(name)
        self.model.observe(session.state, latents[None], action[None])
        session.commit(action)

    def step(self, names: Sequence[str], actions: Tensor, noise: Tensor) -> Tensor:
        """The sessions' next latents float32 `[B, c, h, w]` by their actions `[B, A]`, the same on every rank.

        Noise `[steps, B, L, P]`, the same on every rank. They are made one after the other: a frame of this model is
        many tokens, and keeps a device busy alone. All of them are committed, or, when a rank is lost
        (`RankLostError`), none; `regroup` then.
        """
        sessions = [self._session(name) for name in names]
        if self._failed:
            raise BadInputError("a step failed and left the memory half-written; regroup before the next one")
        if not names or len(set(names)) < len(names) or not len(names) == len(actions) == noise.shape[1]:
            got = f"{list(names)}, {len(actions)} actions, noise for {noise.shape[1]}"
            raise BadInputError(f"a step is of different sessions, with an action and noise for each; got {got}")
        self._failed = True
        made = [
            self.model.step(session.state, actions[i : i + 1], noise[:, i : i + 1])
            for i, session in enumerate(sessions)
        ]
        self._failed = False
        for session, action in zip(sessions, actions, strict=True):
            session.commit(action)
        return torch.cat(made)

    def close(self, name: str) -> None:
        """Forgets a session."""
        self._session(name)
        del self._sessions[name]

    def past(self, name: str) -> Past:
        """What of a session has to be kept, or sent, so that it can go on elsewhere; on the CPU."""
        return self._session(name).past()

    def regroup(self, exchange: Exchange, pasts: Mapping[str, Past] | None = None) -> None:
        """Goes on with other devices, from `pasts`: the head's, of all sessions; the head itself gives none."""
        pasts = {name: self.past(name) for name in self._sessions} if pasts is None else pasts
        self._exchange, self._sessions, self._failed = exchange, {}, False
        for name, past in pasts.items():
            self.open(name, past)

    def _session(self, name: str) -> _Session:
        if name not in self._sessions:
            raise BadInputError(f"no session {name!r} is open; open: {', '.join(self._sessions) or 'none'}")
        return self._sessions[name]
