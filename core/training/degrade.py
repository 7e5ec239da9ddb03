"""Loss and excess of detail: what cameras, enlargements and JPEG do to a face before it is 48 pixels wide.

Crops from photos are smoother than FER2013's images. Each function takes a batch (B, 1, 48, 48) in 0..1 with a strength
of its own for every image, (B,), and is a few batched operations without a wait for the device. Products of matrices
take the place of convolutions: a kernel of its own for each image would be a convolution of its own for each image.
"""

import math
from functools import cache
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor

_BLOCK: Final = 8
"""Side of the blocks that JPEG transforms; 48 pixels are six of them."""
_SHARPEST: Final = 1e-2
"""Standard deviation in pixels below which a Gaussian is one pixel wide, and nothing is blurred."""
_LUMINANCE: Final = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
"""Quantisation of luminance at quality 50: ITU-T T.81 (JPEG), table K.1."""


def blur(x: Tensor, sigma: Tensor) -> Tensor:
    """Gaussian blur, the kernel cut at the edges of the image and brought to a sum of one.

    Args:
        x: (B, 1, 48, 48).
        sigma: (B,), standard deviation in pixels; 0 leaves an image as it is.
    """
    across, down = (_gaussian(side, sigma) for side in (x.shape[3], x.shape[2]))
    return (down @ x[:, 0] @ across.mT).unsqueeze(1)


def _gaussian(side: int, sigma: Tensor) -> Tensor:
    """(B, side, side): row i holds the weights of all pixels in the blurred pixel i."""
    position = torch.arange(side, device=sigma.device)
    distance = (position.unsqueeze(1) - position).square().float()
    variance = sigma.clamp(min=_SHARPEST).square().view(-1, 1, 1)
    return torch.softmax(distance / (-2 * variance), dim=2)


def sharpen(x: Tensor, amount: Tensor) -> Tensor:
    """Move away from a smoothed image, or towards it, as Pillow's `ImageEnhance.Sharpness` of factor 1 + amount.

    Args:
        x: (B, 1, 48, 48) in 0..1.
        amount: (B,); 0 leaves an image as it is, -1 gives the smoothed one.
    """
    mean = F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)
    # Pillow weighs the pixel itself by 5 and its neighbours by 1: nine parts of the mean and four of the pixel.
    return (x + (x - mean) * (amount * (9 / 13)).view(-1, 1, 1, 1)).clamp_(0, 1)


def add_noise(x: Tensor, deviation: Tensor) -> Tensor:
    """Add independent Gaussian noise to every pixel.

    Args:
        x: (B, 1, 48, 48) in 0..1.
        deviation: (B,), as a fraction of the full range.
    """
    return (x + torch.randn_like(x) * deviation.view(-1, 1, 1, 1)).clamp_(0, 1)


def compress(x: Tensor, quality: Tensor) -> Tensor:
    """Quantise the cosine transform of 8 x 8 blocks, as JPEG does to gray images; what is lossless in it is left out.

    Args:
        x: (B, 1, 48, 48) in 0..1.
        quality: (B,), 1..100, as libjpeg counts it.

    Returns:
        (B, 1, 48, 48) in 0..1, in steps of a gray level.
    """
    transform, table = _jpeg(x.shape[2], x.device)
    percent = torch.where(quality < 50, 5000 / quality, 200 - 2 * quality).floor().view(-1, 1, 1)
    step = ((table * percent + 50) / 100).floor().clamp(1, 255)  # (B, 48, 48)
    levels = transform @ (x[:, 0] * 255 - 128) @ transform.mT
    pixels = transform.mT @ ((levels / step).round() * step) @ transform
    return ((pixels + 128).round().clamp_(0, 255) / 255).unsqueeze(1)


@cache
def _jpeg(side: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Two (side, side) matrices: the orthogonal cosine transform of each block, and the quantisation at quality 50."""
    frequency = torch.arange(_BLOCK, dtype=torch.float64)
    cosines = torch.cos(math.pi / _BLOCK * frequency.unsqueeze(1) * (frequency + 0.5)) * math.sqrt(2 / _BLOCK)
    cosines[0] /= math.sqrt(2)
    blocks = side // _BLOCK
    transform = torch.block_diag(*[cosines] * blocks)
    table = torch.tensor(_LUMINANCE, dtype=torch.float32).repeat(blocks, blocks)
    return transform.float().to(device), table.to(device)
