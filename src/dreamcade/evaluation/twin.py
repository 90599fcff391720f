"""The real game, brought back to a moment of a recording: what would have happened under other actions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dreamcade.core.errors import DatasetError
from dreamcade.core.types import ActionVector, Pixels
from dreamcade.dataset.reader import Dataset
from dreamcade.evaluation.candidate import Play
from dreamcade.evaluation.windows import CONTEXT, Window
from dreamcade.games.base import Game
from dreamcade.games.registry import make_driver, make_game

LIKENESS = 8.0
"""Mean difference (0…255) that video compression may make between a replayed frame and its recording."""


class _Replay:
    """One real play: the game, and the frame that it shows."""

    def __init__(self, game: Game, frame: Pixels) -> None:
        self.game, self.frame = game, frame


class Twin:
    """A `Candidate` that replays the recording's own seed and actions up to a window, and goes on from there.

    Raises `DatasetError` where the recording was not made by a scripted driver, or its replay shows something else
    (another version of the game).
    """

    batch = 1

    def __init__(self, dataset: Dataset) -> None:
        meta = dataset.meta
        if "driver" not in meta.recording:
            raise DatasetError(
                f"{dataset.path} cannot be replayed: it was recorded by {meta.recorded_by}, not by a driver"
            )
        self._dataset = dataset
        self._spare: list[Game] = []

    def probe(self) -> None:
        """Raises what would come later, where the game is not installed or replays something else."""
        first = next((e for e in self._dataset.episodes("heldout") if e.length > CONTEXT), None)
        if first is not None:
            self.finish(self.begin([Window(first, 0)]))

    def begin(self, windows: Sequence[Window], seed: int = 0) -> list[Play]:
        return [self._replay(window) for window in windows]

    def advance(self, plays: Sequence[Play], actions: Sequence[ActionVector]) -> None:
        for play, action in zip(_replays(plays), actions, strict=True):
            play.frame = play.game.step(action)[0]

    def show(self, plays: Sequence[Play]) -> list[Pixels]:
        return [play.frame for play in _replays(plays)]

    def state(self, play: Play) -> Mapping[str, float]:
        """What the game itself says about the newest frame."""
        [replay] = _replays([play])
        return replay.game.state()

    def finish(self, plays: Sequence[Play]) -> None:
        self._spare += [play.game for play in _replays(plays)]

    def close(self) -> None:
        """Ends every game that has been finished with."""
        while self._spare:
            self._spare.pop().close()

    def through_codec(self, frames: Pixels) -> Pixels:
        return frames

    def _replay(self, window: Window) -> _Replay:
        meta = self._dataset.meta
        game = self._spare.pop() if self._spare else make_game(meta.game, meta.frame_size)
        try:
            return self._at(window, game)
        except BaseException:
            game.close()
            raise

    def _at(self, window: Window, game: Game) -> _Replay:
        meta, episode = self._dataset.meta, window.episode
        frame = game.reset(episode.seed)
        if (elsewhere := make_driver(game).reset(episode.seed)) is not None:
            frame = elsewhere
        for action in self._dataset.actions(episode, 0, window.newest):
            frame = game.step(action)[0]
        recorded = self._dataset.frames(episode, window.newest, window.newest + 1)[0]
        difference = abs(frame.astype(int) - recorded).mean()
        if difference > LIKENESS:
            raise DatasetError(
                f"replaying {episode.name} shows something else at tick {window.newest} (difference {difference:.0f}); "
                f"was it recorded with another version of {meta.game}? Record it again to compare with the real game"
            )
        return _Replay(game, frame)


def _replays(plays: Sequence[Play]) -> list[_Replay]:
    assert all(isinstance(play, _Replay) for play in plays)
    return list(plays)  # type: ignore[arg-type]
