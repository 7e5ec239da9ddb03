"""Blur, sharpness, noise and compression beside what scipy and Pillow make of the same images."""

import io

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance
from scipy.ndimage import gaussian_filter
from torch import Tensor

from core.models.preprocess import to_input
from core.training.degrade import add_noise, blur, compress, sharpen
from tests.core.training.test_augment import faces


def textured(count: int = 8) -> Tensor:
    """(count, 1, 48, 48) in 0..1, with detail at every scale."""
    noise = torch.rand(count, 48, 48, generator=torch.Generator().manual_seed(1)) * 40 - 20
    return to_input((faces(count).float() + noise).clamp(0, 255).byte())


def as_pillow(image: Tensor) -> Image.Image:
    return Image.fromarray((image[0] * 255).round().byte().numpy())


def gray_levels(image: Tensor) -> np.ndarray:
    return np.asarray(image[0] * 255, dtype=float)


def test_blur_is_a_gaussian_of_each_images_own_width() -> None:
    x = textured(3)
    out = blur(x, torch.tensor([0.0, 0.7, 2.0]))
    assert torch.equal(out[0], x[0]), "no width, no change"
    for index, sigma, margin in ((1, 0.7, 4), (2, 2.0, 12)):  # at the edges the two continue the image differently
        expected = gaussian_filter(x[index, 0].numpy(), sigma, truncate=6)
        inside = (slice(margin, -margin),) * 2
        assert np.allclose(out[index, 0].numpy()[inside], expected[inside], atol=2e-3)


def test_blur_leaves_a_flat_image_flat_to_its_edges() -> None:
    flat = torch.full((2, 1, 48, 48), 0.4)
    assert torch.allclose(blur(flat, torch.tensor([1.0, 5.0])), flat, atol=1e-6)


@pytest.mark.parametrize("amount", [-1.0, -0.4, 0.0, 0.8])
def test_sharpness_is_pillows(amount: float) -> None:
    x = textured(4)
    out = sharpen(x, torch.full((4,), amount))
    for ours, image in zip(out, x, strict=True):
        theirs = np.asarray(ImageEnhance.Sharpness(as_pillow(image)).enhance(1 + amount), float)
        assert np.abs(gray_levels(ours) - theirs)[1:-1, 1:-1].max() < 2, "Pillow rounds the smoothed image"


def test_noise_has_the_deviation_of_each_image() -> None:
    torch.manual_seed(0)
    gray = torch.full((3, 1, 48, 48), 0.5)
    found = add_noise(gray, torch.tensor([0.0, 0.02, 0.1])).std((1, 2, 3))
    assert float(found[0]) == 0
    assert torch.allclose(found[1:], torch.tensor([0.02, 0.1]), rtol=0.1)


@pytest.mark.parametrize("quality", [10, 40, 75, 95])
def test_compression_is_what_a_jpeg_file_does(quality: int) -> None:
    x = textured()
    out = compress(x, torch.full((len(x),), float(quality)))
    lost = (out - x).abs().mean((1, 2, 3)) * 255
    assert bool((lost > 1).all()), "the texture does not survive"
    for ours, image, loss in zip(out, x, lost.tolist(), strict=True):
        file = io.BytesIO()
        as_pillow(image).save(file, "JPEG", quality=quality)
        theirs = np.asarray(Image.open(file), float)
        apart = np.abs(gray_levels(ours) - theirs)
        assert apart.mean() < 0.3 * loss, "apart from the rounding of a few coefficients"


def test_the_quality_is_each_images_own() -> None:
    x = textured(1).repeat(3, 1, 1, 1)
    lost = (compress(x, torch.tensor([10.0, 50.0, 95.0])) - x).abs().mean((1, 2, 3))
    assert float(lost[0]) > float(lost[1]) > float(lost[2]) > 0
