"""Several processes train one model, each on data of its own: gradients are averaged after every step.

Started by `torchrun --nproc-per-node N -m dreamcade train …`; without it there is one worker and nothing here costs
anything. A batch is each worker's own, so N workers take N times as many samples a step.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import nn

from dreamcade.core.errors import BadInputError


@dataclass(frozen=True, slots=True)
class Workers:
    """This process among those that train together. The first one (rank 0) saves, checks and reports."""

    rank: int = 0
    count: int = 1

    @property
    def leads(self) -> bool:
        return self.rank == 0

    def average_gradients(self, model: nn.Module) -> None:
        """Replaces every gradient by its mean over the workers; one that a worker lacks counts as zero there."""
        if self.count == 1:
            return
        parameters = [p for p in model.parameters() if p.requires_grad]
        for parameter in parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        flat = torch.cat([p.grad.flatten() for p in parameters if p.grad is not None])
        dist.all_reduce(flat)
        flat /= self.count
        at = 0
        for parameter in parameters:
            assert parameter.grad is not None
            parameter.grad.copy_(flat[at : at + parameter.numel()].view_as(parameter))
            at += parameter.numel()

    def share(self, model: nn.Module) -> None:
        """Gives every worker the first one's weights and buffers."""
        if self.count == 1:
            return
        for tensor in (*model.parameters(), *model.buffers()):
            dist.broadcast(tensor.detach(), 0)

    def wait(self) -> None:
        """Until all workers are here: what the first one wrote is then there for the others."""
        if self.count > 1:
            dist.barrier()


@contextmanager
def join_workers(device: torch.device) -> Iterator[tuple[Workers, torch.device]]:
    """Joins the processes that torchrun has started, with NCCL on GPUs and Gloo on CPUs; yields this worker, and its
    own device. Raises `BadInputError` where there are more workers than GPUs."""
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        yield Workers(), device
        return
    local = int(os.environ.get("LOCAL_RANK", "0"))
    if device.type == "cuda":
        if local >= torch.cuda.device_count():
            raise BadInputError(f"worker {local} has no GPU of its own; start at most {torch.cuda.device_count()} here")
        device = torch.device("cuda", local)
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield Workers(dist.get_rank(), count), device
    finally:
        dist.destroy_process_group()
