"""Augmentation and preprocessing on real tensors."""

import math

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torchvision import transforms

from core.config import TrainConfig
from core.evaluation.inference import FLIP_AND_SHIFT, class_probabilities
from core.models.cnn import CnnModel1
from core.models.preprocess import to_input
from core.training.augment import Augmentation, mixup

NONE = {"flip": False, "rotation": 0.0}
STRONG = {"flip": True, "rotation": 30.0, "shift": 0.2, "zoom": 0.3, "brightness": 0.3, "contrast": 0.5, "erasing": 1.0}


def faces(count: int = 64) -> torch.Tensor:
    """uint8 (count, 48, 48), smooth and lopsided."""
    generator = torch.Generator().manual_seed(3)
    small = torch.rand(count, 1, 6, 6, generator=generator)
    large = torch.nn.functional.interpolate(small, size=48, mode="bilinear")
    return (large[:, 0] * 255).byte()


def augmentation(**settings: object) -> Augmentation:
    return Augmentation(TrainConfig(**{**NONE, **settings}))


def test_preprocessing_is_what_the_original_project_does() -> None:
    images = faces(4)
    to_tensor = transforms.ToTensor()
    expected = torch.stack([to_tensor(Image.fromarray(image.numpy())) for image in images])
    assert torch.equal(to_input(images), expected)


@pytest.mark.parametrize("bad", [torch.zeros(1, 48, 48), torch.zeros(1, 47, 48, dtype=torch.uint8)])
def test_preprocessing_refuses_other_shapes_and_types(bad: torch.Tensor) -> None:
    with pytest.raises(AssertionError):
        to_input(bad)


def test_nothing_asked_for_changes_nothing() -> None:
    x = to_input(faces())
    assert torch.equal(augmentation()(x), x)


def test_flip_mirrors_about_half_and_nothing_else() -> None:
    x = to_input(faces(400))
    torch.manual_seed(0)
    out = augmentation(flip=True)(x)
    same = (out == x).flatten(1).all(1)
    mirrored = (out == x.flip(3)).flatten(1).all(1)
    assert bool((same | mirrored).all())
    assert 150 < int(mirrored.sum()) < 250


def test_every_image_gets_its_own_parameters_within_range() -> None:
    x = to_input(faces(1).repeat(64, 1, 1))
    torch.manual_seed(0)
    out = augmentation(**STRONG)(x)
    assert out.shape == x.shape
    assert out.dtype == x.dtype
    assert float(out.min()) >= 0
    assert float(out.max()) <= 1
    assert len({image.numpy().tobytes() for image in out}) == 64


def test_strength_fades_all_but_the_flip() -> None:
    x = to_input(faces())
    torch.manual_seed(0)
    strong = (augmentation(**{**STRONG, "flip": False})(x, 1.0) - x).abs().mean()
    torch.manual_seed(0)
    weak = (augmentation(**{**STRONG, "flip": False})(x, 0.1) - x).abs().mean()
    assert 0 < float(weak) < float(strong) / 3
    assert torch.allclose(augmentation(**{**STRONG, "flip": False})(x, 0.0), x, atol=1e-6)


def test_rotation_agrees_with_pillow() -> None:
    """A disc off the centre ends where Pillow's rotation by the same angle puts it."""
    image = np.zeros((48, 48), np.uint8)
    image[8:14, 30:36] = 255
    x = to_input(torch.from_numpy(image)[None].repeat(200, 1, 1))
    torch.manual_seed(1)
    out = augmentation(rotation=40.0)(x)
    torch.manual_seed(1)
    angles = (torch.rand(200) * 2 - 1) * 40
    rows, columns = torch.meshgrid(torch.arange(48.0), torch.arange(48.0), indexing="ij")
    for angle, turned in zip(angles.tolist(), out[:, 0], strict=True):
        ours = (float((turned * rows).sum() / turned.sum()), float((turned * columns).sum() / turned.sum()))
        by_pillow = np.asarray(Image.fromarray(image).rotate(angle, Image.Resampling.BILINEAR), float)
        weights = by_pillow / by_pillow.sum()
        other = (float((weights * rows.numpy()).sum()), float((weights * columns.numpy()).sum()))
        assert np.hypot(*np.subtract(ours, other)) < 0.3


