"""Trains a codec in two stages.

First the deep half, on small pictures of the whole dataset: pixels and edges. Then, with the encoder fixed, the way
back to full frames, on crops of fewer of them: pixels, edges, and what an eye would notice (LPIPS).
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from dreamcade.codec import Codec, CodecConfig
from dreamcade.core.checkpoint import load_facts, save_tensors
from dreamcade.core.config import JsonConfig
from dreamcade.core.device import fast_dtype, fast_products
from dreamcade.core.errors import CheckpointError
from dreamcade.core.types import Pixels
from dreamcade.evaluation.lpips import LPIPS
from dreamcade.evaluation.machine import machine_name
from dreamcade.training.checkpoint import load_training, save_training
from dreamcade.training.frame_pool import crop, draw_corners
from dreamcade.training.loop import Report, train_until
from dreamcade.training.picture_store import PictureEpisode, colours, draw_pictures, pool_on
from dreamcade.training.schedule import AveragedWeights, learning_rate
from dreamcade.training.throughput import Throughput
from dreamcade.training.workers import Workers

FITTED_PIXELS = 20_000_000
"""Pixels of the pictures that the linear paths are fitted to; in double precision they take half a gigabyte."""
CROPS_OF_A_FRAME = 3
"""Reading a frame and encoding it costs more than a crop of it."""


@dataclass(frozen=True, slots=True)
class CodecTraining(JsonConfig):
    """How long and how to train."""

    steps: int = 10000
    frames_from: float = 0.7
    """Share of the training after which full frames take the place of small pictures."""
    batch: int = 12
    crop: int = 128
    """Largest side of the crops of full frames, in pixels; smaller frames are taken whole or nearly so."""
    peak_rate: float = 1e-3
    """Highest learning rate of the deep half in the first stage …"""
    linear_share: float = 0.05
    """… of which its linear paths get this share: they begin at the best map and have thousands of inputs, so that
    Adam's equal steps would throw it away …"""
    decoder_rate: float = 3e-4
    """… of its decoder in the second, so that it learns what the light half needs without losing what it knows …"""
    detail_rate: float = 4e-3
    """… and of the light half there."""
    flat: float = 0.4
    """Share of each stage after which its learning rate falls."""
    latent_noise: float = 0.03
    """Deviation of the noise on latents, so that neighbours of a latent decode to neighbours of its picture."""
    seed: int = 0
    edge_weight: float = 3.0
    perceptual_weight: float = 0.02
    perceptual_from: float = 0.5
    """LPIPS joins after this share of the second stage, on `perceptual_batch` of the crops."""
    perceptual_batch: int = 2
    check_every: int = 500

    def fitted(self, config: CodecConfig) -> CodecTraining:
        """The same for a codec of `config`: one that draws whole frames has no light half that learns them, so what
        they look like counts more, and from the second stage's beginning."""
        if config.reduction > 1:
            return self
        return dataclasses.replace(self, perceptual_weight=0.2, perceptual_from=0.0, perceptual_batch=6)

    @property
    def first_stage(self) -> int:
        """Steps on small pictures."""
        return round(self.frames_from * self.steps)


def fit_normalisation(config: CodecConfig, colours: Tensor) -> CodecConfig:
    """The config with mean and deviation of each colour over sample pictures `[N, 3, h, w]` in [−1, 1]."""
    deviation, mean = torch.std_mean(colours, dim=(0, 2, 3))
    return dataclasses.replace(config, mean=tuple(mean.tolist()), deviation=tuple(deviation.tolist()))


def stored_normalisation(config: CodecConfig, checkpoint: Path) -> CodecConfig:
    """The config with the mean and deviation that the codec in `checkpoint` has been trained with.

    Raises `CheckpointError` where the file does not tell them.
    """
    stored = load_facts(checkpoint).get("config", {})
    if not {"mean", "deviation"} <= stored.keys():
        raise CheckpointError(f"{checkpoint} is no codec's checkpoint; restore a copy, or replace it with --fresh")
    return dataclasses.replace(config, mean=tuple(stored["mean"]), deviation=tuple(stored["deviation"]))


def edge_weights(pictures: Tensor, strength: float, scale: int) -> Tensor:
    """Weights `[N, 1, h, w]`: up to 1 + strength where a pixel differs from its surroundings (some 3 · `scale` pixels
    wide), so that small things (car, kerbs, skid marks, indicators) survive."""
    coarse = F.avg_pool2d(F.avg_pool2d(pictures, scale), 3, stride=1, padding=1, count_include_pad=False)
    around = F.interpolate(coarse, size=pictures.shape[2:])
    return 1 + strength * (2 * (pictures - around).abs().amax(1, keepdim=True)).clamp(max=1)


