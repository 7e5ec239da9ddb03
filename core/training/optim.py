"""Optimizers, the learning-rate schedule and EMA weights."""

import copy
import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from core.config import TrainConfig


class Muon(torch.optim.Optimizer):
    """Momentum orthogonalised by a Newton-Schulz iteration, for convolution weights.

    Jordan et al. 2024 (https://kellerjordan.github.io/posts/muon/), as cifar10-airbench uses it: a weight of shape
    (out, in, 3, 3) is taken as a matrix (out, in * 9). `torch.optim.Muon` takes matrices only.
    """

    def __init__(self, parameters: Iterable[Tensor], lr: float, momentum: float = 0.95, weight_decay: float = 0.0):
        super().__init__(parameters, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        assert closure is None
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                if not state:
                    state["momentum_buffer"] = torch.zeros_like(parameter)
                buffer = state["momentum_buffer"]
                buffer.lerp_(parameter.grad, 1 - group["momentum"])
                nesterov = parameter.grad.lerp(buffer, group["momentum"])
                update = orthogonalise(nesterov.flatten(1)).view_as(parameter)
                parameter.mul_(1 - group["lr"] * group["weight_decay"])
                scale = max(1.0, parameter.shape[0] / parameter[0].numel()) ** 0.5
                parameter.add_(update, alpha=-group["lr"] * scale)


def orthogonalise(matrix: Tensor, steps: int = 3) -> Tensor:
    """The nearest semi-orthogonal matrix, roughly. Three steps, as cifar10-airbench takes, leave small singular values
    smaller than five do; core/README.md has what that did to the accuracy.

    Newton-Schulz iteration of degree five with the coefficients of Jordan et al. 2024, in bfloat16.

    Args:
        matrix: (rows, columns).

    Returns:
        (rows, columns), the type of the input.
    """
    a, b, c = 3.4445, -4.7750, 2.0315
    x = matrix.bfloat16()
    if x.shape[0] > x.shape[1]:
        x = x.mT
    x = x / (x.norm() + 1e-7)
    for _ in range(steps):
        gram = x @ x.mT
        polynomial = torch.addmm(gram, gram, gram, beta=b, alpha=c)
        x = torch.addmm(x, polynomial, x, beta=a)
    if matrix.shape[0] > matrix.shape[1]:
        x = x.mT
    return x.to(matrix.dtype)


def build_optimizers(model: nn.Module, config: TrainConfig) -> list[torch.optim.Optimizer]:
    """One optimizer, or for `muon` two. Each parameter group remembers its peak rate as `peak_lr`."""
    weights = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim <= 1]  # norms and biases
    rate, decay = config.learning_rate, config.weight_decay
    groups: list[dict[str, Any]] = [{"params": weights, "weight_decay": decay}, {"params": others, "weight_decay": 0.0}]
    # one kernel for all tensors where there is one for this device and optimizer
    fused: dict[str, Any] = {"fused": True}
    optimizers: list[torch.optim.Optimizer]
    match config.optimizer:
        case "adam":  # as the original project: L2 on everything
            optimizers = [torch.optim.Adam(model.parameters(), lr=rate, weight_decay=decay, **fused)]
        case "adamw":
            optimizers = [torch.optim.AdamW(groups, lr=rate, **fused)]
        case "sgd":
            optimizers = [torch.optim.SGD(groups, lr=rate, momentum=0.9, nesterov=True, **fused)]
        case "muon":
            convolutions = [p for p in weights if p.ndim == 4]
            groups[0]["params"] = [p for p in weights if p.ndim != 4]
            optimizers = [
                Muon(convolutions, lr=config.muon_learning_rate, weight_decay=decay),
                torch.optim.AdamW(groups, lr=rate, **fused),
            ]
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["peak_lr"] = group["lr"]
    return optimizers


def set_rate(optimizers: list[torch.optim.Optimizer], factor: float) -> None:
    """Set every group's rate to a fraction of its peak."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = group["peak_lr"] * factor


def rate_factor(config: TrainConfig, step: int, total: int) -> float:
    """The fraction of the peak rate at a step (from 0) of `total`: linear warmup, then the schedule, 0 at the end."""
    warmup = config.warmup_fraction * total
    if step < warmup:
        return (step + 1) / (math.floor(warmup) + 1)
    left = (total - step) / max(1.0, total - warmup)  # 1 after the warmup, towards 0 at the end
    match config.schedule:
        case "constant":
            return 1.0
        case "cosine":
            return 0.5 - 0.5 * math.cos(math.pi * left)
        case "linear":
            return left


class EmaWeights:
    """An exponential moving average of weights and batch-norm statistics, kept as a model of its own."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model = copy.deepcopy(model).eval().requires_grad_(False)
        self.decay = decay
        self._averaged = [value for value in self.model.state_dict().values() if value.is_floating_point()]
        self._current = [value for value in model.state_dict().values() if value.is_floating_point()]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Move towards the present weights. Early on the decay is smaller, as in TensorFlow."""
        decay = min(self.decay, (1 + step) / (10 + step))
        get_ema_multi_avg_fn(decay)(self._averaged, self._current, None)
