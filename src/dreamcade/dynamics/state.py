"""What a dynamics model remembers of each session: static buffers, one row a session."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from dreamcade.core.errors import BadInputError
from dreamcade.dynamics.config import DynamicsConfig
from dreamcade.dynamics.entries import Keeping, pack_entries, unpack_entries
from dreamcade.dynamics.exchange import ALONE, Exchange, share_size


class DynamicsState:
    """Ring buffers of `batch` independent rows.

    Slot rules: `count` frames have been appended to a row. Frame number n (from 0) lives in token slot n mod R and in
    memory slot n mod N; a slot is overwritten only by its successor, so nothing is ever moved. `actions[:, -1]` is the
    newest action. `keeping` says how keys and values are stored; in a few bits they have scales beside them.

    Where devices share a frame, each has such a state: all tokens of the newest frames, which are small, and keys and
    values of the places that `exchange` says are its own.
    """

    def __init__(
        self, config: DynamicsConfig, batch: int, device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32, keeping: Keeping = Keeping.FULL, exchange: Exchange = ALONE,
    ) -> None:  # fmt: skip
        self.keeping, self.exchange, self._run = keeping, exchange, config.width // config.heads
        places = share_size(exchange.tokens, config.tokens)
        entries = (batch, len(config.memory_layers), config.memory, places, config.width)
        options = {"device": device, "dtype": dtype}
        self.tokens = torch.zeros(batch, config.recent, config.tokens, config.latent_channels, **options)  # type: ignore[call-overload]
        self.keys, self.key_scales = self._empty(entries, device, dtype)
        self.values, self.value_scales = torch.zeros_like(self.keys), torch.zeros_like(self.key_scales)
        self.actions = torch.zeros(batch, config.action_history, config.action_size, **options)  # type: ignore[call-overload]
        self.count = torch.zeros(batch, dtype=torch.int64, device=device)

    def _empty(self, shape: tuple[int, ...], device: torch.device | str, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Keys or values and their scales, of which there are none where they are kept in full."""
        if self.keeping is Keeping.FULL:
            return torch.zeros(shape, device=device, dtype=dtype), torch.zeros(shape[0], 0, device=device)
        numbers, scale = pack_entries(torch.zeros(shape, device=device), self.keeping, self._run)
        return torch.zeros_like(numbers), scale

    @property
    def batch(self) -> int:
        return len(self.count)

    def tensors(self) -> dict[str, Tensor]:
        """All buffers by name, batch first."""
        scales = () if self.keeping is Keeping.FULL else ("key_scales", "value_scales")
        return {name: getattr(self, name) for name in ("tokens", "keys", "values", *scales, "actions", "count")}

    @property
    def memory_bytes(self) -> int:
        """What keys and values of all rows occupy."""
        return sum(t.nbytes for t in (self.keys, self.values, self.key_scales, self.value_scales))

    def reset(self, rows: Tensor) -> None:
        """Forgets everything in `rows` (int64 `[B]`)."""
        for tensor in self.tensors().values():
            tensor[rows] = 0

    def read(self, row: int) -> dict[str, Tensor]:
        """Copies of one row's buffers, on the CPU."""
        return {name: tensor[row].detach().cpu().clone() for name, tensor in self.tensors().items()}

    def write(self, row: int, saved: Mapping[str, Tensor]) -> None:
        """Inverse of `read`. Raises `BadInputError` on a missing buffer, another shape, or a memory kept otherwise."""
        for name, tensor in self.tensors().items():
            if name not in saved or saved[name].shape != tensor.shape[1:]:
                got = list(saved[name].shape) if name in saved else "nothing"
                raise BadInputError(f"a saved state needs {name!r} of shape {list(tensor.shape[1:])}; got {got}")
            if saved[name].is_floating_point() != tensor.is_floating_point():
                raise BadInputError(f"a saved state needs {name!r} in {tensor.dtype}; got {saved[name].dtype}")
        for name, tensor in self.tensors().items():
            tensor[row] = saved[name].to(tensor)

    def remember(self, rows: Tensor, layer: int, slots: Tensor, keys: Tensor, values: Tensor) -> None:
        """Puts the keys and values `[B, l, D]` of a memory layer into a slot (int64 `[B]`) of each row."""
        if self.keeping is Keeping.FULL:
            self.keys[rows, layer, slots] = keys
            self.values[rows, layer, slots] = values
            return
        for entries, numbers, scales in (
            (keys, self.keys, self.key_scales), (values, self.values, self.value_scales)
        ):  # fmt: skip
            numbers[rows, layer, slots], scales[rows, layer, slots] = pack_entries(entries, self.keeping, self._run)

    def memory(self, rows: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Keys and values of `rows` per memory layer, each `[B, N, l, D]`; of a single row, even asked for several
        times, they are views, not copies, where they are kept in full."""
        numbers = rows.tolist()
        alone = len(set(numbers)) == 1
        chosen = slice(numbers[0], numbers[0] + 1) if alone else rows
        keys, values = self.keys[chosen], self.values[chosen]
        if self.keeping is not Keeping.FULL:
            keys = unpack_entries(keys, self.key_scales[chosen], self.tokens.dtype)
            values = unpack_entries(values, self.value_scales[chosen], self.tokens.dtype)
        if alone:
            keys, values = (t.expand(len(numbers), -1, -1, -1, -1) for t in (keys, values))
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
