"""The presets are of the paper's size, and shrink to a toy's."""

from __future__ import annotations

import pytest

from dreamcade.core.errors import BadInputError, UnknownNameError
from dreamcade.evaluation.paper.presets import DECODERS, PAPER_PRESETS, paper_preset, sampling_levels


def test_racing_is_of_the_papers_size() -> None:
    config = paper_preset("paper-racing").dynamics()
    assert (config.heads, config.depth, config.tokens, config.memory) == (30, 30, 1350, 8)
    assert config.latent_shape == (16, 60, 90) and config.attention == "factorised"
    assert paper_preset("paper-platformer").dynamics("full").tokens == 256


@pytest.mark.parametrize("name", PAPER_PRESETS)
@pytest.mark.parametrize("divisor", [1, 2, 7, 15, 30, 100])
def test_both_decoders_draw_the_frames_from_the_dynamics_latents(name: str, divisor: int) -> None:
    preset = paper_preset(name, divisor)
    config, convolutional, light = preset.dynamics(), preset.convolutional(), preset.light()
    frame = (preset.frame_height, preset.frame_width)
    assert light.latent_shape == config.latent_shape and (light.frame_height, light.frame_width) == frame
    assert convolutional.latent_channels == config.latent_shape[0]
    assert tuple(convolutional.cell * side for side in config.latent_shape[1:]) == frame
    assert len(DECODERS) == 2


def test_shrinking_shrinks() -> None:
    whole, small = paper_preset("paper-racing"), paper_preset("paper-racing", 15)
    assert small.dynamics().tokens == 6 and small.heads == small.depth == 2
    assert whole.shrunk(1) is whole and small.shrink == 15


def test_levels_are_those_of_the_dynamics() -> None:
    assert sampling_levels(1) == (1.0,) and sampling_levels(2) == paper_preset("paper-racing").dynamics(
        steps=2
    ).sampling_levels == (1.0, 0.8)
    assert sampling_levels(4) == pytest.approx((1, 0.9, 0.8, 0.7))


def test_what_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'paper-racing'"):
        paper_preset("paper-rascing")
    with pytest.raises(BadInputError, match="1 \\(not at all\\) or more; got 0"):
        paper_preset("paper-racing", 0)
    with pytest.raises(BadInputError, match="at least one step"):
        sampling_levels(0)
