"""What a training did is counted, not guessed."""

from __future__ import annotations

import pytest
import torch

from dreamcade.training.throughput import Throughput, matmul_flops


def test_a_step_is_counted_forward_and_backward(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dreamcade.training.throughput.matmul_flops", lambda device, dtype: 1e6)
    layer, x = torch.nn.Linear(32, 8, bias=False), torch.randn(4, 32, requires_grad=True)
    throughput = Throughput(torch.device("cpu"), torch.float32)
    assert throughput.take() == {}
    assert throughput.counted("a", lambda: layer(x).sum().backward() or "done") == "done"
    for _ in range(10):
        throughput.add(4, 0.5)
    figures = throughput.take()
    assert figures["frames_per_second"] == 8.0
    per_step = 3 * 2 * 4 * 32 * 8  # one product forward, two backward
    assert figures["tflops"] == pytest.approx(per_step / 0.5 / 1e12)
    assert figures["share_of_peak"] == pytest.approx(per_step / 0.5 / 1e6)
    assert throughput.take() == {}
    throughput.add(4, 0.5)
    throughput.counted("b", lambda: None)  # from here on nothing is computed
    throughput.add(4, 0.5)
    assert throughput.take()["tflops"] == pytest.approx(per_step / 1e12)


def test_a_matrix_product_is_measured() -> None:
    assert 1e8 < matmul_flops(torch.device("cpu"), torch.float32, tries=1) < 1e15
