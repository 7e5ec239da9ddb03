"""Weights files: reading them without running code from them, whoever made them."""

import io
import zipfile
from pathlib import Path
from typing import Any, BinaryIO, Final

import torch
from torch import Tensor

from core.errors import FerError, RunError, display_name
from core.labels import NUM_CLASSES
from core.models.cnn import MODELS, CnnModel1, CnnModel2, build_model


def load_weights(path: Path, name: str) -> CnnModel1 | CnnModel2:
    """A model with the weights of a state-dict file, in evaluation mode on the CPU.

    Args:
        path: a run's `fer2013_model_2.pth`, or one of the original project.
        name: which of `MODELS` it holds.

    Raises:
        RunError: the file is missing, corrupt, or has other weights.
    """
    model = build_model(name)
    state = load_tensors(path)
    try:
        model.load_state_dict(state)
    except (RuntimeError, TypeError, AttributeError):
        raise RunError(
            f"{path.name} does not have the weights of {name}. Choose a file saved from that model."
        ) from None
    return model.eval()


def load_tensors(path: Path | BinaryIO, device: torch.device | str = "cpu") -> dict[str, Any]:
    """Read a file of tensors and plain values, never running code from it.

    Raises:
        RunError: it is missing, corrupt or contains anything else.
    """
    name = path.name if isinstance(path, Path) else "This file"
    try:
        state = torch.load(path, map_location=device, weights_only=True)
    except FileNotFoundError:
        assert isinstance(path, Path)
        raise RunError(f"No {name} in {path.parent.name}. It is written after the first epoch.") from None
    except Exception as error:  # the unpickler raises nearly anything on corrupt files
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise RunError(f"{name} is corrupt or not a weights file: {reason[:200]}") from error
    if not isinstance(state, dict):
        raise RunError(f"{name} is not a state_dict. Choose a file with one.")
    return state


def same_tensors(a: Path, b: Path) -> bool:
    """Whether two weights files have the same names and bit-identical tensors; the files as such may differ, as
    versions of torch write them differently.

    Raises:
        RunError: one is missing, corrupt, or contains anything but named tensors.
    """
    old, new = load_tensors(a), load_tensors(b)
    for path, state in ((a, old), (b, new)):
        if not all(isinstance(value, torch.Tensor) for value in state.values()):
            raise RunError(f"{path.name} contains more than named tensors.")
    return old.keys() == new.keys() and all(_same_bits(old[name], new[name]) for name in old)


def _same_bits(a: Tensor, b: Tensor) -> bool:
    """As bytes: NaN equals itself, and zero is not minus zero."""
    if a.dtype != b.dtype or a.shape != b.shape:
        return False
    # a scalar has no last dimension to be seen as bytes
    return torch.equal(*(each.contiguous().reshape(-1).view(torch.uint8) for each in (a, b)))


MAX_WEIGHTS_BYTES: Final = 64_000_000
"""CnnModel2's weights take 14 MB; also the most they may unpack to."""
_MAX_ENTRIES: Final = 1000


class WeightsError(FerError, ValueError):
    """A file that is not the weights of one of our models."""


def read_weights(data: bytes, name: str) -> tuple[CnnModel1 | CnnModel2, str]:
    """A model from the bytes of a state-dict file, never running code from it.

    Args:
        data: what `torch.save(model.state_dict(), ...)` wrote, with the original project's names
            (`conv_block1.0.weight` to `classifier.6.bias`).
        name: what the user calls the file.

    Returns:
        The model in evaluation mode on the CPU, and which of `MODELS` it is.

    Raises:
        WeightsError: it is anything else; the message says what is wrong.
    """
    shown = f"'{display_name(name)}'"
    wanted = "Use a CnnModel2 state_dict (.pth)."
    if len(data) > MAX_WEIGHTS_BYTES:
        raise WeightsError(f"{shown} is too large (max {MAX_WEIGHTS_BYTES // 10**6} MB). {wanted}")
    try:
        # A file of PyTorch 1.6 or newer is a zip file, whose directory declares how much memory it needs.
        entries = zipfile.ZipFile(io.BytesIO(data)).infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError):
        raise WeightsError(f"{shown} is not a valid weights file. {wanted}") from None
    if len(entries) > _MAX_ENTRIES or sum(entry.file_size for entry in entries) > MAX_WEIGHTS_BYTES:
        raise WeightsError(f"{shown} unpacks to more than {MAX_WEIGHTS_BYTES // 10**6} MB. {wanted}")
    try:
        state = load_tensors(io.BytesIO(data))
    except FerError:
        raise WeightsError(
            f"{shown} contains pickled objects other than tensors and was not loaded. Export a plain state_dict."
        ) from None
    for key in MODELS:
        model = build_model(key)
        if set(state) == set(model.state_dict()) and all(isinstance(value, torch.Tensor) for value in state.values()):
            break
    else:
        missing = next((key for key in build_model("cnn-model-2").state_dict() if key not in state), "nothing")
        raise WeightsError(f"{shown} has the weights of another model ({missing} is missing). {wanted}")
    try:
        model.load_state_dict(state)
    except (RuntimeError, TypeError, ValueError, NotImplementedError):
        raise WeightsError(
            f"Shape mismatch in {shown}: expected {type(model).__name__} with {NUM_CLASSES} classes."
        ) from None
    if not all(torch.isfinite(value).all() for value in model.state_dict().values()):
        raise WeightsError(f"Weights in {shown} contain NaN or Inf (diverged training). {wanted}")
    return model.eval(), key
