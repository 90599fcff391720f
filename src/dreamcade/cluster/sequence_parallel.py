"""Sequence parallelism: the tokens of a frame on several devices, its heads where attention is (DeepSpeed-Ulysses;
Jacobs et al. 2023, arXiv 2309.14509).

Every rank has all weights. What is shared is a frame's tokens, and with them all products; weights that were shared too
(tensor parallelism) would save memory, but two sums over all ranks in each layer, of all tokens, are N times the bytes.
A rank's cache holds its own heads of all past tokens and is never sent.

**Heads that do not divide are shared unevenly**, 30 over 4 as 7, 7, 8, 8. All wait for the rank that has most, so
attention takes ceil(H/N)/(H/N) of an even share's time: 8/7.5, 7 % more, over 4; 5/4.29, 17 %, over 7; and only
attention does, since tokens outside of it are 1350/4 = 337 or 338. Ring attention (Liu et al. 2023, arXiv 2310.01889)
has no such rest, but another price: queries stay and keys go round, so the cache would lie by tokens, and in each layer
a rank needs the keys and values of everybody's part of every remembered frame, N − 1 rounds of
2·(memory + 1)·L/N·D numbers, where Ulysses sends 4·L/N·D·(N − 1)/N once, the new frame's alone. At the paper's size (8
frames remembered, N = 5) that is 22 times the bytes, and 4 rounds to wait for instead of 2. (With queries and their
sums going round instead, 2·L/N·D·(N − 1): 2.5 times, and as many rounds.) Uneven tokens cannot make up for uneven
heads: at each exchange all wait for the slowest, in both halves separately, so each half is best even.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from dreamcade.cluster.byte_buffers import ByteBuffers
from dreamcade.cluster.process_group import Group
from dreamcade.cluster.shares import share_of, shares
from dreamcade.core.errors import BadInputError


class Ulysses:
    """The exchange (`dynamics.exchange.Exchange`) of one rank, for a model of `tokens` and `heads`.

    Tensors of any dtype are sent as bytes, as they are: what differs from one device is only the order in which
    products of other shapes are summed. Buffers that nobody else sees are kept; for a CUDA graph they must be there
    before its capture, so run what is captured once, as for any capture. One thread at a time.

    Raises `BadInputError` where some rank would have no head or no token.
    """

    def __init__(self, group: Group, tokens: int, heads: int) -> None:
        if group.size > min(tokens, heads):
            limits = f"{heads} heads and {tokens} tokens"
            raise BadInputError(f"{limits} are for at most {min(tokens, heads)} devices; got {group.size}")
        self._group = group
        self._lengths, self._counts = shares(tokens, group.size), shares(heads, group.size)
        self.tokens, self.heads = share_of(tokens, group.size, group.rank), share_of(heads, group.size, group.rank)
        self._buffers = ByteBuffers()

    def own(self, x: Tensor) -> Tensor:
        """All tokens `[…, L, D]` → this rank's, a view."""
        return x[..., self.tokens, :]

    def to_heads(self, x: Tensor, parts: int) -> Tensor:
        """Own tokens, all heads `[B, l, parts·H·d]` → all tokens, own heads `[B, L, parts·h·d]`."""
        batch, length, channels = self._expect(x, self._lengths[self._group.rank], parts, sum(self._counts))
        by_head = x.reshape(batch, length, parts, sum(self._counts), channels).transpose(0, 1)
        pieces = torch.split(by_head, list(self._counts), 3)
        sent = self._packed(pieces)
        width = parts * self._counts[self._group.rank] * channels
        received = x.new_empty(sum(self._lengths), batch, width)
        row = batch * width * x.element_size()
        sizes = [piece.numel() * x.element_size() for piece in pieces]
        self._group.all_to_all(_bytes(received), sent, [row * n for n in self._lengths], sizes)
        return received.transpose(0, 1).contiguous()

    def to_tokens(self, x: Tensor, parts: int) -> Tensor:
        """All tokens, own heads `[B, L, parts·h·d]` → own tokens, all heads `[B, l, parts·H·d]`."""
        batch, _, channels = self._expect(x, sum(self._lengths), parts, self._counts[self._group.rank])
        length, size = self._lengths[self._group.rank], x.element_size()
        sent = x.transpose(0, 1).contiguous()
        row = x.shape[2] * batch * size
        shapes = [(length, batch, parts, heads, channels) for heads in self._counts]
        sizes = [length * batch * parts * heads * channels * size for heads in self._counts]
        received = self._buffers.take("received", sum(sizes), x.device)
        self._group.all_to_all(received, _bytes(sent), sizes, [row * n for n in self._lengths])
        arrived = zip(torch.split(received, sizes), shapes, strict=True)
        pieces = [piece.view(x.dtype).view(shape) for piece, shape in arrived]
        return torch.cat(pieces, 3).view(length, batch, -1).transpose(0, 1).contiguous()

    def gather(self, x: Tensor) -> Tensor:
        """Own tokens `[B, l, P]` → all of them `[B, L, P]`."""
        batch, _, _ = self._expect(x, self._lengths[self._group.rank], 1, 1)
        sent = self._packed([x.transpose(0, 1)] * self._group.size)
        received = x.new_empty(sum(self._lengths), batch, x.shape[2])
        row = batch * x.shape[2] * x.element_size()
        each = [len(sent) // self._group.size] * self._group.size
        self._group.all_to_all(_bytes(received), sent, [row * n for n in self._lengths], each)
        return received.transpose(0, 1).contiguous()

    def _packed(self, pieces: Sequence[Tensor]) -> Tensor:
        """Tensors one after the other, as bytes."""
        size = pieces[0].element_size()
        packed = self._buffers.take("sent", sum(piece.numel() for piece in pieces) * size, pieces[0].device)
        places = torch.split(packed.view(pieces[0].dtype), [piece.numel() for piece in pieces])
        for place, piece in zip(places, pieces, strict=True):
            place.view(piece.shape).copy_(piece)
        return packed

    def _expect(self, x: Tensor, length: int, parts: int, heads: int) -> tuple[int, int, int]:
        """B, tokens and channels of a head."""
        if x.ndim != 3 or x.shape[1] != length or x.shape[2] % (parts * heads):
            want = f"[B, {length}, {parts} × {heads} heads × d]"
            raise BadInputError(f"rank {self._group.rank} exchanges {want}; got {list(x.shape)}")
        return x.shape[0], length, x.shape[2] // (parts * heads)


def _bytes(x: Tensor) -> Tensor:
    """A contiguous tensor's memory, uint8 `[n]`."""
    return x.view(-1).view(torch.uint8)
