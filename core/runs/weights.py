"""Reading a file of weights without torch, and without running code from it: to compare two of them to the last bit."""

import io
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from core.errors import RunError

if TYPE_CHECKING:
    import numpy as np

_DTYPES: Final = {
    "FloatStorage": "<f4", "DoubleStorage": "<f8", "HalfStorage": "<f2", "LongStorage": "<i8", "IntStorage": "<i4",
    "ShortStorage": "<i2", "CharStorage": "|i1", "ByteStorage": "|u1", "BoolStorage": "|b1",
}  # fmt: skip
"""What the element types are called in the file. bfloat16, which NumPy does not have, is not among them."""


def read_tensors(path: Path) -> "dict[str, np.ndarray]":
    """The tensors of a state dict that `torch.save` wrote.

    Such a file is a zip with a pickle of names, shapes and types, and one entry with the plain bytes of each storage.
    The pickle is read with nothing to call but what builds tensors. Files of equal tensors may differ in their bytes:
    versions of torch write the zip around them differently.

    Raises:
        RunError: it is missing, damaged, or holds anything but plain tensors.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            [pickled] = [name for name in archive.namelist() if name.endswith("/data.pkl") or name == "data.pkl"]
            state = _Reader(archive, pickled.removesuffix("data.pkl")).load()
    except FileNotFoundError:
        raise RunError(f"There is no {path.name}: it is written after the first epoch.") from None
    except Exception as error:  # damaged pickles fail in every way there is
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise RunError(f"{path.name} is damaged or no file of weights: {reason[:200]}") from error
    if not isinstance(state, dict) or not all(hasattr(value, "dtype") for value in state.values()):
        raise RunError(f"{path.name} holds more than named tensors.")
    return state


class _Reader(pickle.Unpickler):
    """Knows the few names that a plain state dict needs; any other is refused."""

    def __init__(self, archive: zipfile.ZipFile, prefix: str) -> None:
        super().__init__(io.BytesIO(archive.read(f"{prefix}data.pkl")))
        self._archive, self._prefix = archive, prefix

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _tensor
        if module == "torch" and name in _DTYPES:
            return _DTYPES[name]
        raise pickle.UnpicklingError(f"it holds {module}.{name}, which is no plain tensor")

    def persistent_load(self, pid: Any) -> "np.ndarray":
        import numpy as np

        kind, dtype, key, _, count = pid
        if kind != "storage":
            raise pickle.UnpicklingError(f"it holds a {kind}, which is no plain tensor")
        values = np.frombuffer(self._archive.read(f"{self._prefix}data/{key}"), dtype)
        if len(values) != count:
            raise pickle.UnpicklingError("a tensor is cut off")
        return values


def _tensor(storage: "np.ndarray", offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: Any) -> Any:
    """A tensor as a view of its storage; strides are in elements.

    Raises:
        UnpicklingError: it would reach beyond its storage.
    """
    import numpy as np

    last = offset + sum((length - 1) * step for length, step in zip(size, stride, strict=True))
    if min([offset, *size, *stride]) < 0 or (all(size) and last >= len(storage)):
        raise pickle.UnpicklingError("a tensor reaches beyond its storage")
    width = storage.dtype.itemsize
    return np.lib.stride_tricks.as_strided(storage[offset:], size, [step * width for step in stride], writeable=False)
