"""What is kept of a simulated play, for its figures."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field


@dataclass(slots=True)
class Record:
    """Of one player, within the measured window `begin` to `end` (seconds).

    `latencies`: from a change of the controls at the player's hand to the first frame, encoded and at the player, that
    used it or a newer one; seconds. `effective`: from the tick taking its input to the picture, summed over `frames`.
    """

    begin: float
    end: float
    frames: int = 0
    late: int = 0
    ticks: int = 0
    drafted: int = 0
    missed: int = 0
    wasted: int = 0
    computed: int = 0
    extrapolated: int = 0
    inputs: int = 0
    answered: int = 0
    overtaken: int = 0
    lost: int = 0
    effective: float = 0.0
    latencies: array[float] = field(default_factory=lambda: array("d"))
    played: float = 0.0
    """Seconds of the window in which it had a place."""
    gap: float = 0.0
    """The longest pause between two of its frames."""
    last: float = 0.0

    def within(self, moment: float) -> bool:
        return self.begin <= moment < self.end

    def count(self, guesses: int, hit: bool, extrapolated: bool) -> None:
        """A tick; as `Director` counts."""
        self.ticks += 1
        self.drafted += hit
        self.missed += guesses > 0 and not hit
        self.wasted += guesses - hit
        self.extrapolated += extrapolated
        self.computed += not extrapolated

    def shown(self, moment: float, taken: float) -> None:
        """A frame reached its player."""
        if self.begin <= moment < self.end:
            self.frames += 1
            self.effective += max(0.0, moment - taken)
            if self.last:
                self.gap = max(self.gap, moment - self.last)
        self.last = moment

    def answers(self, pressed: float, moment: float, own: bool) -> None:
        """A change that was `pressed` then is on the screen, by its `own` frame or by that of a newer one."""
        self.answered += own
        self.overtaken += not own
        if self.begin <= pressed < self.end:
            self.latencies.append(moment - pressed)
