"""Trains a dynamics model on stored latents, on streams of its own predictions."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from dreamcade.codec import Codec
from dreamcade.core.checkpoint import load_facts, save_tensors
from dreamcade.core.config import JsonConfig
from dreamcade.core.device import fast_dtype, fast_products
from dreamcade.core.errors import BadInputError, CheckpointError
from dreamcade.dynamics import Dynamics, DynamicsConfig
from dreamcade.evaluation.machine import machine_name
from dreamcade.training.beginning import history
from dreamcade.training.checkpoint import load_training, save_training
from dreamcade.training.dynamics_loss import channel_importance, draw_levels, dynamics_loss, motion_loss
from dreamcade.training.latent_pool import LatentPool
from dreamcade.training.latent_store import LatentEpisode, expect_encoder, fingerprint
from dreamcade.training.loop import Report, train_until
from dreamcade.training.movement_fit import fit_movement
from dreamcade.training.rolled_out import held_out_figures
from dreamcade.training.schedule import AveragedWeights, learning_rate
from dreamcade.training.streams import Streams
from dreamcade.training.throughput import Throughput
from dreamcade.training.workers import Workers
from dreamcade.world import World

ASTRAY = 3.0
"""A stream ends whose error is so many times the median: its recording has gone elsewhere (a new level, a death)."""


@dataclass(frozen=True, slots=True)
class DynamicsTraining(JsonConfig):
    """How long and how to train. Schedules run by steps, never by the clock."""

    steps: int = 6000
    batch: int = 16
    peak_rate: float = 1.6e-3
    weight_decay: float = 0.01
    seed: int = 0
    stages: tuple[float, ...] = (0.15, 0.3, 0.5)
    """Shares of the training after which streams may grow longer …"""
    lengths: tuple[int, ...] = (1, 4, 16, 64)
    """… and how long they may be before, between and after them."""
    own_from: float = 0.5
    """From this share on, `own_share` of the streams go on from frames that the model sampled all by itself, in
    all its steps."""
    own_share: float = 0.4
    change_cost: float = 0.0
    """What a change of what merely moved costs in the loss, by its size. Textures that nobody can predict to the pixel
    are best kept as they are: their mean, which the least error asks for, is fog after a few frames."""
    check_every: int = 1000
    save_every: int = 250

    def for_a_trained_one(self) -> DynamicsTraining:
        """The same for a model that has been trained before: its streams are as long as they get from the start, and
        some go on from frames that it sampled."""
        return dataclasses.replace(self, stages=(), lengths=self.lengths[-1:], own_from=0.0)

    def longest(self, step: int) -> int:
        """How long a stream may be at `step`."""
        return self.lengths[sum(step >= share * self.steps for share in self.stages)]


class DynamicsTrainer:
    """Owns model, averages, optimizer and streams; `run` trains to the end and can be stopped at any step."""

    def __init__(
        self,
        config: DynamicsConfig,
        settings: DynamicsTraining,
        codec: Codec,
        folder: Path,
        train: list[LatentEpisode],
        heldout: list[LatentEpisode],
        device: torch.device,
        compiled: bool = False,
        workers: Workers | None = None,
    ) -> None:
        self.settings, self.codec, self.folder, self.device = settings, codec, folder, device
        self.workers = workers or Workers()
        self.train, self.heldout = train, heldout
        torch.manual_seed(settings.seed)
        self.model = Dynamics(config).to(device)
        self.forward = torch.compile(self.model, dynamic=False) if compiled else self.model
        self.optimizer = self._make_optimizer()
        self.averages = AveragedWeights(self.model)
        self.throughput = Throughput(device, fast_dtype(device))
        self._counted = False
        self.step, self.seconds = 0, 0.0
        self.begun_from = ""
        """What is known of the world whose weights it began with."""

    def _make_optimizer(self) -> torch.optim.Optimizer:
        parameters = list(self.model.parameters())
        groups = [
            {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": self.settings.weight_decay},
            {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
        ]
        return torch.optim.AdamW(groups, lr=0.0, betas=(0.9, 0.98), fused=True)

    @property
    def checkpoint(self) -> Path:
        return self.folder / "dynamics.checkpoint.safetensors"

    def prepare(self, resume: bool, beginning: World | None = None) -> None:
        """Loads the checkpoint where `resume` asks for it; for a fresh start takes the weights of `beginning`, or fits
        the normalisation to the data."""
        if resume and self.checkpoint.exists():
            self._load()
            return
        if beginning is not None:
            self.model.load_state_dict(beginning.dynamics.state_dict())
            self.begun_from = history(beginning)
            self.settings = self.settings.for_a_trained_one()
            self.averages = AveragedWeights(self.model)
            return
        rng = np.random.default_rng(self.settings.seed)
        sample = torch.cat([e.latent(np.sort(rng.choice(len(e), min(60, len(e)), replace=False))) for e in self.train])
        sample = sample.to(self.device)
        self.model.fit(sample, channel_importance(self.codec, sample[:: max(1, len(sample) // 16)]))
        fit_movement(self.model, self.codec, sample, self.train, self.settings.seed)
        self.averages = AveragedWeights(self.model)

    def run(self, report: Report) -> None:
        """Trains until `settings.steps`; `report(step, figures)` is called after every step. Stopped by Ctrl-C, it
        saves first."""
        self.workers.share(self.model)
        streams, pool = Streams.empty(self.model, self.settings.batch), LatentPool.of(self.train, self.device)
        torch.manual_seed(self.settings.seed + self.step * self.workers.count + self.workers.rank)
        rng = np.random.default_rng([self.settings.seed, self.step, self.workers.rank])
        train_until(
            self, self.settings.steps, lambda: self._train_step(streams, pool, rng), report, batch=self.settings.batch,
            check_every=self.settings.check_every, save_every=self.settings.save_every,
            figures=self.folder / "dynamics.figures.jsonl",
        )  # fmt: skip

    def _train_step(self, streams: Streams, pool: LatentPool, rng: np.random.Generator) -> dict[str, float]:
        streams.restart_finished(self.model, pool, self.settings.longest(self.step), rng)
        rate = learning_rate(self.step, self.settings.steps, self.settings.peak_rate)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        fresh = torch.from_numpy(streams.length == 0).to(self.device)
        actions = streams.actions(pool, self.model.config.action_history)
        target = streams.targets(self.model, pool)
        level = draw_levels(len(streams), self.model.config.sampling_levels, self.device)
        noisy = target.lerp(torch.randn_like(target), level[:, None, None])
        movement = self.model.movement
        # The frame is drawn for the motion that there was. A stream that moves otherwise than its recording would else
        # be asked for what nothing before it announced, and learn to blur; so it is also led back each time.
        motion = None if movement is None else movement.measure_tokens(target, streams.frames[:, 0])

        def loss_of(forward: Callable[..., Tensor]) -> tuple[Tensor, Tensor, Tensor]:
            with fast_products(self.device):
                made, moved, expected = forward(streams.context(self.model, actions), noisy, level, motion)
            loss, errors = dynamics_loss(made.float(), target)
            if self.settings.change_cost:
                loss = loss + self.settings.change_cost * (made.float() - moved.float()).abs().mean()
            if movement is not None and motion is not None:
                loss = loss + motion_loss(expected.float(), motion, movement.usual)
            return loss, errors, made.float()

        if not self._counted:  # eagerly: what is compiled cannot be counted
            self.throughput.counted("step", lambda: torch.autograd.backward(loss_of(self.model)[0]))
            self._counted = True
        loss, errors, made = loss_of(self.forward)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.workers.average_gradients(self.model)
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.averages.update(self.model, self.step)
        streams.advance(self._with_own_samples(streams, actions, made.detach()), actions[:, -1])
        streams.end(errors > ASTRAY * errors.median())
        figures = {
            "loss": loss.item(),
            "error": errors.mean().item(),
            "stream_length": float(streams.length.mean()),
            "gradient_norm": norm.item(),
            "rate": rate,
        }
        first = fresh & (level == 1)
        return figures | ({"error_first_step": errors[first].mean().item()} if bool(first.any()) else {})

    @torch.no_grad()
    def _with_own_samples(self, streams: Streams, actions: Tensor, made: Tensor) -> Tensor:
        one_step = len(self.model.config.sampling_levels) == 1  # then most predictions are such frames already
        if one_step or self.step < self.settings.own_from * self.settings.steps:
            return made
        count = math.ceil(self.settings.own_share * len(streams))
        noise = torch.randn(len(self.model.config.sampling_levels), count, *self.model.noise_shape, device=self.device)
        with fast_products(self.device):
            own = self.model.sample(streams.context(self.model, actions).rows(count), noise)
        return torch.cat([own.float(), made[count:]])

    def held_out_figures(self) -> dict[str, float]:
        """Of the averaged model, on held-out play; a strip of pictures goes beside the checkpoint."""
        model = self.averaged_model()
        strip = self.folder / "strips" / f"{self.step:06d}.png"
        return held_out_figures(model, self.codec, self.heldout, strip)

    def averaged_model(self) -> Dynamics:
        """A copy of the model with the averaged weights, in evaluation mode."""
        model = Dynamics(self.model.config).to(self.device)
        model.load_state_dict(self.model.state_dict())
        self.averages.copy_to(model)
        return model.eval()

    def save(self) -> None:
        """Writes the resumable checkpoint and the averaged weights, each atomically; the leading worker does."""
        if not self.workers.leads:
            return
        facts = {
            "step": self.step,
            "seconds": self.seconds,
            "config": self.model.config.to_json(),
            "settings": self.settings.to_json(),
            "encoder": fingerprint(self.codec),
            "machine": machine_name(self.device),
            "begun_from": self.begun_from,
        }
        save_tensors(self.folder / "dynamics.safetensors", self.averaged_model().state_dict(), facts)
        save_training(self.checkpoint, self.model, self.averages, self.optimizer, facts)

    def _load(self) -> None:
        facts = load_training(self.checkpoint, self.model, self.averages, self.optimizer, self.device)
        expect_encoder(facts, self.codec, self.checkpoint)
        self.step, self.seconds = int(facts["step"]), float(facts["seconds"])
        self.begun_from = facts.get("begun_from", "")
        if self.begun_from:
            self.settings = self.settings.for_a_trained_one()


def stored_sizes(checkpoint: Path, asked: Mapping[str, int | None]) -> DynamicsConfig:
    """The sizes that the training in `checkpoint` goes on with. Raises `CheckpointError` where others are `asked` for,
    or where the file does not tell them."""
    try:
        stored = DynamicsConfig.from_json(load_facts(checkpoint)["config"])
    except (KeyError, BadInputError) as error:
        raise CheckpointError(
            f"{checkpoint} is no dynamics' checkpoint of this version; restore a copy, or replace it with --fresh"
        ) from error
    expect_sizes(stored, asked, f"{checkpoint} has", "begin anew with --fresh")
    return stored


def expect_sizes(config: DynamicsConfig, asked: Mapping[str, int | None], what: str, otherwise: str) -> None:
    """Raises `CheckpointError` where sizes are `asked` for that `config`, the one of `what`, has not."""
    for name, value in asked.items():
        if value is not None and value != getattr(config, name):
            raise CheckpointError(
                f"{what} {name} {getattr(config, name)}, not {value}: leave the option away, or {otherwise}"
            )
