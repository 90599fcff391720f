"""The kernels compile for Hopper and use its tensor cores; the interpreter takes what the compiler refuses.

In a process of its own: in this one Triton interprets.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from dreamcade.kernels.choice import has_triton

SCRIPT = """
import json, triton
import triton.language as tl
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from dreamcade.kernels import triton_low_bits as kernels

def compiled(kernel, types, constants, warps=4):
    signature = {name: types.get(name, "constexpr" if name in constants else "i32") for name in kernel.arg_names}
    even = [n for n, t in signature.items() if t.startswith("*") or n in ("N", "K")]
    places = {name: at for at, name in enumerate(kernel.arg_names)}
    source = ASTSource(kernel, signature, constants, {(places[n],): [["tt.divisibility", 16]] for n in even})
    made = triton.compile(source, target=GPUTarget("cuda", 90, 32), options={"num_warps": warps})
    return made.asm["ptx"]

def core(ptx):
    return [name for name in ("wgmma.mma_async", "mma.sync", "cp.async") if name in ptx]

four = {"x": "*bf16", "packed": "*u8", "scale": "*fp16", "low": "*fp16", "bias": "*fp32", "y": "*bf16"}
facts = {"HAS_LOW": True, "HAS_BIAS": True, "HALF": 32}
blocks = {"FACTORS": tl.bfloat16, "BLOCK_M": 64, "BLOCK_N": 64}
found = {
    "int4 vector": core(compiled(kernels._int4_vector.fn, four, {**facts, "BLOCK_N": 32})),
    "int4 matrix": core(compiled(kernels._int4_matrix.fn, four, {**facts, **blocks})),
}
for name, integer, kind in (("int8", True, "*i8"), ("fp8", False, "*u8")):
    types = {"x": "*bf16", "values": kind, "sizes": "*fp32"}
    compiled(kernels._round_rows, types, {"INTEGER": integer, "BLOCK": 256})
    types = {"x": kind, "sizes": "*fp32", "weight": kind, "scale": "*fp32", "bias": "*fp32", "y": "*bf16"}
    constants = {"INTEGER": integer, "HAS_BIAS": True, "BLOCK_M": 64, "BLOCK_N": 64, "BLOCK_K": 128}
    found[name] = core(compiled(kernels._product.fn, types, constants))
print(json.dumps(found))
"""


@pytest.mark.skipif(not has_triton(), reason="Triton is not installed")
def test_hopper_s_instructions() -> None:
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SCRIPT], env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["int4 vector"] == []
    for name in ("int4 matrix", "int8", "fp8"):
        assert found[name] == ["wgmma.mma_async", "cp.async"], f"{name}: {found[name]}"
