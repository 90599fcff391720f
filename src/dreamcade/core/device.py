"""Which device, how many threads, which number format."""

from __future__ import annotations

import ctypes
import os
import platform
import shutil

import torch

from dreamcade.core.errors import BadInputError

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # malloc.h


def resolve_device(name: str = "auto") -> torch.device:
    """`auto` → CUDA where there is one, else the CPU; `cpu`, `cuda`, `cuda:1`, … as they say.

    Raises `BadInputError` for a device that this machine lacks.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise BadInputError(f"unknown device {name!r}; use auto, cpu, cuda or cuda:N") from error
    if device.type not in ("cpu", "cuda"):
        raise BadInputError(f"device {name!r} is not supported; use auto, cpu, cuda or cuda:N")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise BadInputError(f"device {name!r} is not here ({torch.cuda.device_count()} CUDA devices); use cpu")
    return device


def fast_dtype(device: torch.device) -> torch.dtype:
    """bfloat16 where the hardware multiplies it natively (CUDA, AVX512-bf16, AMX), else float32."""
    if device.type == "cuda":
        return torch.bfloat16
    return torch.bfloat16 if torch.cpu._is_avx512_bf16_supported() else torch.float32


def fast_products(device: torch.device) -> torch.autocast:
    """Inside it, matrices are multiplied in `fast_dtype`, whatever the weights are in."""
    return torch.autocast(device.type, torch.bfloat16, enabled=fast_dtype(device) == torch.bfloat16)


def cpu_threads(limit: int | None = None) -> int:
    """Cores this process may use, at most `limit`; OMP_NUM_THREADS says so too, as it does for PyTorch."""
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    allowed = os.environ.get("OMP_NUM_THREADS", "")
    available = min(available, int(allowed)) if allowed.isdigit() and int(allowed) else available
    return min(available, limit) if limit else available


def keep_freed_memory() -> None:
    """Has the C library keep what is freed for the next frame instead of giving it back to the system.

    Otherwise a map of a few megabytes comes anew, page by page, every time it is needed, which costs more than most
    of what is done to it. For glibc; elsewhere nothing is changed.
    """
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_MMAP_THRESHOLD, 32 << 20)  # the most that glibc takes
        libc.mallopt(_M_TRIM_THRESHOLD, 256 << 20)


def expect_compiler() -> None:
    """Raises `BadInputError` where there is no C++ compiler, which `torch.compile` needs."""
    compilers = [os.environ["CXX"]] if os.environ.get("CXX") else ["g++", "clang++"]
    if not any(map(shutil.which, compilers)):
        raise BadInputError(f"compiling needs a C++ compiler ({' or '.join(compilers)}); install one, or do without")
