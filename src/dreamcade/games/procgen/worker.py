"""Runs one Procgen game for another process. Needs procgen, numpy and nothing of Dreamcade.

Standard input says first which game to open, then brings requests; answers go to standard output. Each is one line of
JSON, and an answer is followed by as many raw bytes as its `pixels` (uint8 `[512, 512, 3]`) and `state` fields say. See
`process.py` for the other end.
"""

import contextlib
import json
import os
import sys

import numpy as np


class Levels:
    """Environments by level, made when they are first asked for: one that is drawn, one that is only played."""

    def __init__(self, game, mode):
        self._game, self._mode = game, mode
        self._environments = {}

    def get(self, level, drawn):
        from procgen import ProcgenGym3Env

        if (level, drawn) not in self._environments:
            self._environments[level, drawn] = ProcgenGym3Env(
                num=1, env_name=self._game, distribution_mode=self._mode, rand_seed=0, num_levels=1, start_level=level,
                num_threads=0, render_mode="rgb_array" if drawn else None,
            )  # fmt: skip
        return self._environments[level, drawn]

    def renew(self, level, drawn):
        self._environments.pop((level, drawn), None)
        return self.get(level, drawn)


def serve(requests, answers):
    opening = json.loads(requests.readline())
    levels, playing = Levels(opening["game"], opening["mode"]), {}
    for line in requests:
        request = json.loads(line)
        kind, drawn = request["do"], request["drawn"]
        facts = {}
        if kind == "reset":
            playing[drawn] = levels.renew(request["level"], drawn)
        elif kind == "restore":
            playing[drawn] = levels.get(request["level"], drawn)
            playing[drawn].set_state([requests.read(request["bytes"])])
        elif kind == "step":
            playing[drawn].act(np.array([request["action"]]))
            reward, _, first = playing[drawn].observe()
            complete = int(playing[drawn].get_info()[0]["prev_level_complete"])
            facts = {"reward": float(reward[0]), "ended": bool(first[0]), "complete": bool(complete)}
        else:
            raise ValueError(f"unknown request {kind!r}")
        pixels = playing[drawn].get_info()[0]["rgb"].tobytes() if drawn else b""
        state = playing[drawn].get_state()[0]
        answers.write(json.dumps({**facts, "pixels": len(pixels), "state": len(state)}).encode() + b"\n")
        answers.write(pixels)
        answers.write(state)
        answers.flush()


if __name__ == "__main__":
    # Whatever a library prints must not get between the answers.
    pipe = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    with contextlib.suppress(BrokenPipeError):
        serve(sys.stdin.buffer, pipe)
