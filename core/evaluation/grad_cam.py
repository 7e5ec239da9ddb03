"""Grad-CAM, and its heatmap over the image.

Captum 0.9's `LayerGradCam` gives the same maps, to the bit. It uses hooks on the model's layers, though,
so two viewers who share one loaded model would get each other's; and it brings matplotlib and six more packages. The
models here are sequential, and can simply be cut in two.
"""

from collections.abc import Sequence

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from core.evaluation.inference import BATCH, exact_float32
from core.models import IMAGE_SIZE
from core.models.cnn import CnnModel1, CnnModel2
from core.models.preprocess import to_input

_STRENGTH = 0.6
"""Opacity of the heatmap where it is hottest; the face must stay visible beneath."""


def grad_cam(model: CnnModel1 | CnnModel2, images: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Which regions of each image increase a class score: Grad-CAM (Selvaraju et al. 2017, equations 1 and 2).

    The feature maps are the last convolution's; each is weighted with the mean gradient of the class's logit, and the
    positive part of their sum is enlarged to the image.

    Args:
        model: on any device, in evaluation mode; nothing about it is changed, so threads may share it.
        images: uint8 (N, 48, 48).
        classes: (N,) class indices, one asked about per image.

    Returns:
        float32 (N, 48, 48), the largest value of each image 1; all 0 where there is no positive evidence for the class.
    """
    assert not model.training, "dropout and batch statistics would blur the map"
    device = next(model.parameters()).device
    # The layers up to the last convolution make the feature maps, the others turn them into logits.
    last = max(index for index, layer in enumerate(model.conv_block3) if isinstance(layer, nn.Conv2d)) + 1
    heat = np.empty((len(images), IMAGE_SIZE, IMAGE_SIZE), np.float32)
    for start in range(0, len(images), BATCH):
        part = slice(start, start + BATCH)
        with exact_float32():
            with torch.no_grad():
                x = to_input(torch.tensor(images[part], device=device)).contiguous(memory_format=torch.channels_last)
                maps = model.conv_block3[:last](model.conv_block2(model.conv_block1(x)))  # (B, channels, h, w)
            with torch.enable_grad():
                maps.requires_grad_()
                logits = model.classifier(
                    torch.flatten(model.conv_block3[last:](maps.clone()), 1)
                )  # a ReLU follows in place
                chosen = logits.gather(1, torch.tensor(classes[part], device=device).long()[:, None])
                (gradients,) = torch.autograd.grad(chosen.sum(), maps)  # images do not influence each other
        with torch.no_grad():
            weights = gradients.mean((2, 3), keepdim=True)
            cam = F.relu((weights * maps).sum(1, keepdim=True))
            cam = F.interpolate(cam, (IMAGE_SIZE, IMAGE_SIZE), mode="bilinear", align_corners=False)[:, 0]
            cam = cam / cam.amax((1, 2), keepdim=True).clamp_min(torch.finfo(cam.dtype).tiny)
        heat[part] = cam.cpu().numpy()
    return heat


def mean_heat(maps: Sequence[np.ndarray]) -> np.ndarray:
    """The mean of several heatmaps of the same images: of the views, or of the models, whose answers are averaged.

    Args:
        maps: at least one, each (N, 48, 48) as `grad_cam` returns it, so that none outshines the others.

    Returns:
        float32 (N, 48, 48), the largest value of each image 1 again, or all 0.
    """
    mean = np.mean(maps, axis=0, dtype=np.float32)
    return np.asarray(mean / np.maximum(mean.max(axis=(1, 2), keepdims=True), np.finfo(np.float32).tiny))


def heat_over(image: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """A heatmap over its image: dark red to bright yellow where it is hot, the gray image where it is cold.

    Args:
        image: uint8 (H, W), gray.
        heat: (H, W), 0..1.

    Returns:
        uint8 (H, W, 3), RGB.
    """
    colours = cv2.applyColorMap((heat * 255).round().astype(np.uint8), cv2.COLORMAP_INFERNO)[..., ::-1]
    opacity = _STRENGTH * heat[..., None]
    return ((1 - opacity) * image[..., None] + opacity * colours).round().astype(np.uint8)
