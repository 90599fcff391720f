"""Named sizes and training lengths, smallest first."""

from __future__ import annotations

from dataclasses import dataclass

from dreamcade.codec import CodecConfig
from dreamcade.core.errors import UnknownNameError
from dreamcade.dynamics import DynamicsConfig
from dreamcade.training.codec_trainer import CodecTraining
from dreamcade.training.dynamics_trainer import DynamicsTraining


@dataclass(frozen=True, slots=True)
class Preset:
    """Everything that decides how a world is trained, but its data."""

    codec: CodecConfig
    codec_training: CodecTraining
    codec_frames: int
    dynamics: DynamicsConfig
    dynamics_training: DynamicsTraining


PRESETS = {
    # A minute on any machine; it shows that everything runs, and learns nothing worth playing.
    "smoke": Preset(
        codec=CodecConfig(
            channels=16,
            coarse_width=32,
            coarse_blocks=1,
            fine_width=16,
            fine_blocks=1,
            context_width=16,
            context_blocks=1,
            detail_width=5,
        ),
        codec_training=CodecTraining(steps=20, batch=2, check_every=10),
        codec_frames=60,
        dynamics=DynamicsConfig(width=32, depth=2, heads=2, memory=4, memory_layers=(1,)),
        dynamics_training=DynamicsTraining(steps=12, batch=2, check_every=6, save_every=6),
    ),
    # Two cores and half an hour: a first world of a simple game.
    "small": Preset(
        codec=CodecConfig(channels=48, coarse_width=160, coarse_blocks=2, fine_width=48, fine_blocks=2),
        codec_training=CodecTraining(steps=2500),
        codec_frames=1000,
        dynamics=DynamicsConfig(width=128, depth=6, heads=4, condition_width=96, motion_points=16),
        dynamics_training=DynamicsTraining(steps=4000, peak_rate=2e-3),
    ),
    # Two cores and a few hours.
    "laptop": Preset(
        codec=CodecConfig(),
        codec_training=CodecTraining(steps=12000),
        codec_frames=2000,
        dynamics=DynamicsConfig(motion_points=16),
        dynamics_training=DynamicsTraining(steps=24000),
    ),
    # The same networks, trained much longer: one GPU.
    "gpu": Preset(
        codec=CodecConfig(),
        codec_training=CodecTraining(steps=40000, batch=64, check_every=2000),
        codec_frames=4000,
        dynamics=DynamicsConfig(motion_points=16),
        dynamics_training=DynamicsTraining(steps=30000, batch=128, peak_rate=2e-3, check_every=2000, save_every=1000),
    ),
}


def get_preset(name: str) -> Preset:
    """A preset by name; raises `UnknownNameError` with the nearest one."""
    if name not in PRESETS:
        raise UnknownNameError("preset", name, PRESETS)
    return PRESETS[name]
