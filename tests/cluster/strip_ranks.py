"""Ranks that draw strips: one process imports everything and then forks them, which is several times quicker.

    python strip_ranks.py ADDRESS COUNT

Each connects to the socket ADDRESS, says its process id, and then carries out (name of a function, keywords) until the
socket is closed. The functions stand below; what one returns, or the error that it ends with, goes back.
"""

from __future__ import annotations

import copy
import os
import sys
import time
from multiprocessing.connection import Client, Connection
from typing import Any

import torch
from torch import Tensor, nn

from dreamcade.cluster.process_group import Group, meeting_place
from dreamcade.cluster.strips import strips_of
from dreamcade.codec import Codec, CodecConfig
from dreamcade.codec.convolutional import ConvolutionalDecoder, ConvolutionalDecoderConfig
from dreamcade.codec.fused_convolutional import FusedDecoder
from dreamcade.codec.strips import Strips, in_strips
from dreamcade.core.errors import RankLostError

DECODER = ConvolutionalDecoderConfig(latent_channels=4, widths=(16, 32, 32), resnets=2, groups=8)
CODEC = CodecConfig(
    192, 96, reduction=4, fold=2, gather=2, channels=10, coarse_width=16, fine_width=8, context_width=16, detail_width=5
)
KINDS = ("plain", "fused", "codec")
_groups: dict[str, Group] = {}


def random_weights(network: nn.Module) -> nn.Module:
    """Norms and biases that matter, the same in every process."""
    torch.manual_seed(0)
    for parameter in network.parameters():
        spread = 0.5 if parameter.ndim == 1 else parameter[0].numel() ** -0.5
        nn.init.normal_(parameter, 0.5 if parameter.ndim == 1 else 0.0, spread)
    return network.eval().requires_grad_(False)


def latents_of(kind: str, height: int, width: int, dtype: torch.dtype = torch.float32, batch: int = 1) -> Tensor:
    channels = CODEC.channels if kind == "codec" else DECODER.latent_channels
    shape = (batch, channels, height, width)
    return torch.randn(shape, generator=torch.Generator().manual_seed(height)).clamp(-1, 1).to(dtype)


def frames_of(kind: str, latents: Tensor, strips: Strips) -> Tensor:
    """Latents of the strip → its frames."""
    with torch.no_grad():
        if kind == "codec":
            codec = in_strips(random_weights(Codec(CODEC)).to(latents.dtype), strips)
            assert isinstance(codec, Codec)
            return codec.enlarge(codec.decode_pictures(latents))
        decoder = random_weights(ConvolutionalDecoder(DECODER)).to(latents.dtype)
        assert isinstance(decoder, ConvolutionalDecoder)
        if kind == "fused":
            return FusedDecoder(decoder, strips=strips)(latents)
        return in_strips(decoder, strips)(latents)


def join(port: int, name: str, rank: int, size: int) -> str:
    _groups[name] = Group.join(meeting_place("127.0.0.1", port, master=False), name, rank, size)
    return "joined"


def draw(name: str, kind: str, height: int, width: int, dtype: torch.dtype, batch: int = 1) -> dict[str, Any]:
    """Its strip, drawn twice, and what the second time took."""
    group = _groups[name]
    strips = strips_of(group, height)
    own = strips.own(latents_of(kind, height, width, dtype, batch))
    first = frames_of(kind, own, strips)
    before = copy.copy(group)
    frames = frames_of(kind, own, strips)
    return {
        "frames": frames.float().numpy(),
        "same": torch.equal(first, frames),
        "exchanges": group.exchanges - before.exchanges,
        "sent": group.sent_bytes - before.sent_bytes,
    }


def draw_until_lost(name: str, height: int, width: int) -> dict[str, Any]:
    """Draws again and again; says when it noticed that another rank is gone."""
    group, strips = _groups[name], strips_of(_groups[name], height)
    own = strips.own(latents_of("fused", height, width))
    end = time.monotonic() + 10
    while time.monotonic() < end:
        try:
            frames_of("fused", own, strips)
        except RankLostError as error:
            noticed = time.monotonic()
            group.abandon()
            return {"noticed": noticed, "message": str(error)}
    return {"noticed": None, "message": "nothing happened"}


def serve(connection: Connection) -> None:
    connection.send(os.getpid())
    while True:
        name, keywords = connection.recv()
        try:
            connection.send(globals()[name](**keywords))
        except Exception as error:
            connection.send(error)


def main() -> None:
    address, count = sys.argv[1], int(sys.argv[2])
    torch.set_num_threads(1)
    children = []
    for _ in range(count):
        child = os.fork()
        if not child:
            try:
                serve(Client(address))
            except (EOFError, OSError):
                os._exit(0)
            finally:
                os._exit(1)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)


if __name__ == "__main__":
    main()
