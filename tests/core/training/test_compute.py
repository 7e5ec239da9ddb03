"""What a run computes on."""

import pytest
import torch

from core.errors import ConfigError
from core.models import device
from core.models.device import GpuCheck
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
