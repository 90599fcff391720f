"""What a diffusion transformer remembers of each session: static buffers, written in place, one row a session."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from dreamcade.core.errors import BadInputError
from dreamcade.dynamics.diffusion_config import DiffusionTransformerConfig
from dreamcade.dynamics.exchange import ALONE, Exchange, share_size
from dreamcade.kernels.ring_cache import Ring


class DiffusionState:
    """Ring buffers of `batch` independent rows; no method waits for the device, but for `read` and `write`.

    `count` frames were appended to a row; frame number n lives in token slot n mod R and in slot n mod N of each
    layer's ring. `actions[:, -1]` is the newest action. `own` is where a pass puts the keys and values of the frame it
    works on: nothing in it outlives a pass. Tokens are float32, so that long play adds no rounding to what stands
    still.

    Where devices share a frame, each has such a state: all of its frames' tokens, which are small, and of the rings the
    heads that `exchange` says are its own.
    """

    def __init__(
        self,
        config: DiffusionTransformerConfig,
        batch: int,
        *,
        bits: int = 16,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        exchange: Exchange = ALONE,
    ) -> None:
        self.exchange = exchange
        self.tokens = torch.zeros(batch, config.recent, config.tokens, config.token_size, device=device)
        self.actions = torch.zeros(batch, config.action_history, config.action_size, device=device)
        self.count = torch.zeros(batch, dtype=torch.int64, device=device)

        def ring(slots: int, bits: int) -> Ring:
            sizes = (batch, share_size(exchange.heads, config.heads), slots, config.tokens, config.head_dim)
            return Ring.empty(*sizes, bits=bits, device=device, dtype=dtype)

        self.rings = [ring(config.memory, bits) for _ in range(config.depth)]
        self.own = ring(1, 16)

    @property
    def batch(self) -> int:
        return len(self.count)

    def tensors(self) -> dict[str, Tensor]:
        """All buffers that a session is made of, by name, batch first."""
        rings = {f"{name}.{i}": t for i, ring in enumerate(self.rings) for name, t in ring.tensors().items()}
        return {"tokens": self.tokens, "actions": self.actions, "count": self.count, **rings}

    def nbytes(self) -> int:
        """Bytes of all rows."""
        return sum(t.numel() * t.element_size() for t in self.tensors().values())

    def reset(self, rows: Tensor | None = None) -> None:
        """Forgets everything in `rows` (int64 `[B]`), or in all of them."""
        for tensor in self.tensors().values():
            if rows is None:
                tensor.zero_()
            else:
                tensor.index_fill_(0, rows, 0)

    def read(self, row: int) -> dict[str, Tensor]:
        """Copies of one row's buffers, on the CPU."""
        return {name: tensor[row].cpu().clone() for name, tensor in self.tensors().items()}

    def write(self, row: int, saved: Mapping[str, Tensor]) -> None:
        """Inverse of `read`. Raises `BadInputError` on a missing buffer or another shape."""
        for name, tensor in self.tensors().items():
            if name not in saved or saved[name].shape != tensor.shape[1:] or saved[name].dtype != tensor.dtype:
                got = f"{saved[name].dtype} {list(saved[name].shape)}" if name in saved else "nothing"
                want = f"{tensor.dtype} {list(tensor.shape[1:])}"
                raise BadInputError(f"a saved state needs {name!r} of {want}; got {got}")
        for name, tensor in self.tensors().items():
            tensor[row].copy_(saved[name])

    def push_action(self, actions: Tensor) -> None:
        """Appends an action `[B, A]` to every row's history."""
        self.actions.copy_(torch.cat([self.actions[:, 1:], actions[:, None].to(self.actions)], 1))

    def append(self, tokens: Tensor) -> None:
        """Appends a frame, `[B, L, P]`, to every row; its keys and values are the model's to write before."""
        rows = torch.arange(self.batch, device=self.count.device)
        self.tokens[rows, self.count % self.tokens.shape[1]] = tokens.to(self.tokens)
        self.count.add_(1)

    def recent(self) -> Tensor:
        """The newest R frames, newest first, float32 `[B, R, L, P]`. Where a row has fewer, its first one stands in
        for those before it; where it has none, zeros do."""
        slots = self.tokens.shape[1]
        newest = self.count[:, None] - 1
        back = torch.minimum(torch.arange(slots, device=newest.device), newest.clamp(min=0))
        rows = torch.arange(self.batch, device=newest.device)[:, None]
        return self.tokens[rows, (newest - back) % slots]
