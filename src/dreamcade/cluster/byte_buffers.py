"""Memory for messages, kept from one to the next."""

from __future__ import annotations

import torch
from torch import Tensor


class ByteBuffers:
    """By name and device; what was there before may still be in them."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, torch.device], Tensor] = {}

    def take(self, name: str, size: int, device: torch.device) -> Tensor:
        """Bytes uint8 `[size]`, the beginning of what was kept under this name; made anew where that is too small."""
        kept = self._kept.get((name, device))
        if kept is None or len(kept) < size:
            with torch.inference_mode(False):  # also for who calls outside of it later
                kept = self._kept[name, device] = torch.empty(size, dtype=torch.uint8, device=device)
        return kept[:size]
