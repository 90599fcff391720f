"""What play must be like, and how many players a replica can give that to."""

from __future__ import annotations

from dataclasses import dataclass, field

from dreamcade.core.errors import BadInputError
from dreamcade.evaluation.simulation.figures import Figures
from dreamcade.evaluation.simulation.playing import Audience, Window, simulate
from dreamcade.evaluation.simulation.service import Service, busy_of

MOST_SESSIONS = 1024
"""Of one replica that are looked for."""
PLAYER_SECONDS = 800.0
"""Of play in one trial: many players need fewer seconds for the same certainty."""
ALMOST = 0.9
"""Of the tick period: how busy the slowest stage is where the search begins."""
FINE = 25
"""The search ends within one part in so many."""
SHORTEST = 2.0
"""Seconds of a trial, at least."""


@dataclass(frozen=True, slots=True)
class Objective:
    """`latency_ms`: what 95 % of the changes of the controls are answered in; `misses`: the share of ticks whose frame
    may be missing; `fps_share`: of the tick rate that 95 % of the players get."""

    latency_ms: float | None = None
    misses: float = 0.01
    fps_share: float = 0.95

    def __post_init__(self) -> None:
        if self.latency_ms is not None and not self.latency_ms > 0:
            raise BadInputError(f"a latency objective is a positive number of milliseconds; got {self.latency_ms:g}")
        if not (0 <= self.misses <= 1 and 0 <= self.fps_share <= 1):
            raise BadInputError(f"misses and the share of frames go from 0 to 1; got {self}")

    def broken(self, figures: Figures, tick_rate: float) -> str | None:
        """What is not met, in words; None where all is. Without a clock there are no misses, only frames."""
        if not figures.misses <= self.misses:
            return f"{figures.misses:.1%} of the ticks missed"
        if not figures.fps_p5 >= self.fps_share * tick_rate:
            return f"{figures.fps_p5:.1f} FPS for the slowest twentieth"
        if self.latency_ms is not None and not figures.latency_p95 <= self.latency_ms:
            return f"{figures.latency_p95:.0f} ms for one change in twenty"
        return None


@dataclass
class Trials:
    """One replica with so many players, simulated once for each number."""

    service: Service
    audience: Audience
    window: Window
    known: dict[int, Figures] = field(default_factory=dict)
    events: int = 0
    seconds: float = 0.0

    def of(self, sessions: int) -> Figures:
        if sessions not in self.known:
            outcome = simulate(self.service, sessions, 1, self.audience, trial_window(self.window, sessions))
            self.known[sessions] = outcome.figures
            self.events += outcome.events
            self.seconds += outcome.seconds
        return self.known[sessions]

    def most(self, objective: Objective, limit: int = MOST_SESSIONS) -> int:
        """The most players that one replica gives what the objective asks for; 0: not even one."""

        def holds(sessions: int) -> bool:
            return objective.broken(self.of(sessions), self.service.tick_rate) is None

        guess = min(limit, self._guess())
        low, high = (guess, guess + max(1, guess // 4)) if holds(guess) else (0, guess)
        while low and high <= limit and holds(high):
            low, high = high, high + max(1, high // 4)
        high = min(high, limit + 1)
        while high - low > max(1, low // FINE):
            middle = (low + high) // 2
            low, high = (middle, high) if holds(middle) else (low, middle)
        return low

    def _guess(self) -> int:
        """How many the slowest stage could just keep up with, by the means."""
        sessions = 1
        while sessions < MOST_SESSIONS and busy_of(self.service, 2 * sessions) < ALMOST:
            sessions *= 2
        step = sessions // 2
        while step:
            sessions += step * (busy_of(self.service, sessions + step) < ALMOST)
            step //= 2
        return sessions


def trial_window(window: Window, players: int) -> Window:
    """As long as is asked for, or as is needed: some hundred seconds of play say as much as more."""
    seconds = min(window.seconds, max(SHORTEST, PLAYER_SECONDS / players))
    return Window(seconds, window.warm_up, window.seed)
