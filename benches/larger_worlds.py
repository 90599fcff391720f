"""What a larger world would run at: python benches/larger_worlds.py racing.

The world's own networks, then networks of random weights in larger sizes of it, unpaced, JPEG included.
"""

from __future__ import annotations

import argparse
import dataclasses

from torch import nn

from dreamcade.codec import Codec
from dreamcade.dynamics import Dynamics
from dreamcade.evaluation.bench import bench_play
from dreamcade.server.encoding import encode_jpeg
from dreamcade.world import World


def larger(world: World) -> dict[str, World]:
    """Worlds by what was done to them."""
    sizes, codec = world.dynamics.config, world.codec.config
    deep = dataclasses.replace(world, dynamics=Dynamics(dataclasses.replace(sizes, depth=2 * sizes.depth)))
    wide = dataclasses.replace(sizes, width=2 * sizes.width, heads=2 * sizes.heads)
    richer = dataclasses.replace(
        codec, coarse_width=codec.coarse_width * 7 // 5, fine_width=codec.fine_width * 3 // 2,
        context_width=codec.context_width * 3 // 2, detail_width=codec.detail_width * 4 // 3,
    )  # fmt: skip
    return {
        "as it is": world,
        "dynamics twice as deep": deep,
        "and the codec as much larger": dataclasses.replace(deep, codec=Codec(richer)),
        "dynamics twice as wide": dataclasses.replace(world, dynamics=Dynamics(wide)),
    }


def millions(module: nn.Module) -> float:
    return sum(parameter.numel() for parameter in module.parameters()) / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("world")
    parser.add_argument("--seconds", type=float, default=8.0)
    given = parser.parse_args()
    for name, world in larger(World.load(given.world)).items():
        found = bench_play(world, given.seconds, True, encode_jpeg)
        sizes = f"{millions(world.dynamics):.1f} + {millions(world.codec):.1f} M weights"
        print(
            f"{name}: {sizes}, {found['fps']:.0f} FPS, a frame takes {found['tick_ms_p99']:.0f} ms at p99", flush=True
        )
    print(f"{found['machine']}, {found['path']}")


if __name__ == "__main__":
    main()
