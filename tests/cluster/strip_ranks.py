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

from dreamcade.cluster.decoder_rank import DecoderRank
from dreamcade.cluster.meeting_place import meet_at
from dreamcade.cluster.process_group import Group
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


def join(address: str, name: str, rank: int, size: int, patience: float | None) -> str:
    """With as much patience as is usual, or so many seconds."""
    _groups[name] = group = Group.join(meet_at(address), name, rank, size)
    group.patience = group.patience if patience is None else patience
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


def network_of(kind: str) -> Codec | ConvolutionalDecoder:
    network = random_weights(Codec(CODEC) if kind == "codec" else ConvolutionalDecoder(DECODER))
    assert isinstance(network, (Codec, ConvolutionalDecoder))
    return network


def draw_pixels(name: str, kind: str, height: int, width: int) -> Any:
    """As a decoder of a pipeline does."""
    return DecoderRank(network_of(kind), _groups[name]).draw(latents_of(kind, height, width)).numpy()


def warm_up(name: str, patience: float, late: float) -> str:
    """In a group that has less patience than this rank is late."""
    group = _groups[name]
    usual, group.patience = group.patience, patience
    rank = DecoderRank(network_of("convolutional"), group)
    time.sleep(late)
    rank.warm_up(latents_of("convolutional", 8, 4))
    kept, group.patience = group.patience, usual
    return "warm" if kept == patience else f"patience became {kept}"


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
