"""When a training saves, looks at what is held out, and reports."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from dreamcade.training.loop import train_until
from dreamcade.training.throughput import Throughput
from dreamcade.training.workers import Workers


class Trainee:
    def __init__(self, rank: int = 0) -> None:
        self.step, self.seconds = 0, 0.0
        self.workers = Workers(rank, 1)
        self.throughput = Throughput(torch.device("cpu"), torch.float32)
        self.saved: list[int] = []
        self.looked: list[int] = []

    def save(self) -> None:
        self.saved.append(self.step)

    def held_out_figures(self) -> dict[str, float]:
        self.looked.append(self.step)
        return {"held-out": float(self.step)}


def train(trainee: Trainee, folder: Path, ends_at: int | None = None) -> list[tuple[int, dict[str, float]]]:
    """Seven steps, saved every two, looked at every three; Ctrl-C in one of them."""
    reports: list[tuple[int, dict[str, float]]] = []

    def step() -> dict[str, float]:
        if trainee.step == ends_at:
            raise KeyboardInterrupt
        return {"loss": 1.0}

    def report(number: int, figures: dict[str, float]) -> None:
        reports.append((number, figures))

    train_until(
        trainee, 7, step, report, batch=2, check_every=3, save_every=2, figures=folder / "figures.jsonl"
    )  # fmt: skip
    return reports


def test_it_saves_and_looks_now_and_then_and_in_the_end(tmp_path: Path) -> None:
    trainee = Trainee()
    reports = train(trainee, tmp_path)
    assert trainee.saved == [2, 4, 6, 7] and trainee.looked == [3, 6, 7] and trainee.seconds > 0
    assert [number for number, _ in reports] == [1, 2, 3, 4, 5, 6, 7]
    assert [figures.get("held-out") for _, figures in reports] == [None, None, 3.0, None, None, 6.0, 7.0]
    kept = [json.loads(line) for line in (tmp_path / "figures.jsonl").read_text().splitlines()]
    assert [line["step"] for line in kept] == [3, 6, 7]


def test_one_that_does_not_lead_looks_at_nothing(tmp_path: Path) -> None:
    trainee = Trainee(rank=1)
    train(trainee, tmp_path)
    assert trainee.looked == [] and not (tmp_path / "figures.jsonl").exists()


def test_stopped_by_ctrl_c_it_saves_first(tmp_path: Path) -> None:
    trainee = Trainee()
    with pytest.raises(KeyboardInterrupt):
        train(trainee, tmp_path, ends_at=5)
    assert trainee.saved == [2, 4, 5] and trainee.step == 5
