"""The kernels compile for Hopper and use its tensor cores; the interpreter takes what the compiler refuses.

In a process of its own: in this one Triton interprets.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

SCRIPT = """
import json, triton
import triton.language as tl
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from dreamcade.kernels import tiles, triton_low_bits as kernels

def compiled(kernel, types, constants, warps=4, stages=3):
    signature = {name: types.get(name, "constexpr" if name in constants else "i32") for name in kernel.arg_names}
    even = [n for n, t in signature.items() if t.startswith("*") or n in ("N", "K")]
    places = {name: at for at, name in enumerate(kernel.arg_names)}
    source = ASTSource(kernel, signature, constants, {(places[n],): [["tt.divisibility", 16]] for n in even})
    made = triton.compile(source, target=GPUTarget("cuda", 90, 32), options={"num_warps": warps, "num_stages": stages})
    assert made.metadata.shared <= 99 << 10, (kernel, constants)
    return made.asm["ptx"]

def core(ptx):
    return [name for name in ("wgmma.mma_async", "mma.sync", "cp.async") if name in ptx]

four = {"x": "*bf16", "packed": "*u8", "scale": "*fp16", "low": "*fp16", "bias": "*fp32", "y": "*bf16"}
facts = {"HAS_LOW": True, "HAS_BIAS": True, "HALF": 32}
found = {"int4 vector": [core(compiled(kernels._int4_vector, four, {**facts, "BLOCK_N": 32}))], "int4 matrix": []}
for tile in tiles.INT4_TILES:
    blocks = {"FACTORS": tl.bfloat16, "BLOCK_M": tile.rows, "BLOCK_N": tile.columns}
    made = compiled(kernels._int4_matrix, four, {**facts, **blocks}, tile.warps, tile.stages)
    if tile.columns >= 64:
        found["int4 matrix"].append(core(made))
for name, integer, kind in (("int8", True, "*i8"), ("fp8", False, "*u8")):
    types = {"x": "*bf16", "values": kind, "sizes": "*fp32"}
    compiled(kernels._round_rows, types, {"INTEGER": integer, "BLOCK": 256})
    types = {"x": kind, "sizes": "*fp32", "weight": kind, "scale": "*fp32", "bias": "*fp32", "y": "*bf16"}
    found[name] = []
    for tile in tiles.EIGHT_BIT_TILES:
        constants = {"INTEGER": integer, "HAS_BIAS": True}
        constants |= {"BLOCK_M": tile.rows, "BLOCK_N": tile.columns, "BLOCK_K": tile.inner}
        made = compiled(kernels._product, types, constants, tile.warps, tile.stages)
        if tile.rows >= 64:
            found[name].append(core(made))
print(json.dumps(found))
"""


@pytest.mark.triton
def test_hopper_s_instructions() -> None:
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SCRIPT], env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["int4 vector"] == [[]]
    for name in ("int4 matrix", "int8", "fp8"):
        assert found[name] and all(one == ["wgmma.mma_async", "cp.async"] for one in found[name]), (name, found[name])
