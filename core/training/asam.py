"""Adaptive sharpness-aware minimisation (Kwon et al. 2021): the gradient is taken where the loss is highest nearby.

"Nearby" is measured in proportion to each weight, so that scaling two layers against each other changes nothing. It
takes a second forward and backward pass.
"""

import contextlib
from collections.abc import Iterator
from typing import Final

import torch
from torch import Tensor, nn

_ETA: Final = 0.01
"""Added to the size of each weight, as in the paper's code: a weight of zero may move, too."""
_BATCH_NORM: Final = (nn.BatchNorm1d, nn.BatchNorm2d)


@contextlib.contextmanager
def worst_neighbour(model: nn.Module, rho: float) -> Iterator[None]:
    """Inside, the parameters stand where their gradients lead uphill, and have none; afterwards they are back, to the
    last bit, with the gradients that were computed there. Running statistics do not follow: they belong to the weights.

    Args:
        model: with gradients.
        rho: how far to go, in units of the weights' own sizes.
    """
    parameters: list[Tensor] = [parameter for parameter in model.parameters() if parameter.grad is not None]
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    with torch.no_grad():
        kept = [parameter.clone() for parameter in parameters]
        torch._foreach_add_(parameters, _way_up(parameters, gradients, rho))
    for parameter in parameters:
        parameter.grad = None
    norms = [module for module in model.modules() if isinstance(module, _BATCH_NORM)]
    momenta = [module.momentum for module in norms]
    for module in norms:
        module.momentum = 0.0
    try:
        yield
    finally:
        for module, momentum in zip(norms, momenta, strict=True):
            module.momentum = momentum
        with torch.no_grad():
            torch._foreach_copy_(parameters, kept)


def _way_up(parameters: list[Tensor], gradients: list[Tensor], rho: float) -> list[Tensor]:
    """rho t² g / |t g|, where t is the size of a weight, and 1 for biases and norm layers."""
    way = list(gradients)
    weights = [index for index, parameter in enumerate(parameters) if parameter.ndim > 1]
    sizes = torch._foreach_abs([parameters[index] for index in weights])
    torch._foreach_add_(sizes, _ETA)
    scaled = torch._foreach_mul([gradients[index] for index in weights], sizes)
    for index, each in zip(weights, scaled, strict=True):
        way[index] = each
    length = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(way))) + 1e-16
    torch._foreach_mul_(scaled, sizes)
    way = [each.clone() if each is gradient else each for each, gradient in zip(way, gradients, strict=True)]
    torch._foreach_mul_(way, rho / length)
    return way
