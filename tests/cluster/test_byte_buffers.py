from __future__ import annotations

import torch

from dreamcade.cluster.byte_buffers import ByteBuffers

CPU = torch.device("cpu")


def test_memory_is_kept_until_more_is_needed() -> None:
    buffers = ByteBuffers()
    first = buffers.take("sent", 100, CPU)
    assert first.shape == (100,) and first.dtype == torch.uint8
    assert buffers.take("sent", 40, CPU).data_ptr() == first.data_ptr()
    assert buffers.take("received", 40, CPU).data_ptr() != first.data_ptr()
    assert len(buffers.take("sent", 200, CPU)) == 200 and len(buffers.take("sent", 150, CPU)) == 150


def test_what_is_made_in_inference_can_be_written_outside_of_it() -> None:
    buffers = ByteBuffers()
    with torch.inference_mode():
        buffers.take("sent", 8, CPU)
    assert not buffers.take("sent", 8, CPU).is_inference()
