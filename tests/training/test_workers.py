"""Two real processes, as torchrun starts them, train one model."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from dreamcade.core.checkpoint import load_tensors
from dreamcade.training.workers import Workers, join_workers

AVERAGE = """
import sys, torch
from torch import nn
from dreamcade.training.workers import join_workers
with join_workers(torch.device("cpu")) as (workers, device):
    torch.manual_seed(workers.rank)
    model = nn.Linear(3, 2)
    workers.share(model)
    model(torch.full((1, 3), float(workers.rank + 1))).sum().backward()
    if workers.rank == 1:
        model.bias.grad = None
    workers.average_gradients(model)
    torch.save((model.weight.detach(), model.weight.grad, model.bias.grad), sys.argv[1] + f"/{workers.rank}.pt")
"""


def torchrun(*command: str) -> None:
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", "0"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*launcher, "--rdzv-backend", "c10d", "--rdzv-endpoint", "localhost:0", *command],
        capture_output=True, text=True, env=environment, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]


def test_gradients_are_averaged_and_weights_shared(tmp_path: Path) -> None:
    script = tmp_path / "average.py"
    script.write_text(AVERAGE)
    torchrun(str(script), str(tmp_path))
    one, two = (torch.load(tmp_path / f"{rank}.pt") for rank in (0, 1))
    for first, second in zip(one, two, strict=True):
        torch.testing.assert_close(first, second, rtol=0, atol=0)
    torch.testing.assert_close(one[1], torch.full((2, 3), 1.5))
    torch.testing.assert_close(one[2], torch.full((2,), 0.5))  # a missing gradient counts as zero


@pytest.mark.slow
def test_two_processes_train_a_world(tmp_path: Path) -> None:
    pytest.importorskip("Box2D")
    data, world = str(tmp_path / "data"), str(tmp_path / "toy")
    record = ["record", "gym:CarRacing-v3", "--episodes", "9", "--ticks", "60", "--size", "96x64", "--out", data]
    subprocess.run([sys.executable, "-m", "dreamcade", *record], check=True, capture_output=True)
    torchrun("-m", "dreamcade", "train", "codec", data, "--world", world, "--preset", "smoke", "--device", "cpu")
    torchrun("-m", "dreamcade", "train", "dynamics", data, "--world", world, "--preset", "smoke", "--device", "cpu")
    _, facts = load_tensors(tmp_path / "toy.training" / "dynamics.safetensors")
    assert facts["step"] == 12


def test_one_worker_changes_nothing() -> None:
    model = nn.Linear(3, 2)
    model(torch.ones(1, 3)).sum().backward()
    assert model.weight.grad is not None
    before = model.weight.grad.clone()
    with join_workers(torch.device("cpu")) as (workers, device):
        workers.average_gradients(model)
        workers.share(model)
        workers.wait()
    torch.testing.assert_close(model.weight.grad, before)
    assert (workers, device) == (Workers(0, 1), torch.device("cpu"))
    assert workers.leads
