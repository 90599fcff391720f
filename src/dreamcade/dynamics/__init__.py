"""Past latents and actions → the next latent."""

from dreamcade.dynamics.config import DynamicsConfig
from dreamcade.dynamics.diffusion_config import PRESETS, DiffusionTransformerConfig
from dreamcade.dynamics.diffusion_state import DiffusionState
from dreamcade.dynamics.diffusion_transformer import DiffusionTransformer
from dreamcade.dynamics.dynamics import LOWEST_LEVEL, Abandoned, Context, Dynamics
from dreamcade.dynamics.entries import Keeping
from dreamcade.dynamics.extrapolation import ExtrapolationConfig, Extrapolator
from dreamcade.dynamics.predictor import ActionPredictor, PredictorConfig
from dreamcade.dynamics.state import DynamicsState

__all__ = [
    "LOWEST_LEVEL",
    "PRESETS",
    "Abandoned",
    "ActionPredictor",
    "Context",
    "DiffusionState",
    "DiffusionTransformer",
    "DiffusionTransformerConfig",
    "Dynamics",
    "DynamicsConfig",
    "DynamicsState",
    "ExtrapolationConfig",
    "Extrapolator",
    "Keeping",
    "PredictorConfig",
]
