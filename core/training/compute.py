"""What a run computes on: device, number format, threads. Decided once, before the first tensor, and recorded."""

import contextlib
import ctypes
import os
import sys
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from core.config import TrainConfig
from core.errors import ConfigError
from core.machine import available_cores, thread_share
from core.models.device import choose_device


@dataclass(frozen=True)
class Compute:
    """Device and number format of one run."""

    device: torch.device
    bfloat16: bool
    """Whether forward and backward run under bfloat16 autocast; weights stay float32."""
    threads: int
    tf32: bool = False
    """Whether products in float32 round their factors to TensorFloat-32, ten bits of mantissa; on CUDA only."""

    def autocast(self) -> contextlib.AbstractContextManager[Any]:
        """The context in which the model is called."""
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.bfloat16)

    @property
    def precision(self) -> str:
        """`bfloat16`, `tf32` or `float32`."""
        return "bfloat16" if self.bfloat16 else "tf32" if self.tf32 else "float32"

    @property
    def title(self) -> str:
        """In words, for `status.json` and the pages."""
        if self.device.type == "cuda":
            name = torch.cuda.get_device_name(self.device)
        else:
            name = f"CPU, {self.threads} thread{'' if self.threads == 1 else 's'}"
        return f"{name}, {self.precision.replace('tf32', 'TF32')}"


def choose_compute(config: TrainConfig, *, gpu_slot: bool = False) -> Compute:
    """Pick what the settings ask for and set the process up for it: threads, memory, TensorFloat-32, cuDNN autotuning,
    deterministic algorithms.

    Args:
        config: the settings of a run.
        gpu_slot: the process has a GPU to itself, so `auto` means that GPU: beside it others may compute on the CPU.

    Raises:
        ConfigError: there is no GPU that PyTorch can use, and it was asked for, by itself or by `tf32`; or
            `FER_CPU_SLOTS` makes no sense.
    """
    if config.deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS reads it at its first product
        os.environ.setdefault("TORCHINDUCTOR_DETERMINISTIC", "1")  # no kernel of torch.compile is chosen by its time
    device = choose_device("cuda" if gpu_slot and config.device == "auto" else config.device)
    use_cuda = device.type == "cuda"
    threads = config.threads or (available_cores() if use_cuda else thread_share())
    torch.set_num_threads(threads)
    _keep_freed_memory()
    tf32 = config.precision == "tf32"
    if tf32 and not use_cuda:
        raise ConfigError("Precision tf32 needs a CUDA device. Set precision to 'auto' or 'float32'.")
    if use_cuda:
        _set_up_cuda(tf32, config.deterministic)
    fast = torch.cuda.is_bf16_supported(including_emulation=False) if use_cuda else _cpu_has_bfloat16()
    bfloat16 = fast if config.precision == "auto" else config.precision == "bfloat16"
    return Compute(device, bfloat16, threads, tf32)


def _set_up_cuda(tf32: bool, deterministic: bool) -> None:
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = tf32
    torch.backends.cudnn.benchmark = not deterministic  # all batches have one shape, so the search pays off
    torch.backends.cudnn.deterministic = deterministic
    # It warns, rather than fail, of max pooling's gradient, which adds in any order: here no two windows overlap.
    torch.use_deterministic_algorithms(deterministic, warn_only=True)


def _keep_freed_memory() -> None:
    """Have the C library keep memory that is freed, instead of giving it back to the system.

    A step frees and allocates the same activations of up to 75 MB. By default glibc maps each one again, and the kernel
    clears every page of it: a fifth of a training step on a CPU. See mallopt(3); only glibc has these settings.
    """
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
    if mallopt is None:
        return
    m_trim_threshold, m_mmap_max, m_arena_max = -1, -4, -8  # from malloc.h
    mallopt(m_mmap_max, 0)
    mallopt(m_trim_threshold, 2**31 - 1)
    mallopt(m_arena_max, 1)  # other arenas cannot hold blocks this large


def _cpu_has_bfloat16() -> bool:
    """Whether the CPU multiplies bfloat16 in hardware; emulated, it would be slower than float32."""
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def to_device(model: nn.Module, compute: Compute) -> nn.Module:
    """Move a model, its convolution weights stored channels-last, which is faster on CPU and GPU."""
    return model.to(compute.device).to(memory_format=torch.channels_last)


def tensor_on(array: Any, compute: Compute) -> Tensor:
    """A NumPy array as a tensor on the device; copied, since a read-only memory map cannot be shared."""
    return torch.tensor(array, device=compute.device)
