"""A network that reads actions and the game's own state from frames; trained on real play, then shown dreams.

It looks at four frames in a row and names the action taken after the second (an inverse dynamics model, as in Baker et
al., "Video PreTraining", 2022) and the state at the last. What it reads from real held-out frames is the ceiling for
dreamed ones; it is trained anew for each recording and kept beside it.
"""

from dreamcade.evaluation.reading.examples import balanced_accuracy, classes_of
from dreamcade.evaluation.reading.network import ACTED, FRAMES, Reader, Readings, shrink
from dreamcade.evaluation.reading.quality import TRUSTED, told
from dreamcade.evaluation.reading.training import ReaderTraining, kept_reader

__all__ = [
    "ACTED",
    "FRAMES",
    "TRUSTED",
    "Reader",
    "ReaderTraining",
    "Readings",
    "balanced_accuracy",
    "classes_of",
    "kept_reader",
    "shrink",
    "told",
]
