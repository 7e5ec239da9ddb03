"""Which device PyTorch can compute on, found out by computing. A GPU may be listed and yet be of no use to it: its
driver is older than the CUDA of this PyTorch, or this PyTorch has no kernels for the card.

As a program, `CUDA_VISIBLE_DEVICES=UUID python -m core.models.device`, it answers for processes that must not import
torch: it prints a `GpuCheck` as JSON.
"""

import json
import logging
import re
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from typing import Final

import torch

from core.errors import ConfigError

_PASSING: Final = re.compile(r"out of memory|busy or unavailable", re.IGNORECASE)
"""What a GPU answers that is in use at the moment."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class GpuCheck:
    """Whether PyTorch can use the GPU, and if not, why."""

    usable: bool
    reason: str = ""
    """Why not, and what to do, as the end of a sentence; empty where it can, and where there is no GPU."""


@cache
def check_gpu() -> GpuCheck:
    """Whether PyTorch can use the first GPU that it may see; found out once, by one multiplication."""
    with warnings.catch_warnings(record=True) as said:  # what PyTorch says of it, in paragraphs, is told in a sentence
        warnings.simplefilter("always")
        if not torch.cuda.is_available():
            return GpuCheck(False, _why_unavailable([str(each.message) for each in said]))
        try:
            x = torch.tensor([[1.0, 2.0], [3.0, 4.0]], device="cuda")
            (x @ x).sum().item()
        except (RuntimeError, AssertionError) as error:  # the latter is what a build without CUDA raises
            text = str(error).partition("\n")[0]
            if not _PASSING.search(text):
                return GpuCheck(False, _why_failed(text))
    return GpuCheck(True)


def choose_device(wanted: str = "auto") -> torch.device:
    """The GPU, or the CPU; a GPU that cannot be used is logged.

    Args:
        wanted: `auto`, `cpu` or `cuda`.

    Raises:
        ConfigError: CUDA was asked for, and there is none that PyTorch can use.
    """
    if wanted == "cpu":
        return torch.device("cpu")
    check = check_gpu()
    if check.usable:
        return torch.device("cuda", 0)
    if wanted == "cuda":
        if check.reason:
            raise ConfigError(f"PyTorch can't use the GPU: {check.reason}. Until then, set device to 'cpu'.")
        raise ConfigError("No CUDA device found. Set device to 'auto' or 'cpu'.")
    if check.reason:
        log.warning("PyTorch can't use the GPU: %s. It computes on the CPU.", check.reason)
    return torch.device("cpu")


def _why_unavailable(said: Sequence[str]) -> str:
    """The reason, from what PyTorch has warned of; it says nothing where there is no driver, and so no GPU."""
    for text in said:
        if old := re.search(r"driver on your system is too old \(found version (\d+)\)", text):
            supports = f"{int(old[1]) // 1000}.{int(old[1]) % 1000 // 10}"  # 12020 is 12.2
            return (
                f"its driver is too old (for CUDA {supports}, PyTorch {torch.__version__} needs {torch.version.cuda}); "
                "update the driver"
            )
    return f"{_short(said[-1])}; nvidia-smi may tell more" if said else ""


def _why_failed(text: str) -> str:
    if "no kernel image" not in text:
        return f"{_short(text)}; nvidia-smi may tell more"
    try:
        version = " {}.{}".format(*torch.cuda.get_device_capability(0))
    except (RuntimeError, AssertionError):
        version = ""
    has = ", ".join(torch.cuda.get_arch_list())
    return (
        f"PyTorch {torch.__version__} has no kernels for its compute capability{version} (only {has}); install a build "
        "of PyTorch that has"
    )


def _short(text: str) -> str:
    """The first sentence of what PyTorch said."""
    return re.split(r"\.\s|\n| \(Triggered", text.removeprefix("CUDA initialization: "))[0].rstrip(".")[:150]


def main() -> None:
    """Answer for a GPU that there is, so that something is wrong where PyTorch does not even see it."""
    check = check_gpu()
    if not check.usable and not check.reason:
        unseen = "it finds no CUDA device; nvidia-smi may tell more"
        without = f"PyTorch {torch.__version__} is built without CUDA; install a build with it"
        check = GpuCheck(False, without if torch.version.cuda is None else unseen)
    print(json.dumps(asdict(check)))


if __name__ == "__main__":
    main()
