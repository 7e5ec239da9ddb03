"""Which device PyTorch can compute on: a GPU that is listed may be of no use to it."""

import json
import logging
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch

from core.errors import ConfigError
from core.models.device import GpuCheck, check_gpu, choose_device
from tests.conftest import PROJECT_ROOT

OLD_DRIVER = (
    "CUDA initialization: The NVIDIA driver on your system is too old (found version 11040). Please update your GPU "
    "driver by downloading and installing a new version from the URL: http://www.nvidia.com/Download/index.aspx "
    "(Triggered internally at ../c10/cuda/CUDAFunctions.cpp:119.)"
)
UNKNOWN = "CUDA initialization: CUDA unknown error - this may be due to an incorrectly set up environment. Setting the"
NO_KERNELS = "CUDA error: no kernel image is available for execution on the device\nSearch for `cudaErrorNoKernelImage"


@pytest.fixture(autouse=True)
def _ask_anew() -> Iterator[None]:
    check_gpu.cache_clear()
    yield
    check_gpu.cache_clear()


Machine = Callable[..., None]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Pretend that PyTorch sees a GPU or not, what it warns of then, and what its first use raises."""

    def pretend(available: bool, warning: str = "", error: Exception | None = None) -> None:
        def is_available() -> bool:
            if warning:
                warnings.warn(warning, stacklevel=2)
            return available

        def tensor(values: Any, device: object = None) -> torch.Tensor:
            assert str(device) == "cuda"
            if error:
                raise error
            return torch.zeros(2, 2)

        monkeypatch.setattr("torch.cuda.is_available", is_available)
        monkeypatch.setattr("torch.tensor", tensor)
        monkeypatch.setattr("torch.cuda.get_device_capability", lambda _: (6, 1))
        monkeypatch.setattr("torch.cuda.get_arch_list", lambda: ["sm_75", "sm_80"])

    return pretend


def test_a_gpu_that_computes_is_used(machine: Machine) -> None:
    machine(True)
    assert check_gpu() == GpuCheck(True)
    assert choose_device("auto") == choose_device("cuda") == torch.device("cuda", 0)
    assert choose_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize(
    ("pretend", "parts"),
    [
        ({"available": False, "warning": OLD_DRIVER}, ["driver is too old", "CUDA 11.4", "update the driver"]),
        ({"available": False, "warning": UNKNOWN}, ["CUDA unknown error", "environment; nvidia-smi"]),
        ({"available": True, "error": RuntimeError(NO_KERNELS)}, ["no kernels", "6.1 (only sm_75, sm_80)", "install"]),
        (
            {"available": True, "error": RuntimeError("CUDA error: uncorrectable ECC error")},
            ["ECC error", "nvidia-smi"],
        ),
    ],
)
def test_a_gpu_that_cannot_be_used_is_named_with_a_way_out_and_never_silently_replaced(
    machine: Machine, caplog: pytest.LogCaptureFixture, pretend: dict[str, Any], parts: list[str]
) -> None:
    machine(**pretend)
    with caplog.at_level(logging.WARNING):
        assert choose_device("auto") == torch.device("cpu")
    [said] = [record.getMessage() for record in caplog.records]
    assert all(part in said for part in parts), said
    assert said.startswith("PyTorch can't use the GPU: ") and said.endswith("computes on the CPU.") and "\n" not in said
    with pytest.raises(ConfigError, match=r"^PyTorch can't use the GPU: .*set device to 'cpu'\.$"):
        choose_device("cuda")
    assert choose_device("cpu") == torch.device("cpu")


def test_without_any_gpu_nothing_is_said_unless_one_is_asked_for(
    machine: Machine, caplog: pytest.LogCaptureFixture
) -> None:
    machine(False)
    assert choose_device() == torch.device("cpu")
    assert not caplog.records
    with pytest.raises(ConfigError, match="No CUDA device found"):
        choose_device("cuda")


@pytest.mark.parametrize(
    "text", ["CUDA out of memory. Tried to", "CUDA error: all CUDA-capable devices are busy or unavailable"]
)
def test_a_gpu_that_is_in_use_at_the_moment_is_not_useless(machine: Machine, text: str) -> None:
    machine(True, error=RuntimeError(text))
    assert check_gpu().usable


def test_as_a_program_it_answers_for_a_gpu_that_is_known_to_be_there() -> None:
    command = [sys.executable, "-m", "core.models.device"]
    result = subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, text=True, check=True, timeout=120)
    answer = json.loads(result.stdout)
    assert answer["usable"] is torch.cuda.is_available()
    assert bool(answer["reason"]) is not answer["usable"]
