"""Optimizers, the learning-rate schedule and EMA weights."""

import copy
import math
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from core.config import TrainConfig

_A, _B, _C = 3.4445, -4.7750, 2.0315
"""Coefficients of the Newton-Schulz iteration (Jordan et al. 2024)."""


class Muon(torch.optim.Optimizer):
    """Momentum orthogonalised by a Newton-Schulz iteration, for convolution weights.

    Jordan et al. 2024 (https://kellerjordan.github.io/posts/muon/), as cifar10-airbench uses it: a weight of shape
    (out, in, 3, 3) is taken as a matrix (out, in * 9). `torch.optim.Muon` takes matrices only.

    Args:
        steps: of the Newton-Schulz iteration.
    """

    def __init__(
        self,
        parameters: Iterable[Tensor],
        lr: float,
        momentum: float = 0.95,
        weight_decay: float = 0.0,
        steps: int = 3,
    ) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})
        self.steps = steps  # not in the groups, which a checkpoint of an older version replaces
        self.found_inf: Tensor | None = None
        """0 or 1: whether this step's loss was not finite, as PyTorch's fused optimizers have it."""
        self._scales: Tensor | None = None

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        assert closure is None
        for group in self.param_groups:
            parameters = [parameter for parameter in group["params"] if parameter.grad is not None]
            for parameter in parameters:
                if not self.state[parameter]:
                    self.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
            if not parameters:
                continue
            move = self._move_together if isinstance(group["lr"], Tensor) else self._move_each
            move(group, parameters, [self.state[parameter]["momentum_buffer"] for parameter in parameters])

    def _move_each(self, group: dict[str, Any], parameters: list[Tensor], buffers: list[Tensor]) -> None:
        """One matrix after the other, without padding: what a CPU does fastest."""
        if self.found_inf is not None and self.found_inf:
            return
        for parameter, buffer in zip(parameters, buffers, strict=True):
            assert parameter.grad is not None
            buffer.lerp_(parameter.grad, 1 - group["momentum"])
            nesterov = parameter.grad.lerp(buffer, group["momentum"])
            update = orthogonalise(nesterov.flatten(1), self.steps).view_as(parameter)
            parameter.mul_(1 - group["lr"] * group["weight_decay"])
            parameter.add_(update, alpha=-group["lr"] * _scale(parameter))

    def _move_together(self, group: dict[str, Any], parameters: list[Tensor], buffers: list[Tensor]) -> None:
        """All matrices in one stack, the rate read from its tensor: few kernels, and no wait for the device. After a
        loss that is not finite the parameters stay as they are; the momentum is lost, and the run ends."""
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        torch._foreach_lerp_(buffers, gradients, 1 - group["momentum"])
        nesterov = list(torch._foreach_lerp(gradients, buffers, group["momentum"]))
        updates = orthogonalise_together(nesterov, self.steps)
        rate = group["lr"]
        if self.found_inf is not None:
            bad = self.found_inf != 0
            rate, updates = rate.masked_fill(bad, 0), updates.masked_fill(bad, 0)
        if self._scales is None:
            scales = torch.tensor([_scale(parameter) for parameter in parameters], device=updates.device)
            self._scales = scales.view(-1, 1, 1)
        updates = updates * (self._scales * -rate)
        torch._foreach_mul_(parameters, 1 - rate * group["weight_decay"])
        torch._foreach_add_(parameters, _unstack(updates, parameters))


def _scale(parameter: Tensor) -> float:
    """What the update of a matrix with more rows than columns is multiplied by."""
    return float(max(1.0, parameter.shape[0] / parameter[0].numel()) ** 0.5)


def orthogonalise(matrix: Tensor, steps: int = 3) -> Tensor:
    """The nearest semi-orthogonal matrix, roughly. Three steps, as cifar10-airbench takes, leave small singular values
    smaller than five do; core/README.md has what that did to the accuracy.

    Newton-Schulz iteration of degree five with the coefficients of Jordan et al. 2024, in bfloat16.

    Args:
        matrix: (rows, columns).

    Returns:
        (rows, columns), the type of the input.
    """
    x = matrix.bfloat16()
    if x.shape[0] > x.shape[1]:
        x = x.mT
    x = x / (x.norm() + 1e-7)
    for _ in range(steps):
        gram = x @ x.mT
        polynomial = torch.addmm(gram, gram, gram, beta=_B, alpha=_C)
        x = torch.addmm(x, polynomial, x, beta=_A)
    if matrix.shape[0] > matrix.shape[1]:
        x = x.mT
    return x.to(matrix.dtype)


def orthogonalise_together(weights: list[Tensor], steps: int) -> Tensor:
    """As `orthogonalise`, for several at once: a few products of stacks, where one matrix alone leaves a GPU idle.

    They are padded with zeros to one shape. The iteration keeps these zero, so the rest comes out as it would alone.

    Args:
        weights: each (rows, ...), taken as a matrix (rows, columns).

    Returns:
        (len(weights), most rows, most columns), bfloat16; `_unstack` takes it apart.
    """
    rows, columns = max(len(each) for each in weights), max(each[0].numel() for each in weights)
    x = torch.zeros(len(weights), rows, columns, dtype=torch.bfloat16, device=weights[0].device)
    torch._foreach_copy_(_unstack(x, weights), weights)
    x = x / (torch.linalg.vector_norm(x, dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(steps):
        gram = x @ x.mT
        polynomial = torch.baddbmm(gram, gram, gram, beta=_B, alpha=_C)
        x = torch.baddbmm(x, polynomial, x, beta=_A)
    return x


def _unstack(stack: Tensor, weights: list[Tensor]) -> list[Tensor]:
    """Views of a stack of padded matrices, in the shapes of the weights."""
    return [
        stack[index, : len(each), : each[0].numel()].unflatten(1, each.shape[1:]) for index, each in enumerate(weights)
    ]


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
                Muon(convolutions, lr=config.muon_learning_rate, weight_decay=decay, steps=config.muon_steps),
                torch.optim.AdamW(groups, lr=rate, **fused),
            ]
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["peak_lr"] = group["lr"]
    return optimizers


def set_rates(optimizers: list[torch.optim.Optimizer], rates: Sequence[float | Tensor]) -> None:
    """Set the rate of every group, in order."""
    groups = [group for optimizer in optimizers for group in optimizer.param_groups]
    for group, rate in zip(groups, rates, strict=True):
        group["lr"] = rate


def peak_rates(optimizers: list[torch.optim.Optimizer]) -> list[float]:
    """The peak rate of every group, in order."""
    return [group["peak_lr"] for optimizer in optimizers for group in optimizer.param_groups]


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

    def weight(self, step: int) -> float:
        """The weight of the present weights at a step (from 0). Early on it is larger, as in TensorFlow."""
        return 1 - min(self.decay, (1 + step) / (10 + step))

    @cached_property
    def _way(self) -> list[Tensor]:
        return [torch.empty_like(value) for value in self._averaged]

    @torch.no_grad()
    def update(self, weight: float | Tensor) -> None:
        """Move towards the present weights, by this fraction of the way."""
        if isinstance(weight, Tensor):
            # one kernel each, which takes that all lists have the same memory layout: new tensors may have another
            torch._foreach_copy_(self._way, self._current)
            torch._foreach_sub_(self._way, self._averaged)
            torch._foreach_mul_(self._way, weight)
            torch._foreach_add_(self._averaged, self._way)
        else:
            torch._foreach_lerp_(self._averaged, self._current, weight)
