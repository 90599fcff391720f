"""What a dynamics model remembers of each session: static buffers, one row a session."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from dreamcade.core.errors import BadInputError
from dreamcade.dynamics.config import DynamicsConfig


class DynamicsState:
    """Ring buffers of `batch` independent rows.

    Slot rules: `count` frames have been appended to a row. Frame number n (from 0) lives in token slot n mod R and in
    memory slot n mod N; a slot is overwritten only by its successor, so nothing is ever moved. `actions[:, -1]` is the
    newest action.
    """

    def __init__(
        self, config: DynamicsConfig, batch: int, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32
    ) -> None:
        layers, slots = len(config.memory_layers), config.memory
        options = {"device": device, "dtype": dtype}
        self.tokens = torch.zeros(batch, config.recent, config.tokens, config.latent_channels, **options)  # type: ignore[call-overload]
        self.keys = torch.zeros(batch, layers, slots, config.tokens, config.width, **options)  # type: ignore[call-overload]
        self.values = torch.zeros_like(self.keys)
        self.actions = torch.zeros(batch, config.action_history, config.action_size, **options)  # type: ignore[call-overload]
        self.count = torch.zeros(batch, dtype=torch.int64, device=device)

    @property
    def batch(self) -> int:
        return len(self.count)

    def tensors(self) -> dict[str, Tensor]:
        """All buffers by name, batch first."""
        return {name: getattr(self, name) for name in ("tokens", "keys", "values", "actions", "count")}

    def reset(self, rows: Tensor) -> None:
        """Forgets everything in `rows` (int64 `[B]`)."""
        for tensor in self.tensors().values():
            tensor[rows] = 0

    def read(self, row: int) -> dict[str, Tensor]:
        """Copies of one row's buffers, on the CPU."""
        return {name: tensor[row].detach().cpu().clone() for name, tensor in self.tensors().items()}

    def write(self, row: int, saved: Mapping[str, Tensor]) -> None:
        """Inverse of `read`. Raises `BadInputError` on a missing buffer or another shape."""
        for name, tensor in self.tensors().items():
            if name not in saved or saved[name].shape != tensor.shape[1:]:
                got = list(saved[name].shape) if name in saved else "nothing"
                raise BadInputError(f"a saved state needs {name!r} of shape {list(tensor.shape[1:])}; got {got}")
        for name, tensor in self.tensors().items():
            tensor[row] = saved[name].to(tensor)

    def memory(self, rows: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Keys and values of `rows` per memory layer, each `[B, N, L, D]`; of a single row, even asked for several
        times, they are views, not copies."""
        numbers = rows.tolist()
        if len(set(numbers)) == 1:
            row = numbers[0]
            keys, values = (t[row : row + 1].expand(len(numbers), -1, -1, -1, -1) for t in (self.keys, self.values))
        else:
            keys, values = self.keys[rows], self.values[rows]
        return list(zip(keys.unbind(1), values.unbind(1), strict=True))

    def recent(self, rows: Tensor) -> Tensor:
        """Tokens of the newest R frames of `rows`, newest first, `[B, R, L, c]`.

        Where a row has fewer frames, its first one stands in for those before it.
        """
        slots = self.tokens.shape[1]
        newest = self.count[rows, None] - 1
        back = torch.minimum(torch.arange(slots, device=newest.device), newest.clamp(min=0))
        return self.tokens[rows[:, None], (newest - back) % slots]

    def ages(self, rows: Tensor) -> Tensor:
        """Age of each memory slot, int64 `[B, N]`: 0 is the newest frame, −1 an empty slot."""
        slots = self.keys.shape[2]
        newest = self.count[rows, None] - 1
        age = (newest - torch.arange(slots, device=self.count.device)) % slots
        return torch.where(age <= newest, age, -1)
