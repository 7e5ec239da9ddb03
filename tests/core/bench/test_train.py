"""Speed is measured to the end of the work, also where the device only queues it, as CUDA does.

The device here is made up: starting work takes the host microseconds, the work itself takes the device's own time, and
only `synchronize` waits for it. Its true speed is known, so the benchmark can be held to it.
"""

import itertools
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from core.__main__ import app
from core.bench import train
from core.data.dataset import Split
from core.errors import DataError
from core.presets import make_config
from core.training import utilisation
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
    randn, generator = torch.randn, torch.Generator

    def multiply(a: torch.Tensor, b: torch.Tensor, **_: Any) -> torch.Tensor:
        device.start(2 * len(a) ** 3 / PEAK, "mm", first=1.0)
        return a

    monkeypatch.setattr(torch, "randn", lambda *size, **_: randn(*size, device="meta"))
    monkeypatch.setattr(torch, "Generator", lambda _: generator())
    monkeypatch.setattr(torch, "mm", multiply)
    monkeypatch.setattr(torch.Tensor, "__matmul__", multiply)
    assert 0.98 * PEAK < utilisation.matmul_peak(CUDA, torch.bfloat16, *utilisation._PRODUCTS["cuda"]) <= PEAK


def test_the_engine_is_timed_to_the_end_of_its_steps(
    device: Queueing, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    config = make_config("best", {"dataset": "demo"})

    def endless_training(*arguments: Any) -> None:
        stop_asked: Callable[[], bool] = arguments[-1]
        for number in itertools.count():
            if stop_asked():
                raise Stopped
            device.start(0.01, "step", first=5.0)
            if number == 3:
                device.start(0.5, "capture")

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
    assert train._whole_epochs(tmp_path, config, demo_root, epochs=2) > 0
    assert train._validation(config, demo_root) > 0


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, request: pytest.FixtureRequest) -> dict[str, Any]:
    """What is reported of a device, by default a GPU: 20,000 images/s in each way, in rounds as far apart as given."""
    device, spread = request.param
    rates = {"_usual_script": 1000.0, "_engine": 20_000.0, "_bare_step": 25_000.0, "_validation": 50_000.0}
    rounds = itertools.cycle([*6 * [1 - spread / 2], *6 * [1.0], *6 * [1 + spread / 2]])  # six variants on a CPU

    class Pool:
        """Processes that do what they are given at once, and in this one."""

        def __init__(self, *_: Any) -> None: ...

        def __enter__(self) -> "Pool":
            return self

        def __exit__(self, *_: object) -> None: ...

        def submit(self, job: Callable[..., Any], *arguments: Any) -> Any:
            return SimpleNamespace(result=lambda: job(*arguments))

    for name, rate in rates.items():
        monkeypatch.setattr(train, name, lambda *_, rate=rate: rate * next(rounds))
    monkeypatch.setattr(train, "_whole_epochs", lambda *_: 10_000.0)
    monkeypatch.setattr(train, "ProcessPoolExecutor", Pool)
    monkeypatch.setattr(train, "_write_image_folder", lambda *_: None)
    monkeypatch.setattr(train, "load_split", lambda _, __, name: range(28_709 if name == "train" else 3589))
    monkeypatch.setattr(train, "kernels_per_step", lambda _: Counter({"mm": 9}))
    monkeypatch.setattr(train, "choose_compute", lambda _: Compute(torch.device(device), True, 1))
    monkeypatch.setattr(Compute, "title", "a device")
    monkeypatch.setattr(train, "peak_of", lambda _: utilisation.Peak(1e15, "data sheet"))
    monkeypatch.setattr("core.models.device.choose_device", lambda _: torch.device(device))
    result = CliRunner().invoke(app, ["bench", "train", "--data-root", str(tmp_path), "--json"])
    said = CliRunner().invoke(app, ["bench", "train", "--data-root", str(tmp_path)])
    assert result.exception is None and said.exception is None, (result.exception, said.exception)
    return {"results": json.loads(result.stdout), "said": said.stdout}


@pytest.mark.parametrize("measured", [("cuda", 0.1)], indirect=True, ids=["gpu"])
def test_a_gpu_is_measured_at_three_batch_sizes_in_three_ways(measured: dict[str, Any]) -> None:
    results = measured["results"]
    assert [each["batch_size"] for each in results] == [128, 512, 1024]
    for each in results:
        assert {"best", "best_compiled", "best_eager"} <= each["fraction_of_peak"].keys() & each["ratio"].keys()
        assert each["seconds_per_epoch"]["best"] == pytest.approx(28_709 / 20_000, rel=0.06)
        assert each["fraction_of_peak"]["best"] == pytest.approx(20_000 * 2.055e9 / 1e15, rel=0.06)
        assert each["seconds_per_epoch_with_validation"] == pytest.approx(2.871, abs=0.001), "as measured, not added up"
        assert each["unquiet"] == []
    assert measured["said"].count("An epoch of best with validation and checkpoints takes 2.87 s.") == 3
    assert "The peak is 1,000.00 TFLOP/s (data sheet)." in measured["said"] and "not quiet" not in measured["said"]


@pytest.mark.parametrize("measured", [("cpu", 0.3)], indirect=True, ids=["cpu"])
def test_rounds_that_are_apart_by_more_than_a_fifth_say_that_the_machine_is_not_quiet(
    measured: dict[str, Any],
) -> None:
    [result] = measured["results"]
    assert {"script", "best"} <= set(result["unquiet"]) and "best_whole_epochs" not in result["images_per_second"]
    whole = 28_709 / 20_000 + 3589 / 50_000
    assert result["seconds_per_epoch_with_validation"] == pytest.approx(whole, rel=0.2)
    assert "This machine is not quiet: rounds differ by more than a fifth (script, engine," in measured["said"]


def test_a_batch_larger_than_the_dataset_is_refused(demo_root: Path) -> None:
    with pytest.raises(DataError, match="has too few training images for a batch size of 8192"):
        train.measure_training(demo_root, "demo", batch_size=8192)
