"""The reader's network, for whatever a game tells of itself."""

from __future__ import annotations

import warnings

import numpy as np

from dreamcade.evaluation.reading.network import FRAMES, Reader, ReaderConfig


def test_a_game_that_tells_nothing_but_pictures_is_read_without_a_word() -> None:
    config = ReaderConfig(32, 48, axes=0, buttons=2, columns=(), angles=(), choices=(), choice_values=())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        reader = Reader(config)
    readings = reader.read([np.zeros((FRAMES, 64, 96, 3), np.uint8)] * 3)
    assert readings.classes.shape == (3, 2)
    assert readings.columns == {}
