from __future__ import annotations

import dataclasses

from huggingface_hub import ModelCard

from dreamcade.world import World
from dreamcade.world.card import model_card


def test_the_hub_can_read_it(tiny_world: World) -> None:
    card = ModelCard(model_card(tiny_world.manifest))
    assert card.data.license == "cc0-1.0"
    assert card.data.library_name == "dreamcade"
    assert card.data.tags is not None
    assert "toy:square" in card.data.tags
    assert "# Toy" in card.text
    assert "| steer | -1 … 1 | ArrowLeft, ArrowRight |" in card.text
    assert "| psnr h1 | 12.35 |" in card.text
    assert "- a laptop" in card.text


def test_a_licence_that_the_hub_does_not_know(tiny_world: World) -> None:
    manifest = dataclasses.replace(tiny_world.manifest, licence='my "own": licence')
    data = ModelCard(model_card(manifest)).data.to_dict()
    assert data["license"] == "other"
    assert data["license_name"] == 'my "own": licence'
