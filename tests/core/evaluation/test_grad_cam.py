"""Grad-CAM against its definition."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from core.evaluation.grad_cam import grad_cam, heat_over
from core.evaluation.inference import BATCH
from core.models.cnn import CnnModel1, CnnModel2, build_model

LAST_CONVOLUTION = {"cnn-model-2": 2, "cnn-model-1": 0}


def images(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 48, 48), dtype=np.uint8)


def network(name: str) -> CnnModel1 | CnnModel2:
    torch.manual_seed(5)
    return build_model(name).eval()


def by_definition(model: CnnModel1 | CnnModel2, image: np.ndarray, label: int, layer: int) -> np.ndarray:
    """One image, with a hook, as the paper says it."""
    kept = []
    handle = model.conv_block3[layer].register_forward_hook(lambda _m, _i, out: kept.append(out) or out.clone())
    logits = model(torch.from_numpy(image).float()[None, None] / 255)
    handle.remove()
    (gradient,) = torch.autograd.grad(logits[0, label], kept[0])
    alpha = gradient[0].mean((1, 2))
    cam = F.relu(torch.einsum("k,kij->ij", alpha, kept[0][0]))
    cam = F.interpolate(cam[None, None], (48, 48), mode="bilinear", align_corners=False)[0, 0]
    peak = cam.max()
    return (cam / peak if peak > 0 else cam).detach().numpy()


@pytest.mark.parametrize("name", LAST_CONVOLUTION)
def test_maps_are_those_of_the_paper(name: str) -> None:
    model, pictures, classes = network(name), images(5), np.array([0, 3, 6, 1, 3])
    heat = grad_cam(model, pictures, classes)
    assert heat.dtype == np.float32
    assert heat.shape == (5, 48, 48)
    assert heat.min() >= 0 and heat.max() <= 1
    for image, label, ours in zip(pictures, classes, heat, strict=True):
        np.testing.assert_allclose(ours, by_definition(model, image, label, LAST_CONVOLUTION[name]), atol=1e-4)
    assert heat.any()


def test_more_images_than_fit_in_one_batch_each_get_their_own_class() -> None:
    model, pictures, classes = network("cnn-model-1"), images(BATCH + 3), np.arange(BATCH + 3) % 7
    heat = grad_cam(model, pictures, classes)
    last = slice(BATCH - 2, None)  # both sides of the border
    np.testing.assert_allclose(heat[last], grad_cam(model, pictures[last], classes[last]), atol=1e-4)


def test_the_network_is_left_as_it_was_and_threads_may_share_it() -> None:
    model, pictures = network("cnn-model-1"), images(8)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    alone = [grad_cam(model, pictures[i : i + 1], np.array([i % 7])) for i in range(8)]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda i: grad_cam(model, pictures[i : i + 1], np.array([i % 7])), range(8)))
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one, other)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_no_image_no_map() -> None:
    assert grad_cam(network("cnn-model-1"), images(0), np.empty(0, int)).shape == (0, 48, 48)


def test_cold_parts_show_the_image_and_hot_ones_a_colour() -> None:
    image = np.full((48, 48), 100, np.uint8)
    heat = np.zeros((48, 48), np.float32)
    heat[10, 10] = 1
    shown = heat_over(image, heat)
    assert shown.dtype == np.uint8
    assert shown.shape == (48, 48, 3)
    assert np.all(shown[0, 0] == 100)
    red, green, blue = (int(value) for value in shown[10, 10])
    assert min(red, green) > blue + 40
