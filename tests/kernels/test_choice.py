"""Which kernels run."""

from __future__ import annotations

import pytest
import torch

from dreamcade.core.errors import BadInputError
from dreamcade.kernels.choice import fuses, using
from dreamcade.kernels.names import Kernels


@pytest.mark.triton
def test_a_cpu_runs_the_references_unless_told_otherwise() -> None:
    x = torch.zeros(1)
    assert not fuses(x)
    with using(Kernels.TRITON):
        assert fuses(x)
        with using("reference"):
            assert not fuses(x)
        assert fuses(x)
    assert not fuses(x)


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(BadInputError, match=r"unknown kernels 'cuda'; use auto, reference, triton"), using("cuda"):
        pass


@pytest.mark.triton
def test_a_compiler_sees_the_references() -> None:
    torch._dynamo.reset()
    asked = torch.compile(lambda x: x + 1 if fuses(x) else x - 1, backend="eager", fullgraph=True)
    with using(Kernels.TRITON):
        assert asked(torch.zeros(1)) == -1
