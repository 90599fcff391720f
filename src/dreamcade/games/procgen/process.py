"""A Procgen game in another process, spoken to over pipes."""

from __future__ import annotations

import json
import subprocess
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dreamcade.core.errors import GameError
from dreamcade.games.procgen.environment import environment_python

RENDER_SIZE = 512


@dataclass(frozen=True, slots=True)
class Answer:
    """What the game said: `pixels` uint8 `[512, 512, 3]` where it is drawn, and its whole state.

    `ended` means that the level began anew; `complete`, that it was won.
    """

    pixels: NDArray[np.uint8] | None
    state: bytes
    reward: float = 0.0
    ended: bool = False
    complete: bool = False


class ProcgenProcess:
    """One game process. Raises `GameNotInstalledError` without the environment, `GameError` where it dies."""

    def __init__(self, game: str, mode: str) -> None:
        worker = Path(__file__).with_name("worker.py")
        # A file, not a pipe, which would be full some day; a session of its own, so that Ctrl-C does not end the game
        # before the play has been stored. It ends by itself when nobody speaks to it any more.
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close
        self._process = subprocess.Popen(
            [str(environment_python()), "-W", "ignore", str(worker)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, start_new_session=True,
        )  # fmt: skip
        self._tell({"game": game, "mode": mode})

    def reset(self, level: int, drawn: bool = True) -> Answer:
        """The beginning of `level`. Two plays go on side by side: one that is drawn, and one without pixels that is
        five times as quick, to try things out in."""
        return self._ask({"do": "reset", "level": level, "drawn": drawn})

    def restore(self, level: int, state: bytes, drawn: bool = True) -> Answer:
        """A state of `level` that an answer gave before."""
        return self._ask({"do": "restore", "level": level, "drawn": drawn, "bytes": len(state)}, state)

    def step(self, action: int, drawn: bool = True) -> Answer:
        """One tick with one of Procgen's fifteen actions."""
        return self._ask({"do": "step", "action": action, "drawn": drawn})

    def close(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._errors):
            with suppress(BrokenPipeError):  # what was still to be said goes nowhere
                if pipe is not None:
                    pipe.close()

    def _tell(self, request: dict[str, Any], payload: bytes = b"") -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request).encode() + b"\n" + payload)
        self._process.stdin.flush()

    def _ask(self, request: dict[str, Any], payload: bytes = b"") -> Answer:
        stdout = self._process.stdout
        assert stdout is not None
        try:
            self._tell(request, payload)
            facts = json.loads(stdout.readline())
            shape = (RENDER_SIZE, RENDER_SIZE, 3)
            size = facts.pop("pixels")
            pixels = np.frombuffer(stdout.read(size), np.uint8).reshape(shape) if size else None
            return Answer(pixels, stdout.read(facts.pop("state")), **facts)
        except (OSError, ValueError) as error:
            raise GameError(f"the game's process ended ({self._last_words()}); start it again") from error

    def _last_words(self) -> str:
        self._process.kill()
        self._process.wait()
        self._errors.seek(0)
        told = self._errors.read().decode(errors="replace").strip()
        return told.splitlines()[-1] if told else "without a word"
