"""What a caller can ask to be run on. Needs no PyTorch, so that a command can refuse a wrong name at once."""

from __future__ import annotations

import enum

from dreamcade.core.errors import BadInputError


class Kernels(enum.StrEnum):
    """What a caller can ask for."""

    AUTO = "auto"
    """Fused kernels where the device and the shapes have them, else the references."""
    REFERENCE = "reference"
    """Plain PyTorch, everywhere."""
    TRITON = "triton"
    """Triton's kernels, everywhere; on a CPU only under its interpreter (`TRITON_INTERPRET=1`), which is for tests."""
    OPENVINO = "openvino"
    """Whole networks compiled by OpenVINO, on a CPU; single operations are the references."""

    @classmethod
    def named(cls, name: str) -> Kernels:
        """Raises `BadInputError` for an unknown one."""
        try:
            return cls(name)
        except ValueError as error:
            raise BadInputError(f"unknown kernels {name!r}; use {', '.join(cls)}") from error
