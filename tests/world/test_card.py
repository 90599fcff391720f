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


def test_what_must_hold_is_a_table_and_the_clip_is_shown(tiny_world: World) -> None:
    lines = [
        {"title": "Next frame", "value": "5.20 dB", "target": "≥ 5 dB", "holds": True},
        {"title": "Walls", "value": "not measured", "target": "≥ 99 %", "holds": None},
    ]
    manifest = dataclasses.replace(tiny_world.manifest, card={"what must hold": lines})
    text = model_card(manifest, clip=True)
    assert "## What must hold\n\n| title | value | target | holds |\n" in text
    assert "| Next frame | 5.20 dB | ≥ 5 dB | yes |\n| Walls | not measured | ≥ 99 % | – |" in text
    assert "](clip.webp)" in text
    assert "clip.webp" not in model_card(manifest)


def test_a_licence_that_the_hub_does_not_know(tiny_world: World) -> None:
    manifest = dataclasses.replace(tiny_world.manifest, licence='my "own": licence')
    data = ModelCard(model_card(manifest)).data.to_dict()
    assert data["license"] == "other"
    assert data["license_name"] == 'my "own": licence'
