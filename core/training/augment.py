"""Augmentation on the device: a few batched tensor operations, with parameters of their own for every image.

One affine transform (flip, rotation, shift and zoom composed into one matrix per image, one bilinear resampling), then
brightness and contrast, then erasing. All randomness comes from PyTorch's global generator, which the loop seeds anew
for each step.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.distributions import Beta

from core.config import TrainConfig


@dataclass(frozen=True)
class Augmentation:
    """How strongly to change images; ranges as described in `TrainConfig`."""

    flip: bool
    rotation: float
    shift: float
    zoom: float
    brightness: float
    contrast: float
    erasing: float

    @classmethod
    def from_config(cls, config: TrainConfig) -> "Augmentation":
        return cls(
            config.flip,
            config.rotation,
            config.shift,
            config.zoom,
            config.brightness,
            config.contrast,
            config.erasing,
        )

    def __call__(self, x: Tensor, strength: float = 1.0) -> Tensor:
        """Change a batch.

        Args:
            x: (B, 1, 48, 48) in 0..1.
            strength: 1 for full ranges, down to 0 for the flip alone.

        Returns:
            (B, 1, 48, 48) in 0..1, the same device and type.
        """
        x = self._affine(x, strength)
        if self.brightness or self.contrast:
            x = self._brightness_contrast(x, strength)
        if self.erasing:
            x = self._erase(x, strength)
        return x

    def _affine(self, x: Tensor, strength: float) -> Tensor:
        batch, device = len(x), x.device
        mirror = torch.ones(batch, device=device)
        if self.flip:
            mirror -= 2 * torch.randint(0, 2, (batch,), device=device)
        if strength == 0 or not (self.rotation or self.shift or self.zoom):
            # a mirror alone needs no resampling
            return torch.where((mirror < 0).view(-1, 1, 1, 1), x.flip(3), x)
        angle = _uniform(batch, device) * (strength * math.radians(self.rotation))
        scale = 1 / (1 + _uniform(batch, device) * (strength * self.zoom))  # of the sampling grid, so inverse
        cos, sin = angle.cos() * scale, angle.sin() * scale
        # grid coordinates run from -1 to 1, so a shift by a share of the image is twice that
        right, down = (_uniform(batch, device) * (2 * strength * self.shift) for _ in range(2))
        matrix = torch.stack([cos * mirror, -sin, right, sin * mirror, cos, down], dim=1).view(batch, 2, 3)
        grid = F.affine_grid(matrix, list(x.shape), align_corners=False)  # (B, 48, 48, 2)
        return F.grid_sample(x, grid.to(x.dtype), mode="bilinear", padding_mode="zeros", align_corners=False)

    def _brightness_contrast(self, x: Tensor, strength: float) -> Tensor:
        gain = 1 + _uniform(len(x), x.device).view(-1, 1, 1, 1) * (strength * self.contrast)
        offset = _uniform(len(x), x.device).view(-1, 1, 1, 1) * (strength * self.brightness)
        mean = x.mean(dim=(2, 3), keepdim=True)
        return ((x - mean) * gain + mean + offset).clamp_(0, 1)

    def _erase(self, x: Tensor, strength: float) -> Tensor:
        """Random erasing (Zhong et al. 2020): a rectangle of 2 to 33 % of the area takes the image's mean."""
        batch, _, height, width = x.shape
        area = 0.02 + 0.31 * torch.rand(batch, device=x.device)
        ratio = torch.exp(_uniform(batch, x.device) * math.log(1 / 0.3))
        box_height, box_width = (area * ratio).sqrt() * height, (area / ratio).sqrt() * width
        top = torch.rand(batch, device=x.device) * (height - box_height).clamp(min=0)
        left = torch.rand(batch, device=x.device) * (width - box_width).clamp(min=0)
        rows = torch.arange(height, device=x.device).view(1, -1, 1)
        columns = torch.arange(width, device=x.device).view(1, 1, -1)
        inside = _between(rows, top, box_height) & _between(columns, left, box_width)  # (B, 48, 48)
        chosen = torch.rand(batch, device=x.device) < self.erasing * strength
        inside &= chosen.view(-1, 1, 1)
        return torch.where(inside.unsqueeze(1), x.mean(dim=(2, 3), keepdim=True), x)


def _uniform(batch: int, device: torch.device) -> Tensor:
    """(B,) uniform in -1..1."""
    return torch.rand(batch, device=device) * 2 - 1


def _between(position: Tensor, start: Tensor, length: Tensor) -> Tensor:
    return (position >= start.view(-1, 1, 1)) & (position < (start + length).view(-1, 1, 1))


def mixup(x: Tensor, targets: Tensor, alpha: float) -> tuple[Tensor, Tensor]:
    """Blend each image and its target with another's (Zhang et al. 2018), the share drawn from Beta(alpha, alpha).

    Args:
        x: (B, 1, 48, 48).
        targets: (B, 7) class probabilities.

    Returns:
        The blended batch and its targets.
    """
    concentration = torch.full((len(x), 1), alpha, device=x.device)
    share = Beta(concentration, concentration, validate_args=False).sample()  # (B, 1)
    other = torch.randperm(len(x), device=x.device)
    return (
        torch.lerp(x[other], x, share.view(-1, 1, 1, 1).to(x.dtype)),
        torch.lerp(targets[other], targets, share),
    )