def pixel_loss(made: Tensor, real: Tensor, strength: float, scale: int) -> Tensor:
    """Smooth absolute and squared error of pictures in [−1, 1], weighted by `edge_weights`."""
    squared = (made - real).square()
    return (((squared + 1e-4).sqrt() + 2 * squared) * edge_weights(real, strength, scale)).mean()


class CodecTrainer:
    """Owns codec, averages and optimizer; `run` trains to the end and can be stopped at any step."""

    def __init__(
        self,
        config: CodecConfig,
        settings: CodecTraining,
        folder: Path,
        pictures: list[PictureEpisode],
        frames: Pixels,
        heldout: Pixels,
        device: torch.device,
        workers: Workers | None = None,
    ) -> None:
        self.settings, self.folder, self.device = settings.fitted(config), folder, device
        self.workers = workers or Workers()
        self.pictures, self.heldout = pictures, heldout
        self.frames = torch.from_numpy(frames).to(device)
        self.pool = pool_on(device, pictures)
        torch.manual_seed(settings.seed)
        self.codec = Codec(config).to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        linear = [*self.codec.encoder.linear.parameters(), *self.codec.decoder.linear.parameters()]
        deep = [
            p
            for half in (self.codec.encoder, self.codec.decoder)
            for n, p in half.named_parameters()
            if not n.startswith("linear.")
        ]
        light = [] if self.codec.detail is None else [*self.codec.detail.parameters()]
        groups = [{"params": linear}, {"params": deep}, {"params": light}]
        self.optimizer = torch.optim.AdamW(groups, lr=0.0, betas=(0.9, 0.98), weight_decay=1e-3)
        self.averages = AveragedWeights(self.codec)
        self.lpips = LPIPS.load().to(device)
        self.throughput = Throughput(device, fast_dtype(device))
        self.step, self.seconds = 0, 0.0

    @property
    def checkpoint(self) -> Path:
        return self.folder / "codec.checkpoint.safetensors"

    def prepare(self, resume: bool) -> None:
        """Loads the checkpoint where `resume` asks for it, or starts the deep half at the best linear map."""
        if not (resume and self.checkpoint.exists()):
            _, height, width = self.codec.config.picture_shape
            count = min(600, max(1, FITTED_PIXELS // (height * width)))
            sample = draw_pictures(self.pictures, count, np.random.default_rng(self.settings.seed), self.device)
            self.codec.fit(sample)
            self.averages = AveragedWeights(self.codec)
            return
        facts = load_training(self.checkpoint, self.codec, self.averages, self.optimizer, self.device)
        self.step, self.seconds = int(facts["step"]), float(facts["seconds"])

    def run(self, report: Report) -> None:
        """Trains until `settings.steps`; `report(step, figures)` is called after every step. Stopped by Ctrl-C, it
        saves first."""
        self.workers.share(self.codec)
        torch.manual_seed(self.settings.seed + self.step * self.workers.count + self.workers.rank)
        rng = np.random.default_rng([self.settings.seed, self.step, self.workers.rank])
        every = self.settings.check_every
        train_until(
            self, self.settings.steps, lambda: self._train_step(rng), report, batch=self.settings.batch,
            check_every=every, save_every=every, figures=self.folder / "codec.figures.jsonl",
        )  # fmt: skip

    def _train_step(self, rng: np.random.Generator) -> dict[str, float]:
        settings, first = self.settings, self.settings.first_stage
        if self.step < first:
            step, steps, deep, light = self.step, first, settings.peak_rate, 0.0
        else:
            step, steps = self.step - first, settings.steps - first
            deep, light = settings.decoder_rate, settings.detail_rate
        peaks = settings.linear_share * deep, deep, light
        for group, peak in zip(self.optimizer.param_groups, peaks, strict=True):
            group["lr"] = learning_rate(step, steps, peak, flat=settings.flat)
        self.optimizer.zero_grad(set_to_none=True)
        perceptual = step >= settings.perceptual_from * steps

        def work() -> Tensor:
            loss = self._picture_loss(rng) if self.step < first else self._frame_loss(rng, perceptual)
            torch.autograd.backward(loss)
            return loss

        loss = self.throughput.counted((self.step < first, perceptual), work)
        self.workers.average_gradients(self.codec)
        torch.nn.utils.clip_grad_norm_(self.codec.parameters(), 1.0)
        self.optimizer.step()
        self.averages.update(self.codec, step)
        return {"loss": loss.item(), "rate": max(group["lr"] for group in self.optimizer.param_groups)}

    def _picture_loss(self, rng: np.random.Generator) -> Tensor:
        real = self._draw(rng)
        with fast_products(self.device):
            latents = self.codec.encode_pictures(self.codec.normalise(real))
            latents = latents + self.settings.latent_noise * torch.randn_like(latents)
            made = self.codec.colours(self.codec.decode_pictures(latents))
        return pixel_loss(made.float(), real, self.settings.edge_weight, scale=2)

    def _draw(self, rng: np.random.Generator) -> Tensor:
        if self.pool is None:
            return draw_pictures(self.pictures, self.settings.batch, rng, self.device)
        drawn = torch.from_numpy(rng.integers(len(self.pool), size=self.settings.batch)).to(self.device)
        return colours(self.pool[drawn], self.device)

    def _frame_loss(self, rng: np.random.Generator, perceptual: bool) -> Tensor:
        """On crops, a few of each frame: the deep half works on whole pictures, what is expensive only on the crops."""
        settings, r = self.settings, self.codec.config.reduction
        drawn = np.sort(rng.choice(len(self.frames), max(1, settings.batch // CROPS_OF_A_FRAME)))
        frames = colours(self.frames[torch.from_numpy(drawn).to(self.device)], self.device)
        side = min(settings.crop, *frames.shape[2:])
        corners = draw_corners(len(frames) * CROPS_OF_A_FRAME, frames.shape[2:], side, 2 * r, rng)
        with fast_products(self.device):
            with torch.no_grad():
                latents = self.codec.encode_pictures(self.codec.reduce(frames))
                latents = latents + settings.latent_noise * torch.randn_like(latents)
            pictures = self.codec.decode_pictures(latents).repeat_interleave(CROPS_OF_A_FRAME, 0)
            made = self.codec.enlarge(crop(pictures, corners // r, side // r)).float()
        frames = frames.repeat_interleave(CROPS_OF_A_FRAME, 0)
        real = crop(frames, corners, side)
        loss = pixel_loss(made, real, settings.edge_weight, scale=8)
        if perceptual:
            part = slice(0, None, max(1, len(made) // settings.perceptual_batch))
            loss = loss + settings.perceptual_weight * self.lpips(made[part].clamp(-1, 1), real[part]).mean()
        return loss

    @torch.inference_mode()
    def held_out_figures(self) -> dict[str, float]:
        """PSNR (dB) and LPIPS of the averaged codec on held-out frames."""
        codec = self.averaged_codec()
        psnr, picture_psnr, lpips = [], [], []
        for frame in self.heldout:
            real = colours(frame[None], self.device)
            pictures = codec.reduce(real)
            remade = codec.decode_pictures(codec.encode_pictures(pictures))
            redrawn = codec.enlarge(remade).clamp(-1, 1)
            picture_psnr.append(decibels(codec.colours(remade), codec.colours(pictures)))
            psnr.append(decibels(redrawn, real))
            lpips.append(float(self.lpips(redrawn, real)))
        return {
            "psnr": float(np.mean(psnr)),
            "psnr_small_picture": float(np.mean(picture_psnr)),
            "lpips": float(np.mean(lpips)),
        }

    def averaged_codec(self) -> Codec:
        """A copy of the codec with the averaged weights, in evaluation mode."""
        codec = Codec(self.codec.config)
        self.averages.copy_to(codec)
        return codec.eval().to(device=self.device, memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]

    def save(self) -> None:
        """Writes the resumable checkpoint and the averaged weights, each atomically; the leading worker does."""
        if not self.workers.leads:
            return
        facts = {
            "step": self.step,
            "seconds": self.seconds,
            "config": self.codec.config.to_json(),
            "settings": self.settings.to_json(),
            "machine": machine_name(self.device),
        }
        save_tensors(self.folder / "codec.safetensors", self.averaged_codec().state_dict(), facts)
        save_training(self.checkpoint, self.codec, self.averages, self.optimizer, facts)


def decibels(made: Tensor, real: Tensor) -> float:
    """PSNR of pictures in [−1, 1]."""
    return float(10 * torch.log10(4 / (made - real).square().mean()))
