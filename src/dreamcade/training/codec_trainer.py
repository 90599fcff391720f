"""Trains a codec's decoder: pixels, edges, and what an eye would notice (LPIPS)."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from dreamcade.codec import Codec, CodecConfig
from dreamcade.core.checkpoint import save_tensors
from dreamcade.core.config import JsonConfig
from dreamcade.core.types import Pixels
from dreamcade.evaluation.lpips import LPIPS
from dreamcade.training.checkpoint import load_training, save_training
from dreamcade.training.frame_pool import draw_crops, to_model
from dreamcade.training.schedule import AveragedWeights, learning_rate


@dataclass(frozen=True, slots=True)
class CodecTraining(JsonConfig):
    """How long and how to train."""

    steps: int = 8000
    batch: int = 12
    crop: int = 128
    peak_rate: float = 4e-3
    seed: int = 0
    edge_weight: float = 3.0
    perceptual_weight: float = 0.02
    perceptual_from: float = 0.6
    """LPIPS joins after this share of the training, on `perceptual_batch` of the crops."""
    perceptual_batch: int = 2
    check_every: int = 500


def fit_normalisation(frames: Pixels, config: CodecConfig) -> CodecConfig:
    """The config with the colours' mean and deviation over sample frames uint8 `[N, H, W, 3]`."""
    import dataclasses

    small = F.avg_pool2d(to_model(frames), config.reduction)
    deviation, mean = torch.std_mean(small, dim=(0, 2, 3))
    return dataclasses.replace(config, mean=tuple(mean.tolist()), deviation=tuple(deviation.tolist()))


def edge_weights(frames: Tensor, strength: float) -> Tensor:
    """Weights `[N, 1, H, W]`: up to 1 + strength where a pixel differs from its wider surroundings, so that small
    things (car, kerbs, skid marks, indicators) survive."""
    coarse = F.avg_pool2d(F.avg_pool2d(frames, 4), 5, stride=1, padding=2, count_include_pad=False)
    around = F.interpolate(coarse, size=frames.shape[2:])
    return 1 + strength * (2 * (frames - around).abs().amax(1, keepdim=True)).clamp(max=1)


class CodecTrainer:
    """Owns codec, averages and optimizer; `run` trains to the end and can be stopped at any step."""

    def __init__(
        self,
        config: CodecConfig,
        settings: CodecTraining,
        folder: Path,
        train: Pixels,
        heldout: Pixels,
        device: torch.device,
    ) -> None:
        self.settings, self.folder, self.device = settings, folder, device
        self.train, self.heldout = train, heldout
        torch.manual_seed(settings.seed)
        self.codec = Codec(config).to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimizer = torch.optim.AdamW(self.codec.parameters(), lr=0.0, betas=(0.9, 0.99), weight_decay=1e-4)
        self.averages = AveragedWeights(self.codec)
        self.lpips = LPIPS.load().to(device)
        self.step, self.seconds = 0, 0.0

    @property
    def checkpoint(self) -> Path:
        return self.folder / "codec.checkpoint.safetensors"

    def resume(self) -> None:
        """Continues from the checkpoint, where there is one."""
        if not self.checkpoint.exists():
            return
        facts = load_training(self.checkpoint, self.codec, self.averages, self.optimizer, self.device)
        self.step, self.seconds = int(facts["step"]), float(facts["seconds"])

    def run(self, report: Callable[[int, dict[str, float]], None]) -> None:
        """Trains until `settings.steps`; `report(step, figures)` is called after every step."""
        rng = np.random.default_rng([self.settings.seed, self.step])
        while self.step < self.settings.steps:
            began = time.perf_counter()
            figures = self._train_step(rng)
            self.step += 1
            self.seconds += time.perf_counter() - began
            if self.step % self.settings.check_every == 0 or self.step == self.settings.steps:
                figures |= self.held_out_figures()
                self.save()
            report(self.step, figures)

    def _train_step(self, rng: np.random.Generator) -> dict[str, float]:
        rate = learning_rate(self.step, self.settings.steps, self.settings.peak_rate, flat=0.3)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        step = 2 * self.codec.config.reduction
        crops = draw_crops(self.train, self.settings.batch, self.settings.crop, step, rng).to(self.device)
        crops = crops.contiguous(memory_format=torch.channels_last)
        redrawn = self.codec.decode_frames(self.codec.encode_frames(crops))
        loss = self._loss(redrawn, crops)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.codec.parameters(), 1.0)
        self.optimizer.step()
        self.averages.update(self.codec, self.step)
        return {"loss": loss.item(), "rate": rate}

    def _loss(self, redrawn: Tensor, crops: Tensor) -> Tensor:
        settings = self.settings
        difference = redrawn - crops
        smooth = (difference.square() + 1e-4).sqrt() + 2 * difference.square()
        loss = (smooth * edge_weights(crops, settings.edge_weight)).mean()
        if self.step >= settings.perceptual_from * settings.steps:
            part = slice(settings.perceptual_batch)
            loss = loss + settings.perceptual_weight * self.lpips(redrawn[part].clamp(-1, 1), crops[part]).mean()
        return loss

    @torch.inference_mode()
    def held_out_figures(self) -> dict[str, float]:
        """PSNR (dB) and LPIPS of the averaged codec on held-out frames."""
        codec = self.averaged_codec()
        psnr, lpips = [], []
        for frame in self.heldout:
            real = to_model(frame[None]).to(self.device)
            redrawn = codec.decode_frames(codec.encode_frames(real)).clamp(-1, 1)
            psnr.append(float(10 * torch.log10(4 / (redrawn - real).square().mean())))
            lpips.append(float(self.lpips(redrawn, real)))
        return {"psnr": float(np.mean(psnr)), "lpips": float(np.mean(lpips))}

    def averaged_codec(self) -> Codec:
        """A copy of the codec with the averaged weights, in evaluation mode."""
        codec = Codec(self.codec.config)
        self.averages.copy_to(codec)
        return codec.eval().to(device=self.device, memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]

    def save(self) -> None:
        """Writes the resumable checkpoint and the averaged weights, each atomically."""
        facts = {
            "step": self.step,
            "seconds": self.seconds,
            "config": self.codec.config.to_json(),
            "settings": self.settings.to_json(),
        }
        save_training(self.checkpoint, self.codec, self.averages, self.optimizer, facts)
        save_tensors(self.folder / "codec.safetensors", self.averaged_codec().state_dict(), facts)
