from __future__ import annotations

import subprocess
import sys

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from dreamcade.cluster.counting import Held, Products, count, count_borders
from dreamcade.codec.convolutional import ConvolutionalDecoder, ConvolutionalDecoderConfig


def test_a_product_by_hand() -> None:
    layer, x = nn.Linear(8, 16, bias=False), torch.zeros(4, 8)
    found = count(lambda: layer(x))
    assert found.flops == 2 * 4 * 8 * 16
    assert found.bytes == 4 * (4 * 8 + 8 * 16 + 4 * 16)
    assert found.peak == 4 * 4 * 16 and found.launches == 1


def test_attention_counts_its_products() -> None:
    query = torch.zeros(1, 2, 6, 4)
    found = count(lambda: F.scaled_dot_product_attention(query, query, query))
    assert found.flops == 2 * 2 * 2 * 6 * 6 * 4


def test_products_are_those_of_pytorch_s_own_counter() -> None:
    decoder = ConvolutionalDecoder(ConvolutionalDecoderConfig(latent_channels=4, widths=(32, 64), resnets=1, groups=32))
    latents = torch.zeros(1, 4, 6, 5)
    with torch.no_grad():
        with FlopCounterMode(display=False) as counter:
            decoder(latents)
        with Products() as products:
            decoder(latents)
    assert products.flops == counter.get_total_flops() > 0


def test_counting_does_not_import_the_compiler() -> None:
    """It would take longer than all else that `dreamcade plan` does."""
    script = """
import sys, torch
from dreamcade.cluster.counting import count
layer, x = torch.nn.Linear(4, 4), torch.zeros(2, 4)
count(lambda: layer(x))
print("torch._dynamo" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "False\n"


def test_what_is_held_is_let_go() -> None:
    x = torch.zeros(1000)
    with Held() as held:
        for _ in range(5):
            y = x + 1  # the one before is let go as this one takes its name
            del y
        kept = [x + 1 for _ in range(3)]
    assert held.peak == 3 * 4000 and len(kept) == 3
    assert held.operators == 8


def test_views_hold_nothing_new_and_keep_what_they_are_of() -> None:
    x = torch.zeros(1000)
    with Held() as held:
        part = (x + 1)[:2]
        more = x + 1
        x[3:].mul_(2)
    assert held.peak == 8000 and len(part) + len(more) == 1002


def test_borders_of_a_decoder() -> None:
    config = ConvolutionalDecoderConfig(latent_channels=4, widths=(32, 64), resnets=1, groups=32)
    decoder = ConvolutionalDecoder(config)
    latents = torch.zeros(1, 4, 6, 5)
    with torch.no_grad(), count_borders(decoder) as borders:
        decoder(latents)
    # enter; two of each resnet in the middle and at both sizes; the way up; leave.
    assert borders.exchanges == 1 + 4 + 4 + 1 + 1 + 1  # and the attention's
    assert borders.reductions == 4 + 4 + 1 + 1
    small, large = 2 * 4 * 5, 2 * 4 * 10  # bytes of one channel's row, both ways
    rows = small * (4 + 4 * 64 + 2 * 64) + large * (64 + 64 + 32 + 32)
    assert borders.bytes == rows
    assert borders.gathered == 2 * 4 * 64 * 6 * 5
    with torch.no_grad():
        decoder(latents)
    assert borders.exchanges == 12  # outside, nothing counts
