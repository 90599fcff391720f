"""The machine that a figure was measured on."""

from __future__ import annotations

import os
import platform
import resource
import sys
from pathlib import Path

import torch

from dreamcade.core.device import cpu_threads


def machine_name(device: torch.device) -> str:
    """Processor, cores, accelerator and PyTorch, in one line."""
    parts = [f"{_processor()}, {cpu_threads()} of {os.cpu_count()} cores"]
    if device.type == "cuda":
        parts.append(torch.cuda.get_device_name(device))
    return "; ".join([*parts, f"PyTorch {torch.__version__}"])


def peak_rss_mb() -> float:
    """The most memory that this process has held so far, in MB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Linux counts kibibytes, macOS bytes.
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
