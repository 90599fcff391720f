"""One process's part of a frame."""

from __future__ import annotations

from typing import NoReturn

import pytest
import torch

from dreamcade.core.errors import RankLostError
from dreamcade.evaluation.paper.spread.engine import random_inputs
from dreamcade.evaluation.paper.spread.parts import DynamicsPart, PicturePart
from dreamcade.evaluation.paper.spread.setting import Setting, identity_of

SETTING, CPU = Setting("paper-platformer", 15, dtype="float32"), torch.device("cpu")


def test_a_rank_that_failed_is_lost_until_it_joins_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The head may have made that frame, and asks for the next one: that is no fault of this rank."""
    model, _ = SETTING.build(CPU)
    part, twin = DynamicsPart(model, 16, None), DynamicsPart(model, 16, None)
    for frame in range(2):
        assert torch.equal(part.step(*random_inputs(SETTING, frame)), twin.step(*random_inputs(SETTING, frame)))

    def fail(*args: object) -> NoReturn:
        raise RankLostError("rank 1 is gone")

    with monkeypatch.context() as patch:
        patch.setattr(part, "_step", fail)
        with pytest.raises(RankLostError, match="rank 1 is gone"):
            part.step(*random_inputs(SETTING, 2))
    with pytest.raises(RankLostError, match="has left its group"):
        part.step(*random_inputs(SETTING, 3))
    twin.step(*random_inputs(SETTING, 2))
    part.join("alone", 0, 1, 1.0, twin.past())
    assert torch.equal(part.step(*random_inputs(SETTING, 3)), twin.step(*random_inputs(SETTING, 3)))


def test_a_strip_needs_a_group() -> None:
    _, decoder = SETTING.build(CPU)
    part, latents = PicturePart(decoder, SETTING.sizes.latent_shape, None), torch.zeros(1, *SETTING.sizes.latent_shape)
    with pytest.raises(RankLostError, match="in no group of pictures"):
        part.draw_strip(latents)
    width, height = SETTING.sizes.frame_width, SETTING.sizes.frame_height
    assert part.draw(latents).shape == (1, height, width, 3)


def test_other_weights_are_another_identity() -> None:
    model, decoder = SETTING.build(CPU)
    before = identity_of(model, decoder)
    assert before == identity_of(*SETTING.build(CPU))
    model.leave.weight[0, 0] += 1
    assert identity_of(model, decoder) != before
