"""What the way through a gateway adds between a key and its frame, against the same game loop in this process.

    python benches/gateway_hop.py [WORLD] [SECONDS] [--kernels reference]

An input carries the moment at which it was given, and the frame that uses it brings that back. From the time until that
frame is handed to the player, what the engine itself says it took (waiting for the tick, making the picture) is taken
off: what is left is the way. Prints JSON: milliseconds at the median and the 95th percentile, both ways, and their
difference. Where others use the machine, threads wait for each other, and the larger figures say more of them.
"""

from __future__ import annotations

import argparse
import json
import random
import threading
import time
from typing import Any

import numpy as np

from dreamcade.cluster.hosts import LocalHosts
from dreamcade.engine import EncodedFrame
from dreamcade.server.arcade import load_stage
from dreamcade.server.replicated import ReplicaSettings, Size, load_replicated
from dreamcade.server.stage import Stage


def measure(stage: Stage, seconds: float) -> list[float]:
    """Milliseconds of the way of each input that a frame was the first to use."""
    ways: list[float] = []
    seen, settled = 0, threading.Event()

    def show(frame: EncodedFrame) -> None:
        nonlocal seen
        now = time.monotonic() * 1000.0
        if frame.sequence > seen and settled.is_set():
            ways.append(now - frame.client_ms - frame.timing.wait_ms - frame.timing.ready_ms)
        seen = max(seen, frame.sequence)

    session = stage.engine.open_session(seed=0)
    handle = stage.loop.attach(session, show)
    rng, controls, sequence = random.Random(0), stage.world.controls, 0
    began = time.monotonic()
    while (passed := time.monotonic() - began) < seconds + 2.0:
        if passed > 2.0:
            settled.set()
        sequence += 1
        action = controls.idle()
        action[0] = rng.choice((-1.0, 0.0, 1.0))
        handle.input(action, sequence, time.monotonic() * 1000.0)
        time.sleep(rng.uniform(0.06, 0.14))
    handle.detach()
    session.close()
    return ways


def figures(ways: list[float]) -> dict[str, Any]:
    p50, p95, p99 = np.percentile(ways, [50, 95, 99])
    return {"inputs": len(ways), "p50_ms": round(p50, 2), "p95_ms": round(p95, 2), "p99_ms": round(p99, 2)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("world", nargs="?", default="racing")
    parser.add_argument("seconds", nargs="?", type=float, default=20.0)
    parser.add_argument("--kernels", default="auto")
    asked = parser.parse_args()
    here = load_stage(asked.world, kernels=asked.kernels)
    in_process = figures(measure(here, asked.seconds))
    here.loop.stop()
    there = load_replicated(asked.world, LocalHosts(), ReplicaSettings(kernels=asked.kernels), Size())
    by_gateway = figures(measure(there, asked.seconds))
    there.loop.stop()
    added = {name: round(by_gateway[name] - in_process[name], 2) for name in ("p50_ms", "p95_ms", "p99_ms")}
    print(json.dumps({"world": asked.world, "in_process": in_process, "by_gateway": by_gateway, "added": added}))


if __name__ == "__main__":
    main()
