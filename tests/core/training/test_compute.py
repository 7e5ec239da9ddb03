"""What a run computes on."""

import os
from collections.abc import Iterator

import pytest
import torch

from core.errors import ConfigError
from core.models import device
from core.models.device import GpuCheck
from core.training import compute
from core.training.compute import choose_compute
from tests.core.conftest import TINY


def test_a_worker_that_was_given_a_gpu_never_trains_on_the_cpu_instead(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other workers of the machine have the cores."""
    monkeypatch.setattr(device, "check_gpu", lambda: GpuCheck(False, "its driver is too old; update the driver"))
    monkeypatch.setattr(torch, "set_num_threads", lambda _: None)
    auto = TINY.model_copy(update={"device": "auto"})
    with pytest.raises(ConfigError, match="its driver is too old"):
        choose_compute(auto, gpu_slot=True)
    assert choose_compute(auto).device.type == "cpu"
    assert choose_compute(TINY, gpu_slot=True).device.type == "cpu", "as was asked for"


def test_tf32_needs_a_gpu_and_says_so() -> None:
    said = r"^Precision tf32 needs a CUDA device\. Set precision to 'auto' or 'float32'\.$"
    with pytest.raises(ConfigError, match=said):
        choose_compute(TINY.model_copy(update={"precision": "tf32"}))


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A GPU as far as the settings of the process go, which are as before afterwards."""
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    switches = [(matmul, "allow_tf32"), *((cudnn, name) for name in ("allow_tf32", "benchmark", "deterministic"))]
    before = [getattr(place, name) for place, name in switches]
    monkeypatch.setattr(torch, "use_deterministic_algorithms", lambda *_, **__: None)
    monkeypatch.setattr(torch, "set_num_threads", lambda _: None)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: True)
    monkeypatch.setattr(compute, "choose_device", lambda _: torch.device("cuda", 0))
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    yield
    for (place, name), value in zip(switches, before, strict=True):
        setattr(place, name, value)


@pytest.mark.parametrize(("precision", "tf32"), [("float32", False), ("auto", False), ("tf32", True)])
def test_float32_means_float32(cuda: None, precision: str, tf32: bool) -> None:
    chosen = choose_compute(TINY.model_copy(update={"precision": precision}))
    assert torch.backends.cuda.matmul.allow_tf32 is torch.backends.cudnn.allow_tf32 is tf32 is chosen.tf32
    assert chosen.bfloat16 is (precision == "auto")


def test_deterministic_leaves_nothing_to_autotuning(cuda: None) -> None:
    choose_compute(TINY)
    assert torch.backends.cudnn.benchmark and not torch.backends.cudnn.deterministic
    choose_compute(TINY.model_copy(update={"deterministic": True}))
    assert torch.backends.cudnn.deterministic and not torch.backends.cudnn.benchmark
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
