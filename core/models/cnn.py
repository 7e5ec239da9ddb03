"""The two models of Kandeel et al. (2021), "Facial Expression Recognition Using a Simplified Convolutional Neural
Network Model", for 48x48 gray images and seven classes.

Input of both: float tensor (B, 1, 48, 48) in 0..1. Output: logits (B, num_classes).
"""

from typing import Final

import torch
from torch import Tensor, nn

from core.labels import NUM_CLASSES


def _double_conv(in_channels: int, out_channels: int) -> nn.Sequential:
    """(B, in, H, W) -> (B, out, H/2, W/2)."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1),
        nn.ReLU(inplace=True),
        nn.Conv2d(out_channels, out_channels, kernel_size=3, padding=1),
        nn.ReLU(inplace=True),
        nn.BatchNorm2d(out_channels),
        nn.MaxPool2d(2),
    )


def _single_conv(in_channels: int, out_channels: int) -> nn.Sequential:
    """(B, in, H, W) -> (B, out, (H-2)/2, (W-2)/2): no padding."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel_size=3),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
    )


def _head(features: int, num_classes: int) -> nn.Sequential:
    """(B, features) -> (B, num_classes)."""
    return nn.Sequential(
        nn.Linear(features, 256),
        nn.ReLU(inplace=True),
        nn.Dropout(0.5),
        nn.Linear(256, 128),
        nn.ReLU(inplace=True),
        nn.Dropout(0.5),
        nn.Linear(128, num_classes),
    )


class _ThreeBlocks(nn.Module):
    """What both models share: three convolution blocks, flattened in channel order, then the head."""

    conv_block1: nn.Sequential
    conv_block2: nn.Sequential
    conv_block3: nn.Sequential
    classifier: nn.Sequential

    def features(self, x: Tensor) -> Tensor:
        """(B, 1, 48, 48) -> (B, features): the flattened output of the last block."""
        return torch.flatten(self.conv_block3(self.conv_block2(self.conv_block1(x))), 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 1, 48, 48) in 0..1 -> logits (B, num_classes)."""
        return self.classifier(self.features(x))


class CnnModel2(_ThreeBlocks):
    """The paper's Model 2: three blocks of two 3x3 convolutions, then a 256-128 head. 3,538,503 parameters.

    The parameter names (`conv_block1.0.weight` ... `classifier.6.bias`) are those of the original project, so that its
    `fer2013_model_2.pth` loads with `strict=True`.
    """

    def __init__(self, num_classes: int = NUM_CLASSES) -> None:
        super().__init__()
        self.conv_block1 = _double_conv(1, 64)  # (B, 64, 24, 24)
        self.conv_block2 = _double_conv(64, 128)  # (B, 128, 12, 12)
        self.conv_block3 = _double_conv(128, 256)  # (B, 256, 6, 6)
        self.classifier = _head(256 * 6 * 6, num_classes)


class CnnModel1(_ThreeBlocks):
    """The paper's smaller Model 1: three unpadded 3x3 convolutions with 6, 16 and 128 filters, then the same head.

    The paper gives 578,463 parameters; the layers it describes come to 578,143, so its exact layout is matched only
    nearly.
    """

    def __init__(self, num_classes: int = NUM_CLASSES) -> None:
        super().__init__()
        self.conv_block1 = _single_conv(1, 6)  # (B, 6, 23, 23)
        self.conv_block2 = _single_conv(6, 16)  # (B, 16, 10, 10)
        self.conv_block3 = _single_conv(16, 128)  # (B, 128, 4, 4)
        self.classifier = _head(128 * 4 * 4, num_classes)


MODELS: Final[dict[str, type[_ThreeBlocks]]] = {"cnn-model-2": CnnModel2, "cnn-model-1": CnnModel1}
"""By the names that `TrainConfig.model` accepts."""


def build_model(name: str) -> CnnModel1 | CnnModel2:
    """A freshly initialised model by its `TrainConfig.model` name, in float32 on the CPU.

    PyTorch's default initialisation draws from the global random generator: seed it first.
    """
    return MODELS[name]()  # type: ignore[return-value]
