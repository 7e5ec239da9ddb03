"""How well a run uses its device: operations per image, operations per second at best, and the energy of a GPU."""

import logging
import re
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Final, NamedTuple

import torch
from torch.utils.flop_counter import FlopCounterMode

from core.models import IMAGE_SIZE
from core.models.cnn import build_model
from core.training.compute import Compute

log = logging.getLogger("train")

Precisions = dict[str, float]

PEAKS: Final[dict[str, Precisions]] = {
    # TFLOP/s of dense products that accumulate in float32: NVIDIA's data sheet of each card. Where it gives sparse
    # figures only (H100, H200, L4), half of those. GeForce: the whitepapers of Ampere (GA102) and Ada (AD102).
    # bfloat16 and TF32 are of the tensor cores, float32 of the others.
    "NVIDIA H200 NVL": {"bfloat16": 835.5, "tf32": 417.5, "float32": 60},
    "NVIDIA H200": {"bfloat16": 989.5, "tf32": 494.5, "float32": 67},
    "NVIDIA H100 NVL": {"bfloat16": 835.5, "tf32": 417.5, "float32": 60},
    "NVIDIA H100 PCIe": {"bfloat16": 756.5, "tf32": 378, "float32": 51},
    "NVIDIA H100 80GB HBM3": {"bfloat16": 989.5, "tf32": 494.5, "float32": 67},
    "NVIDIA A100": {"bfloat16": 312, "tf32": 156, "float32": 19.5},
    "NVIDIA A30": {"bfloat16": 165, "tf32": 82, "float32": 10.3},
    "NVIDIA A40": {"bfloat16": 149.7, "tf32": 74.8, "float32": 37.4},
    "NVIDIA A10": {"bfloat16": 125, "tf32": 62.5, "float32": 31.2},
    "NVIDIA RTX A6000": {"bfloat16": 154.8, "tf32": 77.4, "float32": 38.7},
    "NVIDIA L40S": {"bfloat16": 362, "tf32": 183, "float32": 91.6},
    "NVIDIA L4": {"bfloat16": 121, "tf32": 60, "float32": 30.3},
    "NVIDIA GeForce RTX 4090": {"bfloat16": 165.2, "tf32": 82.6, "float32": 82.6},
    "NVIDIA GeForce RTX 3090": {"bfloat16": 71, "tf32": 35.6, "float32": 35.6},
    "Tesla V100-SXM2": {"float32": 15.7},
    "Tesla V100-PCIE": {"float32": 14},
    "Tesla T4": {"float32": 8.1},
}
"""Beginnings of device names, as `torch.cuda.get_device_name` gives them, to their peaks by precision."""

_FORM: Final = r"(-.+| \d+GB.*)?"
"""What may follow in the name of a listed card: its form and its memory. `Laptop GPU` or `D` make it another card."""

_PRODUCTS: Final = {"cuda": (8192, 20, 8), "cpu": (1024, 2, 4)}
"""Rows of the matrices that are multiplied to find a peak, products in a row, and rounds."""


class Peak(NamedTuple):
    """The operations per second of a device at best."""

    flop_per_second: float
    source: str
    """`data sheet`, or `measured`: of a large matrix product."""


@lru_cache
def flop_per_image(model: str) -> int:
    """Floating-point operations of forward and backward pass for one training image, counted on the model; a
    multiply-add is two. As usual for model FLOPs utilization (Chowdhery et al. 2022, appendix B), only the operations
    that the model needs count: neither augmentation and optimizer nor a second pass (ASAM) nor teachers.

    Args:
        model: one of `MODELS`.
    """
    with torch.device("meta"), FlopCounterMode(display=False) as counter:  # shapes alone: nothing is computed
        build_model(model).train()(torch.empty(1, 1, IMAGE_SIZE, IMAGE_SIZE)).sum().backward()
    return int(counter.get_total_flops())


def peak_of(compute: Compute) -> Peak:
    """The peak of what a run computes on, in its precision: by the data sheet where the device is a known one, else the
    fastest of a few matrix products, which takes a moment."""
    if compute.device.type == "cuda":
        found = listed_peak(torch.cuda.get_device_name(compute.device), compute.precision)
        if found:
            return Peak(found, "data sheet")
    dtype = torch.bfloat16 if compute.bfloat16 else torch.float32
    return Peak(_measured(compute.device, dtype, compute.threads), "measured")


def listed_peak(device: str, precision: str) -> float | None:
    """FLOP/s of a card by its name; None if it is not listed. A slice (MIG) of a card has a part of them only."""
    names = [name for name in PEAKS if re.fullmatch(re.escape(name) + _FORM, device)]
    if not names or "MIG" in device:
        return None
    peak = PEAKS[max(names, key=len)].get(precision)
    return peak * 1e12 if peak else None


@lru_cache
def _measured(device: torch.device, dtype: torch.dtype, threads: int) -> float:
    return matmul_peak(device, dtype, *_PRODUCTS[device.type])


def matmul_peak(device: torch.device, dtype: torch.dtype, size: int, in_a_row: int, rounds: int) -> float:
    """Floating-point operations per second of large square matrix products: what the device can do at best.

    Args:
        device: to compute on.
        dtype: of the matrices.
        size: their rows. A GPU needs many: 2048 rows in bfloat16 are 20 microseconds of work for an H100, hardly more
            than their launch, and 8192 rows more than a millisecond.
        in_a_row: products in each round.
        rounds: the fastest one counts.
    """
    generator = torch.Generator(device).manual_seed(0)  # the training's own numbers stay as they are
    a, b = (torch.randn(size, size, device=device, generator=generator).to(dtype) for _ in range(2))
    product = torch.mm(a, b)  # not timed: libraries are loaded, and the clock of a GPU rises
    best = 0.0
    for _ in range(rounds):
        started = time_on(device)
        for _ in range(in_a_row):
            torch.mm(a, b, out=product)
        best = max(best, in_a_row * 2 * size**3 / (time_on(device) - started))
    return best


def time_on(device: torch.device) -> float:
    """The time, by a monotonic clock, once the device has done all it was given: CUDA only queues what it is asked."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.monotonic()


class EnergyMeter:
    """The energy that a GPU has taken since this object was made: of the whole card, whoever uses it.

    Args:
        device: to watch; a CPU tells nothing.
    """

    def __init__(self, device: torch.device) -> None:
        self._read: Callable[[], float] | None = None
        if device.type != "cuda":
            return
        try:
            self._read = _energy_counter(device)
            self._start = self._read()
        except Exception as error:  # NVML's own, of many kinds: older cards than Volta and slices (MIG) have no counter
            self._read = None
            log.info("the energy of the GPU is not recorded: %s: %s", type(error).__name__, error)

    def joules(self) -> float | None:
        """None where it cannot be told."""
        if self._read is None:
            return None
        try:
            return self._read() - self._start
        except Exception:  # as above: a card may be lost
            return None


def _energy_counter(device: torch.device) -> Callable[[], float]:
    """Reads the joules of a GPU since its driver was loaded."""
    import pynvml

    pynvml.nvmlInit()
    uuid = torch.cuda.get_device_properties(device).uuid  # by index NVML may mean another: it ignores CUDA's choice
    handle = pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{uuid}".encode())
    return lambda: float(pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)) / 1000  # it counts millijoules
