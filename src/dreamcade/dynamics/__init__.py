"""Past latents and actions → the next latent."""

from dreamcade.dynamics.config import DynamicsConfig
from dreamcade.dynamics.dynamics import Context, Dynamics
from dreamcade.dynamics.state import DynamicsState

__all__ = ["Context", "Dynamics", "DynamicsConfig", "DynamicsState"]
