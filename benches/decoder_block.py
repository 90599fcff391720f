"""Times the fused decoder block beside eager and compiled PyTorch on a CUDA device, and prints JSON.

    PYTHONPATH=src python benches/decoder_block.py [--sweep] [--only 0 3] [--json FILE]

Needs PyTorch and Triton only. Every size takes some seconds, a sweep about two minutes for each.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import torch

from dreamcade.kernels.decoder_block_timing import (
    REAL_SIZES,
    BlockSize,
    candidate_tilings,
    measure_decoder_block,
    sweep_tilings,
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sweep", action="store_true", help="time other tilings too")
    parser.add_argument("--only", type=int, nargs="*", choices=range(len(REAL_SIZES)), help="which of the sizes")
    parser.add_argument("--json", type=Path, help="write there, after every size, instead of printing")
    arguments = parser.parse_args()
    if not torch.cuda.is_available():
        print("this needs a CUDA device; there is none here", file=sys.stderr)
        return 2
    found: list[dict[str, Any]] = []
    for index in arguments.only or range(len(REAL_SIZES)):
        found.append(measured(REAL_SIZES[index], arguments.sweep))
        if arguments.json:
            arguments.json.write_text(json.dumps(found, indent=1) + "\n")
        else:
            print(json.dumps(found[-1]), flush=True)
    return 0


def measured(size: BlockSize, sweep: bool) -> dict[str, Any]:
    device = torch.device("cuda")
    result = measure_decoder_block(size, device=device)
    if sweep:
        result["sweep"] = sweep_tilings(size, candidate_tilings(size), device=device)
    return result


if __name__ == "__main__":
    sys.exit(main())
