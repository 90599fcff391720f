"""Times one decoder against several that draw strips of the same picture, one thread each, on this machine.

    PYTHONPATH=src python benches/decoder_strips.py [--processes 2] [--shrink 4] [--decoder fused|plain|codec]
        [--dtype float32|bfloat16] [--repeat 5]

Prints JSON: milliseconds of a frame (one decoder and several in turn; the quickest and the median, by the clock and of
the slowest process's processor time), how much quicker several are, exchanges and bytes of a frame. Where others use the
machine, processes wait for each other, and only the quickest frames and processor times say something.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

import torch
from torch import Tensor

from dreamcade.cluster.process_group import Group, meeting_place
from dreamcade.cluster.strips import strips_of
from dreamcade.codec import Codec, CodecConfig
from dreamcade.codec.convolutional import ConvolutionalDecoder
from dreamcade.codec.fused_convolutional import FusedDecoder
from dreamcade.codec.strips import Strips, in_strips
from dreamcade.evaluation.paper.presets import paper_preset

LIMIT = 300.0
"""Seconds for any answer."""


def decoder_of(arguments: argparse.Namespace) -> tuple[Callable[[Strips], Callable[[Tensor], Tensor]], Tensor]:
    """What draws a strip, and whole latents."""
    torch.manual_seed(0)
    dtype = getattr(torch, arguments.dtype)
    if arguments.decoder == "codec":
        codec = Codec(CodecConfig()).eval().requires_grad_(False).to(dtype)
        return lambda strips: in_strips(codec, strips).decode_pixels, torch.rand(1, *codec.config.latent_shape).to(
            dtype
        )
    preset = paper_preset("paper-racing", arguments.shrink)
    plain = ConvolutionalDecoder(preset.convolutional()).eval().requires_grad_(False).to(dtype)
    latents = torch.randn(1, *preset.latent_shape).to(dtype, memory_format=torch.channels_last)
    if arguments.decoder == "fused":
        return lambda strips: FusedDecoder(plain, strips=strips), latents
    return lambda strips: in_strips(plain, strips), latents


@torch.no_grad()
def rank(connection: Connection, port: int, index: int, arguments: argparse.Namespace) -> None:
    """One process: is told "alone" or "together", and says the milliseconds that it took."""
    torch.set_num_threads(1)
    group = Group.join(meeting_place("127.0.0.1", port, master=False), "strips", index, arguments.processes)
    group.patience = LIMIT
    make, latents = decoder_of(arguments)
    strips = strips_of(group, latents.shape[2])
    draw = {"alone": make(Strips()), "together": make(strips)}
    given = {"alone": latents, "together": strips.own(latents)}
    while (how := connection.recv()) != "end":
        exchanges, sent, start, busy = group.exchanges, group.sent_bytes, time.perf_counter(), time.process_time()
        draw[how](given[how])
        times = time.perf_counter() - start, time.process_time() - busy
        connection.send((times, group.exchanges - exchanges, group.sent_bytes - sent))


def measured(arguments: argparse.Namespace) -> dict[str, Any]:
    context = torch.multiprocessing.get_context("spawn")
    store = meeting_place("127.0.0.1", master=True)
    ours, theirs = zip(*(context.Pipe() for _ in range(arguments.processes)), strict=True)
    processes = [
        context.Process(target=rank, args=(theirs[index], store.port, index, arguments), daemon=True)
        for index in range(arguments.processes)
    ]
    times: dict[str, list[tuple[float, float]]] = {"alone": [], "together": []}
    exchanged: Any = None
    try:
        for process in processes:
            process.start()
        for _ in range(arguments.repeat + 1):
            for how, taking_part in (("alone", ours[:1]), ("together", ours)):
                for connection in taking_part:
                    connection.send(how)
                answers = [answer(connection) for connection in taking_part]
                times[how].append((max(a[0][0] for a in answers), max(a[0][1] for a in answers)))
                exchanged = answers[0][1:]
    finally:
        for process in processes:
            process.kill()
            process.join(5)
    found = {how: summary(times[how][1:]) for how in times}  # the first warms up
    return {
        "decoder": arguments.decoder, "dtype": arguments.dtype, "processes": arguments.processes, **found,
        "quicker": {which: round(found["alone"][which] / found["together"][which], 3) for which in found["alone"]},
        "exchanges": exchanged[0], "sent_bytes": exchanged[1],
    }  # fmt: skip


def summary(times: list[tuple[float, float]]) -> dict[str, float]:
    """Milliseconds, by the clock and of processor."""
    clock, processor = ([1e3 * time for time in kind] for kind in zip(*times, strict=True))
    return {
        "least_ms": round(min(clock), 2), "median_ms": round(statistics.median(clock), 2),
        "processor_ms": round(statistics.median(processor), 2),
    }  # fmt: skip


def answer(connection: Connection) -> Any:
    if not connection.poll(LIMIT):
        raise TimeoutError(f"a process did not answer within {LIMIT:g} s")
    return connection.recv()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--shrink", type=int, default=4)
    parser.add_argument("--decoder", choices=("fused", "plain", "codec"), default="fused")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--repeat", type=int, default=5)
    print(json.dumps(measured(parser.parse_args())))
    return 0


if __name__ == "__main__":
    sys.exit(main())
