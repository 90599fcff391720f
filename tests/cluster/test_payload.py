from __future__ import annotations

import pytest
import torch

from dreamcade.cluster.payload import describe, raw, read_tensors
from dreamcade.cluster.wire import Message, PeerLostError


def test_tensors_survive_bit_for_bit() -> None:
    tensors = [
        torch.randn(2, 3, 4).transpose(1, 2), torch.randn(5).bfloat16(), torch.arange(6).view(2, 3),
        torch.zeros(0, 7), torch.tensor(3.5), torch.randint(0, 255, (4, 4, 3)).to(torch.uint8),
    ]  # fmt: skip
    message = Message("draw", describe(tensors), tuple(bytearray(part) for part in raw(tensors)))
    for got, sent in zip(read_tensors(message), tensors, strict=True):
        assert got.dtype == sent.dtype and got.shape == sent.shape
        assert torch.equal(got, sent)


@pytest.mark.parametrize(
    "fields",
    [{}, {"tensors": []}, {"tensors": [{"type": "float32"}]}, {"tensors": [{"type": "float99", "shape": [1]}]},
     {"tensors": [{"type": "float32", "shape": [3]}]}, {"tensors": ["x"]}],
)  # fmt: skip
def test_what_is_no_tensor_is_a_lost_peer(fields: dict[str, object]) -> None:
    with pytest.raises(PeerLostError):
        read_tensors(Message("draw", fields, (bytearray(8),)))
