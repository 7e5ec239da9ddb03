"""Weights files: reading them without running code from them, whoever made them."""

import io
import os
import re
import threading
import warnings
from collections import OrderedDict
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple

import torch
from torch import Tensor

from core.errors import RunError, display_name, quote
from core.models.cnn import CnnModel1, CnnModel2, build_model
from core.models.unwrap import WeightsError, unwrap
from core.models.weights_format import MAX_WEIGHTS_BYTES, Foreign, identify


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
    if not _is_finite(model):
        raise RunError(f"{path.name} contains NaN or Inf (diverged training). Restore it from a backup.")
    return model.eval()


def _is_finite(model: CnnModel1 | CnnModel2) -> bool:
    return all(bool(torch.isfinite(value).all()) for value in model.state_dict().values())


def load_tensors(path: Path | BinaryIO, device: torch.device | str = "cpu") -> dict[str, Any]:
    """Read a file of tensors and plain values, never running code from it.

    Raises:
        RunError: it is missing, corrupt or contains anything else.
    """
    name = path.name if isinstance(path, Path) else "This file"
    if isinstance(path, Path) and os.path.lexists(path) and not path.is_file():
        raise RunError(f"{name} is not a regular file. Restore it from a backup.")
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


class ReadWeights(NamedTuple):
    """A model from somebody's file."""

    model: CnnModel1 | CnnModel2
    """In evaluation mode, float32, on the CPU."""
    name: str
    """Which of `MODELS` it is."""
    where: str
    """Where in the file its weights were (`state_dict.model`); empty where the file holds nothing else."""


def read_weights(data: bytes, name: str) -> ReadWeights:
    """A model from the bytes of a weights file, never running code from it.

    Args:
        data: what `torch.save` wrote (before PyTorch 1.6 or since), or a safetensors file. It holds a state_dict with
            the original project's names (`conv_block1.0.weight` to `classifier.6.bias`), bare or under the keys and
            prefixes of any training script, in any floating-point precision.
        name: what the user calls the file.

    Raises:
        WeightsError: it is anything else; the message says what it is and what to do.
    """
    shown = f"'{display_name(name)}'"
    if len(data) > MAX_WEIGHTS_BYTES:
        raise WeightsError(
            f"{shown} is too large (max {MAX_WEIGHTS_BYTES // 10**6} MB; CnnModel2 has 14). Save only its weights: "
            "`torch.save(model.state_dict(), 'weights.pth')`."
        )
    kind = identify(data)
    if isinstance(kind, Foreign):
        raise WeightsError(f"{shown} {kind.what}. {kind.advice}")
    try:
        weights = unwrap(_load_safetensors(data) if kind == "safetensors" else _load_torch(data))
        model = build_model(weights.model)
        model.load_state_dict(weights.tensors, strict=False)  # `unwrap` has checked names and shapes
    except WeightsError as error:
        raise WeightsError(f"{shown} {error}") from None
    except (RuntimeError, TypeError, NotImplementedError):  # tensors of kinds that cannot even be looked at or copied
        raise WeightsError(f"{shown} has tensors of a kind that can't be used. Save them as plain float32.") from None
    if not _is_finite(model):
        raise WeightsError(f"Weights in {shown} contain NaN or Inf (diverged training). Choose an earlier checkpoint.")
    return ReadWeights(model.eval(), weights.model, weights.where)


_CORRUPT: Final = "is corrupt or incomplete. Download or copy it again."


def _load_safetensors(data: bytes) -> dict[str, Tensor]:
    import safetensors.torch

    try:
        return safetensors.torch.load(data)
    except Exception:  # nothing but SafetensorError is documented; the file is not trusted
        raise WeightsError(_CORRUPT) from None


class _Unused:
    """Stands for a value that training scripts keep beside the weights, whatever its class and content were."""

    def __new__(cls, *_: object) -> "_Unused":
        return super().__new__(cls)

    def __setstate__(self, _: object) -> None:
        """Nothing of it is kept."""


class _PlainDict:
    """Makes an ordinary dict of one of a subclass, so that what is in it is found."""

    def __new__(cls, *_: object) -> "OrderedDict[Any, Any]":  # type: ignore[misc]
        return OrderedDict()


_UNUSED: Final = (
    *("numpy.dtype", "numpy.ndarray", "numpy.bool_", "torch.torch_version.TorchVersion"),
    *(f"numpy.{core}.multiarray.{name}" for core in ("core", "_core") for name in ("scalar", "_reconstruct")),
    *("argparse.Namespace", "types.SimpleNamespace", "datetime.datetime", "datetime.timedelta"),
    *(f"pathlib{local}.{name}" for local in ("", "._local") for name in ("PosixPath", "WindowsPath", "PurePosixPath")),
    *(f"builtins.{name}" for name in ("int", "float", "str", "list")),
)
_DICTS: Final = (
    "builtins.dict",
    "collections.defaultdict",
    "lightning.fabric.utilities.data.AttributeDict",
    "lightning_fabric.utilities.data.AttributeDict",
    "pytorch_lightning.utilities.parsing.AttributeDict",
)
_PLAIN: Final = [*((_Unused, name) for name in _UNUSED), *((_PlainDict, name) for name in _DICTS)]
"""Names of plain values and containers that often lie beside weights (a NumPy number as the best accuracy, the
arguments of a command line): read as one of the two classes above, so that no code of theirs is run either."""
_ONE_AT_A_TIME: Final = threading.Lock()
"""torch keeps the names that are allowed, and Python its warnings, for the whole process."""


def _load_torch(data: bytes) -> Any:
    """
    Raises:
        WeightsError: the file is corrupt, or has pickled objects other than tensors and plain values.
    """
    try:
        with _ONE_AT_A_TIME, torch.serialization.safe_globals(list(_PLAIN)), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:  # the unpickler raises nearly anything on corrupt files
        refused = re.search(r"GLOBAL (\S+) (?:was not an allowed|whose module)", str(error))
        if "Unsupported operand 149" in str(error):  # a frame, which pickles have since protocol 4
            raise WeightsError(
                "was saved with a newer pickle protocol than can be read safely. Save it without `pickle_protocol`."
            ) from None
        if not refused:
            raise WeightsError(_CORRUPT) from None
        raise WeightsError(
            f"contains pickled objects other than tensors ({quote(refused[1])}) and was not loaded, as they may run "
            "code. Save only the weights: `torch.save(model.state_dict(), 'weights.pth')`."
        ) from None
