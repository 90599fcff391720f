"""Learning rate, averaged weights: what every trainer shares. All pure functions of the step."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dreamcade.core.errors import CheckpointError


def learning_rate(step: int, steps: int, peak: float, warm_up: int = 100, flat: float = 0.5) -> float:
    """Linear warm-up, flat until `flat` of all steps, then linearly down to 2 % of `peak`."""
    if step < warm_up:
        return peak * (step + 1) / warm_up
    rest = max(0.0, (step / steps - flat) / (1 - flat))
    return peak * (1 - 0.98 * min(rest, 1.0))


class AveragedWeights:
    """Exponential moving average of a model's parameters; young averages forget faster."""

    def __init__(self, model: nn.Module, decay: float = 0.998) -> None:
        self.decay = decay
        self.weights = {name: p.detach().clone() for name, p in model.named_parameters()}

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        decay = min(self.decay, (step + 1) / (step + 20))
        names, current = zip(*model.named_parameters(), strict=True)
        torch._foreach_lerp_([self.weights[n] for n in names], list(current), 1 - decay)

    def copy_to(self, model: nn.Module) -> None:
        """Overwrites the parameters of `model` with the averages."""
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                parameter.copy_(self.weights[name])


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """An optimizer's state as flat named tensors (`index.key`)."""
    state = optimizer.state_dict()["state"]
    return {f"{i}.{key}": torch.as_tensor(v) for i, entry in state.items() for key, v in entry.items()}


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor], source: str) -> None:
    """Inverse of `optimizer_tensors`. Raises `CheckpointError`, naming `source`, where they are another optimizer's."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        index, key = name.split(".", 1)
        if int(index) >= len(parameters) or (tensor.ndim and tensor.shape != parameters[int(index)].shape):
            raise CheckpointError(f"{source}: the optimizer's state belongs to other parameters")
        state.setdefault(int(index), {})[key] = tensor.clone()
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
