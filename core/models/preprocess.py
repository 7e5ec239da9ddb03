"""From a 48x48 gray image to the model input: the one function that training, evaluation and prediction share."""

import torch
from torch import Tensor

from core.models import IMAGE_SIZE


def to_input(images: Tensor) -> Tensor:
    """Scale gray images to 0..1, as `torchvision.transforms.ToTensor` does, and add the channel axis.

    The original project's weights expect exactly this: no mean is subtracted.

    Args:
        images: uint8 (B, 48, 48), 0..255, on any device.

    Returns:
        float32 (B, 1, 48, 48) in 0..1, on the same device.
    """
    assert images.dtype == torch.uint8 and images.shape[1:] == (IMAGE_SIZE, IMAGE_SIZE), (images.dtype, images.shape)
    return images.unsqueeze(1).float().div_(255)
