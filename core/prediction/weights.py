"""Weights that somebody brings: a `.pth` of the original project, checked before a byte of it is believed."""

import io
import zipfile
from typing import Final

import torch

from core.data.decode import display_name
from core.errors import FerError
from core.models import MODELS, CnnModel1, CnnModel2, build_model, load_tensors

MAX_BYTES: Final = 64_000_000
"""CnnModel2's weights have 14 MB; also the most they may unpack to."""
_MAX_ENTRIES: Final = 1000


class WeightsError(FerError, ValueError):
    """A file that is not the weights of one of our networks."""


def read_weights(data: bytes, name: str) -> tuple[CnnModel1 | CnnModel2, str]:
    """A network from the bytes of a state-dict file, never running code from it.

    Args:
        data: what `torch.save(model.state_dict(), ...)` wrote, with the original project's names
            (`conv_block1.0.weight` to `classifier.6.bias`).
        name: what the user calls the file.

    Returns:
        The network in evaluation mode on the CPU, and which of `MODELS` it is.

    Raises:
        WeightsError: it is anything else; one sentence says what is wrong.
    """
    shown = f"'{display_name(name)}'"
    wanted = "choose a .pth with the state dict of CnnModel2"
    if len(data) > MAX_BYTES:
        raise WeightsError(f"{shown} has more than {MAX_BYTES // 10**6} MB, more than these networks need: {wanted}.")
    try:
        # A file of PyTorch 1.6 or newer is a zip file, whose directory says how much memory it asks for.
        entries = zipfile.ZipFile(io.BytesIO(data)).infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError):
        raise WeightsError(f"{shown} is damaged or no file of weights: {wanted}.") from None
    if len(entries) > _MAX_ENTRIES or sum(entry.file_size for entry in entries) > MAX_BYTES:
        raise WeightsError(f"{shown} unpacks to far more than these networks need: {wanted}.")
    try:
        state = load_tensors(io.BytesIO(data))
    except FerError:
        message = f"{shown} holds other things than named tensors, which are not loaded since they may run code: "
        raise WeightsError(f"{message}{wanted}.") from None
    for key in MODELS:
        model = build_model(key)
        if set(state) == set(model.state_dict()) and all(isinstance(value, torch.Tensor) for value in state.values()):
            break
    else:
        missing = next((key for key in build_model("cnn-model-2").state_dict() if key not in state), "nothing")
        raise WeightsError(f"{shown} holds the weights of another network ({missing} is missing): {wanted}.")
    try:
        model.load_state_dict(state)
    except (RuntimeError, TypeError, ValueError, NotImplementedError):
        raise WeightsError(f"{shown} has weights of other shapes than {key}, seven classes: {wanted}.") from None
    if not all(torch.isfinite(value).all() for value in model.state_dict().values()):
        raise WeightsError(f"{shown} holds weights that are no numbers, as after a training that diverged: {wanted}.")
    return model.eval(), key
