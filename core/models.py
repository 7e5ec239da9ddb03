"""The two networks of Kandeel et al. (2021), "Facial Expression Recognition Using a Simplified Convolutional Neural
Network Model", for 48x48 gray images and seven classes.

Input of both: float tensor (B, 1, 48, 48) in 0..1. Output: logits (B, num_classes).
"""

from pathlib import Path
from typing import Any, BinaryIO, Final

import torch
from torch import Tensor, nn

from core.errors import RunError
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
    """What both networks share: three convolution blocks, flattened in channel order, then the head."""

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
"""The names `TrainConfig.model` takes."""


def build_model(name: str) -> CnnModel1 | CnnModel2:
    """A freshly initialised network by its `TrainConfig.model` name, in float32 on the CPU.

    PyTorch's default initialisation draws from the global random generator: seed it first.
    """
    return MODELS[name]()  # type: ignore[return-value]


def load_weights(path: Path, name: str) -> CnnModel1 | CnnModel2:
    """A network with the weights of a state-dict file, in evaluation mode on the CPU.

    Args:
        path: a run's `fer2013_model_2.pth`, or one of the original project.
        name: which of `MODELS` it holds.

    Raises:
        RunError: the file is missing, damaged, or holds other weights.
    """
    model = build_model(name)
    state = load_tensors(path)
    try:
        model.load_state_dict(state)
    except (RuntimeError, TypeError, AttributeError):
        raise RunError(
            f"{path.name} holds other weights than those of {name}: choose a file made by that model."
        ) from None
    return model.eval()


def load_tensors(path: Path | BinaryIO, device: torch.device | str = "cpu") -> dict[str, Any]:
    """Read a file of tensors and plain values, never running code from it.

    Raises:
        RunError: it is missing, damaged or holds anything else.
    """
    name = path.name if isinstance(path, Path) else "This file"
    try:
        state = torch.load(path, map_location=device, weights_only=True)
    except FileNotFoundError:
        assert isinstance(path, Path)
        raise RunError(f"There is no {name} in {path.parent.name}: it is written after the first epoch.") from None
    except Exception as error:  # the unpickler raises nearly anything on damaged files
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise RunError(f"{name} is damaged or no file of weights: {reason[:200]}") from error
    if not isinstance(state, dict):
        raise RunError(f"{name} holds no named weights: choose a file of a state dict.")
    return state


def same_tensors(a: Path, b: Path) -> bool:
    """Whether two files of weights hold the same names and, to the bit, the same tensors; the files around them may
    differ, as versions of torch write them differently.

    Raises:
        RunError: one is missing, damaged, or holds anything else than named tensors.
    """
    old, new = load_tensors(a), load_tensors(b)
    for path, state in ((a, old), (b, new)):
        if not all(isinstance(value, torch.Tensor) for value in state.values()):
            raise RunError(f"{path.name} holds more than named tensors.")
    return old.keys() == new.keys() and all(_same_bits(old[name], new[name]) for name in old)


def _same_bits(a: Tensor, b: Tensor) -> bool:
    """As bytes: NaN equals itself, and zero is not minus zero."""
    if a.dtype != b.dtype or a.shape != b.shape:
        return False
    # a scalar has no last dimension to be seen as bytes
    return torch.equal(*(each.contiguous().reshape(-1).view(torch.uint8) for each in (a, b)))