def test_shift_and_zoom_stay_within_their_ranges() -> None:
    image = torch.zeros(1, 48, 48, dtype=torch.uint8)
    image[0, 20:28, 20:28] = 255
    x = to_input(image.repeat(500, 1, 1))
    rows = torch.arange(48.0).view(1, -1, 1)
    torch.manual_seed(2)
    shifted = augmentation(shift=0.1)(x)[:, 0]
    centre = (shifted * rows).sum((1, 2)) / shifted.sum((1, 2)) - 23.5
    assert float(centre.abs().max()) <= 4.8 + 0.05
    assert float(centre.abs().max()) > 4
    torch.manual_seed(2)
    area = augmentation(zoom=0.2)(x)[:, 0].sum((1, 2)) / 64
    assert 0.8**2 * 0.95 < float(area.min()) < 0.75
    assert 1.35 < float(area.max()) < 1.2**2 * 1.05


def test_erasing_blanks_a_rectangle_with_the_images_mean() -> None:
    x = to_input(faces(200))
    torch.manual_seed(0)
    out = augmentation(erasing=1.0)(x)
    changed = (out != x)[:, 0]
    share = changed.float().mean((1, 2))
    assert 0.0 < float(share.mean()) < 0.35
    for image, before, mask in zip(out[:, 0], x[:, 0], changed, strict=True):
        if mask.any():
            assert torch.allclose(image[mask], before.mean().expand(int(mask.sum())))


def test_mixup_blends_images_and_targets_alike() -> None:
    x, targets = torch.rand(32, 1, 48, 48), torch.eye(7)[torch.arange(32) % 7]
    torch.manual_seed(0)
    mixed, soft = mixup(x, targets, 0.4)
    assert torch.allclose(soft.sum(1), torch.ones(32))
    assert mixed.shape == x.shape
    assert 0 <= float(mixed.min()) <= float(mixed.max()) <= 1
    assert not torch.equal(mixed, x)


def test_views_are_averaged() -> None:
    model, images = CnnModel1().eval(), faces(10)
    views = [class_probabilities(model, images, views=(view,)) for view in FLIP_AND_SHIFT]
    together = class_probabilities(model, images, views=FLIP_AND_SHIFT)
    assert torch.allclose(together, torch.stack(views).mean(0), atol=1e-6)
    assert torch.allclose(together.sum(1), torch.ones(10), atol=1e-5)
    assert not torch.allclose(views[0], views[1])


def older(x: Tensor, config: TrainConfig, strength: float) -> Tensor:
    """The augmentation of versions before there were probabilities, one operation and one draw at a time."""

    def signed() -> Tensor:
        return torch.rand(len(x)) * 2 - 1

    mirror = torch.ones(len(x)) - 2 * torch.randint(0, 2, (len(x),))
    if strength == 0:
        x = torch.where((mirror < 0).view(-1, 1, 1, 1), x.flip(3), x)
    else:
        angle = signed() * (strength * math.radians(config.rotation))
        scale = 1 / (1 + signed() * (strength * config.zoom))
        cos, sin = angle.cos() * scale, angle.sin() * scale
        right, down = (signed() * (2 * strength * config.shift) for _ in range(2))
        matrix = torch.stack([cos * mirror, -sin, right, sin * mirror, cos, down], dim=1).view(-1, 2, 3)
        grid = torch.nn.functional.affine_grid(matrix, list(x.shape), align_corners=False)
        x = torch.nn.functional.grid_sample(x, grid, align_corners=False)
    gain = 1 + signed().view(-1, 1, 1, 1) * (strength * config.contrast)
    offset = signed().view(-1, 1, 1, 1) * (strength * config.brightness)
    mean = x.mean(dim=(2, 3), keepdim=True)
    x = ((x - mean) * gain + mean + offset).clamp(0, 1)
    area = 0.02 + 0.31 * torch.rand(len(x))
    ratio = torch.exp(signed() * math.log(1 / 0.3))
    height, width = (area * ratio).sqrt() * 48, (area / ratio).sqrt() * 48
    top, left = torch.rand(len(x)) * (48 - height).clamp(min=0), torch.rand(len(x)) * (48 - width).clamp(min=0)
    chosen = torch.rand(len(x)) < config.erasing * strength
    out = x.clone()
    for index in range(len(x)):
        rows, columns = torch.arange(48.0), torch.arange(48.0)
        inside = (rows >= top[index]) & (rows < top[index] + height[index])
        across = (columns >= left[index]) & (columns < left[index] + width[index])
        if chosen[index]:
            out[index, 0, inside.unsqueeze(1) & across] = x[index].mean()
    return out


