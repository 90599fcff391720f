"""Trains a dynamics model on stored latents, on streams of its own predictions."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from rich.progress import track
from torch import Tensor

from dreamcade.codec import Codec
from dreamcade.core.checkpoint import load_tensors, load_weights, save_tensors
from dreamcade.core.config import JsonConfig
from dreamcade.core.device import fast_dtype
from dreamcade.dynamics import Dynamics, DynamicsConfig
from dreamcade.training.dynamics_loss import draw_levels, dynamics_loss
from dreamcade.training.latent_store import StoredEpisode
from dreamcade.training.rolled_out import held_out_figures
from dreamcade.training.schedule import AveragedWeights, learning_rate, optimizer_tensors, restore_optimizer
from dreamcade.training.streams import Streams


@dataclass(frozen=True, slots=True)
class DynamicsTraining(JsonConfig):
    """How long and how to train. Schedules run by steps, never by the clock."""

    steps: int = 6000
    batch: int = 16
    peak_rate: float = 1.5e-3
    weight_decay: float = 0.01
    seed: int = 0
    stages: tuple[float, ...] = (0.25, 0.4, 0.55, 0.75)
    """Shares of the training after which streams may grow longer …"""
    lengths: tuple[int, ...] = (1, 4, 12, 24, 40)
    """… and how long they may be before, between and after them."""
    own_from: float = 0.5
    """From this share on, `own_share` of the streams go on from frames that the model sampled all by itself."""
    own_share: float = 0.25
    check_every: int = 500
    save_every: int = 250

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
        train: list[StoredEpisode],
        heldout: list[StoredEpisode],
        device: torch.device,
    ) -> None:
        self.settings, self.codec, self.folder, self.device = settings, codec, folder, device
        self.train, self.heldout = train, heldout
        torch.manual_seed(settings.seed)
        self.model = Dynamics(config).to(device)
        self.optimizer = self._make_optimizer()
        self.averages = AveragedWeights(self.model)
        self.step, self.seconds = 0, 0.0

    def _make_optimizer(self) -> torch.optim.Optimizer:
        parameters = list(self.model.parameters())
        groups = [
            {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": self.settings.weight_decay},
            {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
        ]
        return torch.optim.AdamW(groups, lr=0.0, betas=(0.9, 0.98))

    @property
    def checkpoint(self) -> Path:
        return self.folder / "dynamics.checkpoint.safetensors"

    def prepare(self, resume: bool) -> None:
        """Loads the checkpoint where `resume` asks for it, or fits the coder to the data for a fresh start."""
        if resume and self.checkpoint.exists():
            self._load()
        else:
            rng = np.random.default_rng(self.settings.seed)
            samples = [e.latent(rng.integers(0, len(e), 24)) for e in self.train]
            self.model.coder.fit(torch.cat(samples).to(self.device))
        for store in (self.train, self.heldout):
            for episode in track(store, description="coding"):
                episode.attach_codes(self.model.coder)

    def run(self, report: Callable[[int, dict[str, float]], None]) -> None:
        """Trains until `settings.steps`; `report(step, figures)` is called after every step."""
        streams = Streams.empty(self.model, self.settings.batch, self.device)
        torch.manual_seed(self.settings.seed + self.step)
        rng = np.random.default_rng([self.settings.seed, self.step])
        while self.step < self.settings.steps:
            began = time.perf_counter()
            figures = self._train_step(streams, rng)
            self.step += 1
            self.seconds += time.perf_counter() - began
            if self.step % self.settings.check_every == 0 or self.step == self.settings.steps:
                figures |= self._check()
            if self.step % self.settings.save_every == 0 or self.step == self.settings.steps:
                self.save()
            report(self.step, figures)

    def _train_step(self, streams: Streams, rng: np.random.Generator) -> dict[str, float]:
        self._restart_finished(streams, rng)
        rate = learning_rate(self.step, self.settings.steps, self.settings.peak_rate)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        actions = streams.actions(self.train, self.model.config.action_history)
        target = streams.targets(self.train)
        target_code = self.model.coder(target)
        level = draw_levels(len(streams), self.device)
        noisy = target_code.lerp(torch.randn_like(target_code), level[:, None, None])
        with torch.autocast(self.device.type, torch.bfloat16, enabled=fast_dtype(self.device) == torch.bfloat16):
            context = streams.context(self.model, actions)
            code, latents, moved = self.model(context, noisy, level)
        loss, errors = dynamics_loss(code.float(), latents.float(), moved.float(), context.latest, target_code, target)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.averages.update(self.model, self.step)
        latents = self._with_own_samples(streams, actions, latents.detach().float())
        streams.advance(self.model, latents, actions[:, -1])
        return {
            "loss": loss.item(),
            "error": errors.mean().item(),
            "gradient_norm": norm.item(),
            "rate": rate,
            "error_first_step": errors[level == 1].mean().item(),
        }

    def _restart_finished(self, streams: Streams, rng: np.random.Generator) -> None:
        longest = self.settings.longest(self.step)
        for row in range(len(streams)):
            length, position = streams.length[row], streams.position[row]
            over = length >= longest or rng.random() < 0.5 / longest
            if over or position + 2 >= len(self.train[streams.episode[row]]):
                streams.restart(row, self.train, rng)

    @torch.no_grad()
    def _with_own_samples(self, streams: Streams, actions: Tensor, latents: Tensor) -> Tensor:
        if self.step < self.settings.own_from * self.settings.steps:
            return latents
        count = math.ceil(self.settings.own_share * len(streams))
        context = streams.context(self.model, actions)
        part = type(context)(
            context.latest[:count],
            context.previous[:count],
            context.actions[:count],
            [(k[:count], v[:count]) for k, v in context.memory],
            context.ages[:count],
        )
        noise = torch.randn(len(self.model.config.sampling_levels), count, *self.model.noise_shape, device=self.device)
        return torch.cat([self.model.sample(part, noise).float(), latents[count:]])

    def _check(self) -> dict[str, float]:
        model = self.averaged_model()
        strip = self.folder / "strips" / f"{self.step:06d}.png"
        figures = held_out_figures(model, self.codec, self.heldout, strip)
        with (self.folder / "dynamics.figures.jsonl").open("a") as file:
            file.write(json.dumps({"step": self.step, "seconds": round(self.seconds), **figures}) + "\n")
        return figures

    def averaged_model(self) -> Dynamics:
        """A copy of the model with the averaged weights, in evaluation mode."""
        model = Dynamics(self.model.config).to(self.device)
        model.load_state_dict(self.model.state_dict())
        self.averages.copy_to(model)
        return model.eval()

    def save(self) -> None:
        """Writes the resumable checkpoint and the averaged weights, each atomically."""
        tensors = {f"model/{k}": v for k, v in self.model.state_dict().items()}
        tensors |= {f"average/{k}": v for k, v in self.averages.weights.items()}
        tensors |= {f"optimizer/{k}": v for k, v in optimizer_tensors(self.optimizer).items()}
        facts = {
            "step": self.step,
            "seconds": self.seconds,
            "config": self.model.config.to_json(),
            "settings": self.settings.to_json(),
        }
        save_tensors(self.checkpoint, tensors, facts)
        save_tensors(self.folder / "dynamics.safetensors", self.averaged_model().state_dict(), facts)

    def _load(self) -> None:
        tensors, facts = load_tensors(self.checkpoint)
        part = {
            name: {k.removeprefix(name + "/"): v for k, v in tensors.items() if k.startswith(name + "/")}
            for name in ("model", "average", "optimizer")
        }
        load_weights(self.model, part["model"], str(self.checkpoint))
        self.averages.weights = {k: v.to(self.device) for k, v in part["average"].items()}
        restore_optimizer(self.optimizer, part["optimizer"])
        self.step, self.seconds = int(facts["step"]), float(facts["seconds"])
