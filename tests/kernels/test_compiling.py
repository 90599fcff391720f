"""Every kernel compiles for a Hopper GPU, here, without one: the interpreter accepts more than the compiler does."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

BEGIN = """
import torch
from triton.backends.compiler import GPUTarget
from triton.runtime.driver import driver
from triton.runtime.jit import JITFunction

class Absent:
    # A Hopper GPU that is not there: enough to compile for, not to run on.
    def get_current_target(self):
        return GPUTarget("cuda", 90, 32)
    def get_current_device(self):
        return 0
    def get_current_stream(self, device):
        return 0

driver.set_active(Absent())
run = JITFunction.run

def compile_only(self, *args, warmup=False, **options):
    built = run(self, *args, warmup=True, **options)
    names.append(self.__name__)
    assert built.asm["cubin"] and built.metadata.shared <= 99 << 10, (self.__name__, built.metadata.shared)
    if self.__name__ in ("_modulations", "_ring_attention"):
        assert "wgmma" in built.asm["ptx"], "no tensor cores: " + self.__name__
    return built

names = []
JITFunction.run = compile_only
half = dict(dtype=torch.bfloat16)
"""

ADALN = """
from dreamcade.kernels import triton_adaln as t
for batch, length, width in ((2, 9, 1920), (1, 1, 97)):
    x, row = torch.zeros(batch, length, width, **half), torch.zeros(batch, width, **half)
    t.rms_modulate(x, row, row, 1e-6)
    t.gate_residual(x, row, x)
    t.gate_residual_rms_modulate(x, row, x, row, row, 1e-6)
    t.modulations(torch.zeros(batch, 256, **half), torch.zeros(width, 256, **half), torch.zeros(width, **half))
"""

RING = """
from itertools import product
from dreamcade.kernels import triton_place_attention, triton_ring_attention, triton_ring_cache
from dreamcade.kernels.ring_cache import Ring
for bits, (slots, tokens) in product((16, 8, 4), ((8, 90), (1, 1))):
    ring, own = Ring.empty(1, 2, slots, tokens, 64, bits=bits), Ring.empty(1, 2, 1, tokens, 64)
    number, table, weight = torch.zeros(1, dtype=torch.int64), torch.zeros(1, tokens, 32), torch.zeros(64, **half)
    qkv = torch.zeros(1, tokens, 384, **half)
    query = triton_ring_cache.norm_rope_write(qkv, ring, number, weight, weight, table, table, 1e-6)
    triton_ring_cache.norm_rope_keep(qkv[..., 128:], ring, number, weight, table, table, 1e-6)
    triton_ring_attention.ring_attention(query, ring, number, own)
    triton_place_attention.place_attention(query, ring, number)
"""

ATTENTION = """
from itertools import product
from dreamcade.kernels import triton_ring_attention
from dreamcade.kernels.ring_cache import Ring
for bits, tokens, head_dim in product((16, 8, 4), (90, 600), (64, 128)):
    ring, own = (Ring.empty(1, 2, slots, tokens, head_dim, bits=b) for slots, b in ((2, bits), (1, 16)))
    query = torch.zeros(1, 2, tokens, head_dim, **half)
    triton_ring_attention.ring_attention(query, ring, torch.zeros(1, dtype=torch.int64), own)
"""


@pytest.mark.triton
@pytest.mark.parametrize(
    ("kernels", "launches"), [(ADALN, 8), (RING, 24), (ATTENTION, 12)], ids=["adaln", "ring", "attention"]
)
def test_compiles(kernels: str, launches: int) -> None:
    environment = {k: v for k, v in os.environ.items() if k != "TRITON_INTERPRET"}
    script = BEGIN + kernels + "print(len(names))"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script], capture_output=True, text=True, timeout=300, env=environment
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert int(done.stdout) == launches