@pytest.mark.parametrize("strength", [1.0, 1 / 3, 0.0])
def test_without_new_settings_the_numbers_of_older_versions_are_drawn(strength: float) -> None:
    """What a run that an older version began needs for a resume that is equal to the last bit."""
    config, x = TrainConfig(**STRONG | {"erasing": 0.5}), to_input(faces())
    torch.manual_seed(4)
    expected, state = older(x, config, strength), torch.get_rng_state()
    torch.manual_seed(4)
    out = Augmentation(config)(x, strength)
    assert torch.equal(torch.get_rng_state(), state), "what is drawn next, for dropout"
    assert torch.allclose(out, expected, atol=1e-6)
    assert torch.equal(out, expected) or strength, "sizes of vectors apart, to the last bit"


OPERATIONS: list[dict[str, float]] = [
    {"rotation": 30.0},
    {"shift": 0.2},
    {"zoom": 0.3},
    {"brightness": 0.3},
    {"contrast": 0.5},
    {"blur": 2.0},
    {"sharpness": 2.0},
    {"noise": 0.1},
    {"jpeg_quality": 10},
]


@pytest.mark.parametrize("settings", OPERATIONS, ids=lambda settings: next(iter(settings)))
def test_each_operation_has_a_probability_per_image(settings: dict[str, float]) -> None:
    x = to_input(faces(400))
    name = next(iter(settings)).removesuffix("_quality")

    def changed(probability: float, strength: float = 1.0) -> float:
        torch.manual_seed(5)
        out = augmentation(**settings, **{f"{name}_probability": probability})(x, strength)
        assert float(out.min()) >= 0 and float(out.max()) <= 1
        return float(((out - x).abs().amax((1, 2, 3)) > 1e-4).float().mean())

    assert changed(0.0) == 0
    assert 0.2 < changed(0.3) < 0.4
    assert changed(1.0) > 0.8, "a weak blur shows nothing"
    assert changed(1.0, strength=0.0) == 0, "the cool-down ends without it"


def test_two_operations_are_drawn_apart() -> None:
    x = 0.4 + 0.2 * to_input(faces(1).repeat(800, 1, 1))  # so that nothing is cut off at black or white
    torch.manual_seed(6)
    out = augmentation(brightness=0.3, brightness_probability=0.5, contrast=0.5, contrast_probability=0.5)(x)
    mean, spread = out.mean((1, 2, 3)) - x.mean((1, 2, 3)), out.std((1, 2, 3)) - x.std((1, 2, 3))
    brighter, stronger = mean.abs() > 1e-3, spread.abs() > 1e-3
    for first in (brighter, ~brighter):
        for second in (stronger, ~stronger):
            assert 120 < int((first & second).sum()) < 280


def test_padding_repeats_the_edge_or_is_black() -> None:
    white = torch.ones(64, 1, 48, 48)
    moved = {"shift": 0.3, "rotation": 20.0, "zoom": 0.2}
    assert torch.allclose(augmentation(**moved, padding="border")(white), white)
    assert float(augmentation(**moved, padding="zeros")(white).amin()) == 0


def test_flips_from_outside_take_the_place_of_drawn_ones() -> None:
    x, mirrored = to_input(faces(10)), torch.arange(10) % 2 == 0
    state = torch.get_rng_state()
    out = augmentation(flip=True)(x, mirrored=mirrored)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(out[0::2], x[0::2].flip(3)) and torch.equal(out[1::2], x[1::2])
    turned = augmentation(flip=True, rotation=1e-6)(x, mirrored=mirrored)
    assert torch.allclose(turned, out, atol=1e-4)


def test_mixup_with_a_probability_leaves_the_other_images_alone() -> None:
    x, targets = torch.rand(400, 1, 48, 48), torch.eye(7)[torch.arange(400) % 7]
    torch.manual_seed(0)
    mixed, soft = mixup(x, targets, 1.0, probability=0.3)
    alone = (mixed == x).flatten(1).all(1)
    assert 0.6 < float(alone.float().mean()) < 0.8
    assert torch.equal(soft[alone], targets[alone])


@pytest.mark.gpu
def test_augmentation_on_a_gpu_stays_there() -> None:
    x = to_input(faces().cuda())
    assert augmentation(**STRONG)(x).device.type == "cuda"
