"""Rates, averages, and an optimizer that continues where it stopped."""

import pytest
import torch
from torch import nn

from dreamcade.core.errors import CheckpointError
from dreamcade.training.schedule import AveragedWeights, learning_rate, optimizer_tensors, restore_optimizer


def test_learning_rate_rises_stays_and_falls() -> None:
    rates = [learning_rate(step, 1000, 1.0, warm_up=10) for step in range(1000)]
    assert rates[0] == 0.1 and rates[9] == 1.0 and rates[500] == 1.0
    assert rates[999] < 0.03 and rates[10:] == sorted(rates[10:], reverse=True)


def test_averages_follow_the_weights() -> None:
    model = nn.Linear(2, 2)
    averages = AveragedWeights(model, decay=0.9)
    with torch.no_grad():
        model.weight.fill_(5.0)
    for step in range(200):
        averages.update(model, step)
    torch.testing.assert_close(averages.weights["weight"], model.weight.detach())


def train(model: nn.Module, optimizer: torch.optim.Optimizer, steps: int) -> None:
    for _ in range(steps):
        optimizer.zero_grad()
        model(torch.ones(1, 3)).square().sum().backward()
        optimizer.step()


def test_a_restored_optimizer_continues_exactly() -> None:
    torch.manual_seed(0)
    model, twin = nn.Linear(3, 3), nn.Linear(3, 3)
    optimizer, other = (torch.optim.AdamW(m.parameters(), lr=0.1) for m in (model, twin))
    train(model, optimizer, 5)
    twin.load_state_dict(model.state_dict())
    restore_optimizer(other, optimizer_tensors(optimizer), "a file")
    train(model, optimizer, 5)
    train(twin, other, 5)
    assert torch.equal(model.weight, twin.weight)


def test_the_state_of_other_parameters_is_refused() -> None:
    model, other = nn.Linear(3, 3), nn.Linear(4, 3)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    train(model, optimizer, 1)
    with pytest.raises(CheckpointError, match=r"a file: the optimizer's state belongs to other parameters"):
        restore_optimizer(torch.optim.AdamW(other.parameters()), optimizer_tensors(optimizer), "a file")
