"""Speed is measured to the end of the work, also where the device only queues it, as CUDA does.

The device here is made up: starting work takes the host microseconds, the work itself takes the device's own time, and
only `synchronize` waits for it. Its true speed is known, so the benchmark can be held to it.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from core.bench import train
from core.data.dataset import Split
from core.presets import make_config
from core.training.compute import Compute
from core.training.loop import Stopped

CUDA = torch.device("cuda")
PEAK = 1e15
"""Operations per second, about those of an H100 in bfloat16."""
LAUNCH, SYNCHRONIZE = 10e-6, 20e-6
"""Seconds of the host."""


class Queueing:
    """A device that does its work later, and the clock of the host."""

    def __init__(self) -> None:
        self.now = 100.0
        self._busy_until = 0.0
        self._warm: set[Any] = set()

    def start(self, seconds: float, kind: Any, first: float = 0.0) -> None:
        """Queue work; the first of its kind takes `first` seconds more."""
        extra = 0.0 if kind in self._warm else first
        self._warm.add(kind)
        self.now += LAUNCH
        self._busy_until = max(self._busy_until, self.now) + seconds + extra

    def synchronize(self, *_: Any) -> None:
        self.now = max(self.now, self._busy_until) + SYNCHRONIZE


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> Queueing:
    device = Queueing()
    monkeypatch.setattr(torch.cuda, "synchronize", device.synchronize)
    monkeypatch.setattr(train.time, "monotonic", lambda: device.now)
    monkeypatch.setattr(train, "choose_compute", lambda _: Compute(CUDA, True, 1))
    return device


def test_the_peak_is_that_of_the_products_and_not_of_starting_them(
    device: Queueing, monkeypatch: pytest.MonkeyPatch
) -> None:
    randn = torch.randn

    def multiply(a: torch.Tensor, b: torch.Tensor, **_: Any) -> torch.Tensor:
        device.start(2 * len(a) ** 3 / PEAK, "mm", first=1.0)
        return a

    monkeypatch.setattr(torch, "randn", lambda *size, **_: randn(*size, device="meta"))
    monkeypatch.setattr(torch, "mm", multiply)
    monkeypatch.setattr(torch.Tensor, "__matmul__", multiply)
    assert 0.98 * PEAK < train.matmul_peak(CUDA, torch.bfloat16) <= PEAK


def test_the_engine_is_timed_to_the_end_of_its_steps(
    device: Queueing, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    config = make_config("best", {"dataset": "demo"})

    def endless_training(*arguments: Any) -> None:
        stop_asked: Callable[[], bool] = arguments[-1]
        while not stop_asked():
            device.start(0.01, "step", first=5.0)
        raise Stopped

    monkeypatch.setattr(train, "train", endless_training)
    rate = train._engine(tmp_path, config, tmp_path, steps=8)
    assert rate == pytest.approx(config.batch_size / 0.01, rel=0.01)


def test_validation_is_timed_to_its_end_and_without_its_first_batches(
    device: Queueing, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    images = np.zeros((1000, 48, 48), dtype=np.uint8)

    def class_probabilities(_: Any, images: torch.Tensor, **__: Any) -> torch.Tensor:
        for batch in images.split(train.BATCH):
            device.start(len(batch) / 50_000, len(batch), first=1.0)
        return images

    monkeypatch.setattr(train, "class_probabilities", class_probabilities)
    monkeypatch.setattr(train, "load_split", lambda *_: Split("validation", images, images[:, 0, 0], images[:, 0, 0]))
    monkeypatch.setattr(train, "to_device", lambda model, _: model)
    monkeypatch.setattr(train, "tensor_on", lambda array, _: torch.tensor(array))
    rate = train._validation(make_config("best", {"dataset": "demo"}), tmp_path)
    assert rate == pytest.approx(50_000, rel=0.01)


def test_on_a_cpu_the_benchmark_really_trains(tmp_path: Path, demo_root: Path) -> None:
    config = make_config("best", {"dataset": "demo", "model": "cnn-model-1", "device": "cpu", "threads": 1})
    config = config.model_copy(update={"batch_size": 16})
    assert train._engine(tmp_path, config, demo_root, steps=3) > 0
    assert train._bare_step(config, 2) > 0
    assert train._validation(config, demo_root) > 0
