"""From images to class probabilities: the one forward pass of validation, evaluation and prediction."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.labels import NUM_CLASSES
from core.models.preprocess import to_input

BATCH: Final = 256
"""Images per forward pass. Fixed: the last digits of a convolution may depend on it."""

Views = tuple[tuple[bool, int, int], ...]
"""Test-time augmentation: views (flipped, pixels right, pixels down) whose probabilities are averaged."""

PLAIN: Final[Views] = ((False, 0, 0),)
FLIP: Final[Views] = ((False, 0, 0), (True, 0, 0))
FLIP_AND_SHIFT: Final[Views] = tuple(
    (flip, right, down) for flip in (False, True) for right, down in ((0, 0), (2, 0), (-2, 0), (0, 2), (0, -2))
)


@contextlib.contextmanager
def exact_float32() -> Iterator[None]:
    """No TensorFloat-32: its ten bits of mantissa would give a GPU other results than a CPU."""
    matmul, cudnn = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = matmul, cudnn


@torch.no_grad()
def class_probabilities(
    model: nn.Module,
    images: Tensor,
    *,
    views: Views = PLAIN,
    keep_going: Callable[[], bool] = lambda: True,
) -> Tensor:
    """Probabilities of the seven classes, the mean over the views, in exact float32 whatever the training's precision;
    leaves the model in evaluation mode.

    Args:
        model: on the device of the images.
        images: uint8 (N, 48, 48).
        views: what to average over; one plain view by default.
        keep_going: asked before each batch.

    Returns:
        float32 (N, 7) on the same device, rows summing to 1.

    Raises:
        InterruptedError: `keep_going` returned False.
    """
    model.eval()
    result = torch.zeros(len(images), NUM_CLASSES, device=images.device)
    for start in range(0, len(images), BATCH):
        batch = images[start : start + BATCH]
        # Of few images all views go through the model together, which costs little more than one of them.
        together = len(views) if len(batch) * len(views) <= BATCH else 1
        for first in range(0, len(views), together):
            if not keep_going():
                raise InterruptedError
            seen = torch.cat([_view(batch, *view) for view in views[first : first + together]])
            with exact_float32():
                logits = model(to_input(seen).contiguous(memory_format=torch.channels_last))
            each = F.softmax(logits, dim=1).unflatten(0, (together, len(batch)))
            result[start : start + BATCH] += each.sum(dim=0)
    return result / len(views)


def _view(images: Tensor, flipped: bool, right: int, down: int) -> Tensor:
    """uint8 (B, 48, 48), flipped horizontally and translated by whole pixels, edges replicated."""
    if flipped:
        images = images.flip(2)
    if right or down:
        height, width = images.shape[1:]
        rows = (torch.arange(height, device=images.device) - down).clamp(0, height - 1)
        columns = (torch.arange(width, device=images.device) - right).clamp(0, width - 1)
        images = images[:, rows][:, :, columns]
    return images
