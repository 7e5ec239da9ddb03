"""Augmentation on the device: a few batched tensor operations, with parameters of their own for every image.

One affine transform (flip, rotation, shift and zoom composed into one matrix per image, one bilinear resampling), then
brightness and contrast, then detail (`degrade.py`), then erasing. All randomness comes from PyTorch's global generator,
which the loop seeds anew for each step. What is off draws nothing, and probabilities of 1 draw nothing: so a run of an
older version, which had fewer settings, resumes with the numbers that it would have drawn.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.distributions import Beta

from core.config import TrainConfig
from core.training.degrade import add_noise, blur, compress, sharpen

_BEST_JPEG = 95
"""The highest quality of simulated JPEG compression."""


@dataclass(frozen=True)
class Augmentation:
    """Changes images as the settings of a run say."""

    config: TrainConfig

    def __call__(self, x: Tensor, strength: float = 1.0, mirrored: Tensor | None = None) -> Tensor:
        """Change a batch.

        Args:
            x: (B, 1, 48, 48) in 0..1.
            strength: 1 for full ranges, down to 0 for the flip alone.
            mirrored: bool (B,), which images to flip; by default drawn, if the settings have a flip.

        Returns:
            (B, 1, 48, 48) in 0..1, the same device and type.
        """
        config = self.config
        x = self._affine(x, strength, mirrored)
        if config.brightness or config.contrast:
            x = self._brightness_contrast(x, strength)
        if strength:
            x = self._detail(x, strength)
        if config.erasing:
            x = self._erase(x, strength)
        return x

    def _affine(self, x: Tensor, strength: float, mirrored: Tensor | None) -> Tensor:
        config, batch, device = self.config, len(x), x.device
        if mirrored is None:
            mirrored = torch.randint(0, 2, (batch,), device=device) if config.flip else torch.zeros_like(x[:, 0, 0, 0])
        if strength == 0 or not (config.rotation or config.shift or config.zoom):
            # a mirror alone needs no resampling
            return torch.where((mirrored != 0).view(-1, 1, 1, 1), x.flip(3), x)
        mirror = 1 - 2 * mirrored.to(x.dtype)
        drawn = _signed(4, x)
        turned = _sometimes(drawn[0], config.rotation_probability)
        zoomed = _sometimes(drawn[1], config.zoom_probability)
        # grid coordinates run from -1 to 1, so a shift by a share of the image is twice that
        right, down = _sometimes(drawn[2:], config.shift_probability) * (2 * strength * config.shift)
        angle = turned * (strength * math.radians(config.rotation))
        scale = 1 / (1 + zoomed * (strength * config.zoom))  # of the sampling grid, so inverse
        cos, sin = angle.cos() * scale, angle.sin() * scale
        matrix = torch.stack([cos * mirror, -sin, right, sin * mirror, cos, down], dim=1).view(batch, 2, 3)
        grid = F.affine_grid(matrix, list(x.shape), align_corners=False)  # (B, 48, 48, 2)
        return F.grid_sample(x, grid.to(x.dtype), mode="bilinear", padding_mode=config.padding, align_corners=False)

    def _brightness_contrast(self, x: Tensor, strength: float) -> Tensor:
        config = self.config
        drawn = _signed(2, x)
        gain = 1 + _sometimes(drawn[0], config.contrast_probability) * (strength * config.contrast)
        offset = _sometimes(drawn[1], config.brightness_probability) * (strength * config.brightness)
        mean = x.mean(dim=(2, 3), keepdim=True)
        return ((x - mean) * gain.view(-1, 1, 1, 1) + mean + offset.view(-1, 1, 1, 1)).clamp_(0, 1)

    def _detail(self, x: Tensor, strength: float) -> Tensor:
        """In the order in which a photo suffers it: lens, camera software, sensor, file."""
        config = self.config
        if config.blur:
            x = blur(x, _sometimes(_shares(1, x)[0], config.blur_probability) * (strength * config.blur))
        if config.sharpness:
            x = sharpen(x, _sometimes(_signed(1, x)[0], config.sharpness_probability) * (strength * config.sharpness))
        if config.noise:
            x = add_noise(x, _sometimes(_shares(1, x)[0], config.noise_probability) * (strength * config.noise))
        if config.jpeg_quality:
            share, chance = _shares(2, x)
            quality = config.jpeg_quality + share * (_BEST_JPEG - config.jpeg_quality)
            chosen = chance < config.jpeg_probability * strength
            x = torch.where(chosen.view(-1, 1, 1, 1), compress(x, quality), x)
        return x

    def _erase(self, x: Tensor, strength: float) -> Tensor:
        """Random erasing (Zhong et al. 2020): a rectangle of 2 to 33 % of the area takes the image's mean."""
        height, width = x.shape[2:]
        area, ratio, top, left, chance = _shares(5, x)
        area = 0.02 + 0.31 * area
        ratio = torch.exp((ratio * 2 - 1) * math.log(1 / 0.3))
        box_height, box_width = (area * ratio).sqrt() * height, (area / ratio).sqrt() * width
        top = top * (height - box_height).clamp(min=0)
        left = left * (width - box_width).clamp(min=0)
        rows = torch.arange(height, device=x.device).view(1, -1, 1)
        columns = torch.arange(width, device=x.device).view(1, 1, -1)
        inside = _between(rows, top, box_height) & _between(columns, left, box_width)  # (B, 48, 48)
        inside &= (chance < self.config.erasing * strength).view(-1, 1, 1)
        return torch.where(inside.unsqueeze(1), x.mean(dim=(2, 3), keepdim=True), x)


def _shares(count: int, x: Tensor) -> Tensor:
    """(count, B) uniform in 0..1, in one draw."""
    return torch.rand(count, len(x), device=x.device)


def _signed(count: int, x: Tensor) -> Tensor:
    """(count, B) uniform in -1..1, in one draw."""
    return _shares(count, x) * 2 - 1


def _sometimes(amounts: Tensor, probability: float) -> Tensor:
    """Amounts (..., B) of an operation, 0 for the images that it is not applied to."""
    if probability == 1:
        return amounts
    return amounts * (torch.rand(amounts.shape[-1], device=amounts.device) < probability)


def _between(position: Tensor, start: Tensor, length: Tensor) -> Tensor:
    return (position >= start.view(-1, 1, 1)) & (position < (start + length).view(-1, 1, 1))


def mixup(x: Tensor, targets: Tensor, alpha: float, probability: float = 1.0) -> tuple[Tensor, Tensor]:
    """Blend each image and its target with another's (Zhang et al. 2018), the share drawn from Beta(alpha, alpha).

    Args:
        x: (B, 1, 48, 48).
        targets: (B, 7) class probabilities.
        alpha: above 0.
        probability: of each image to be blended.

    Returns:
        The blended batch and its targets.
    """
    concentration = torch.full((len(x), 1), alpha, device=x.device)
    share = Beta(concentration, concentration, validate_args=False).sample()  # (B, 1)
    other = torch.randperm(len(x), device=x.device)
    if probability < 1:
        share = 1 - _sometimes((1 - share).T, probability).T
    return (
        torch.lerp(x[other], x, share.view(-1, 1, 1, 1).to(x.dtype)),
        torch.lerp(targets[other], targets, share),
    )
