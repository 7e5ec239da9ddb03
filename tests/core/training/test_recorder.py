"""What is recorded of the machine while a run trains."""

import json
import logging
import math
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
import torch

from core.bench.kernels import noise_data
from core.config import TrainConfig
from core.errors import TrainingError
from core.runs.create import create_run
from core.runs.history import read_rows
from core.runs.reader import read_status
from core.training import recorder
from core.training.checkpoint import TrainingProgress
from core.training.recorder import Recorder, SystemMonitor
from core.training.reporter import StatusReporter
from tests.conftest import PROJECT_ROOT


class NVMLError(Exception):
    """As the management library's own: neither an ImportError nor a RuntimeError."""


def sampled(path: Path, count: int, device: str = "cuda") -> list[dict[str, float | None]]:
    """The rows of a monitor that has been let run for so many samples."""
    deadline = time.monotonic() + 30
    with SystemMonitor(path, lambda: 1.0, torch.device(device)):
        while len(rows := read_rows(path)[0]) < count:
            assert time.monotonic() < deadline, "the monitor has ended"
            time.sleep(0.01)
    return rows


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder, "SAMPLE_SECONDS", 0.01)


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: 1 << 30)
    monkeypatch.setattr(torch.cuda, "utilization", lambda device: 87)


def test_the_use_of_a_gpu_is_recorded(tmp_path: Path, gpu: None) -> None:
    row = sampled(tmp_path / "system.jsonl", 1)[0]
    assert (row["gpu_percent"], row["gpu_memory_bytes"]) == (87, 1 << 30)
    assert row["memory_bytes"] and row["machine_memory_percent"]


def test_on_a_cpu_there_is_nothing_of_a_gpu_even_where_there_is_one(tmp_path: Path, gpu: None) -> None:
    assert sampled(tmp_path / "system.jsonl", 1, "cpu")[0].keys() == {
        "elapsed_s", "cpu_percent", "machine_cpu_percent", "memory_bytes", "machine_memory_percent"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("module", "function", "field"),
    [(torch.cuda, "utilization", "gpu_percent"), (psutil, "virtual_memory", "machine_memory_percent")],
)
def test_a_gauge_that_fails_takes_no_other_and_is_logged_once(
    tmp_path: Path,
    gpu: None,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    module: object,
    function: str,
    field: str,
) -> None:
    def fail(*_: object) -> None:
        raise NVMLError("Not Supported")

    monkeypatch.setattr(module, function, fail)
    with caplog.at_level(logging.WARNING, logger="train"):
        rows = sampled(tmp_path / "system.jsonl", 3)
    for row in rows:
        assert row[field] is None
        assert all(value is not None for name, value in row.items() if name != field), json.dumps(row)
    assert [entry.getMessage() for entry in caplog.records] == [f"{field} is not recorded: NVMLError: Not Supported"]


def test_the_library_that_measures_gpus_is_required() -> None:
    """Without it torch refuses to say how busy a GPU is."""
    assert torch.cuda._HAS_PYNVML
    assert "\nnvidia-ml-py==" in (PROJECT_ROOT / "requirements.txt").read_text()


@pytest.mark.parametrize(
    ("before", "step", "total"), [(None, 0, 2.0), (40.0, 7, 42.0), (None, 7, None)], ids=["start", "resume", "older"]
)
def test_the_energy_of_a_run_adds_up_over_its_resumes(
    before: float | None, step: int, total: float | None, runs_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where one part is not known, as after a resume of what an older version has started, the sum is not."""
    monkeypatch.setattr(recorder, "EnergyMeter", lambda _: SimpleNamespace(joules=lambda: 2.0))
    paths, progress = create_run(runs_root, TrainConfig()), TrainingProgress(step=step, energy_joules=before)
    record = Recorder(paths, TrainConfig(), noise_data(4), progress, StatusReporter(paths, read_status(paths)))
    assert record.totals(progress).energy_joules == total
    record.close()


@pytest.mark.parametrize("at", [(1, 3), (2, 0)], ids=["before-its-row", "after-its-row"])
def test_an_epoch_has_one_row_however_often_it_is_resumed(at: tuple[int, int], runs_root: Path) -> None:
    """A checkpoint after the last batch of an epoch, but before it was scored, has as many steps as the epoch's row."""
    paths, (epoch, batch) = create_run(runs_root, TrainConfig()), at
    rows = [{"epoch": number, "step": 3 * number} for number in (1, 2, 3)]
    paths.epochs.write_text("".join(json.dumps(row) + "\n" for row in rows))
    status = StatusReporter(paths, read_status(paths))
    progress = TrainingProgress(epoch=epoch, batch=batch, step=6)
    Recorder(paths, TrainConfig(), noise_data(4), progress, status).close()
    assert read_rows(paths.epochs)[0] == rows[:epoch]


class Queue:
    """The clock of a host that queues steps in no time, while each takes the device a tenth of a second."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self._queued = 100.0, 0
        stack = torch.stack
        monkeypatch.setattr(recorder.time, "monotonic", lambda: self.now)
        monkeypatch.setattr(recorder.torch, "stack", lambda values: (self.wait(), stack(values))[1])

    def step(self, loss: float) -> torch.Tensor:
        self._queued += 1
        return torch.tensor([loss, 2.0])

    def wait(self) -> None:
        self.now += 0.1 * self._queued
        self._queued = 0


def test_the_speed_is_that_of_the_device_and_not_of_queueing(runs_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths, progress, device = create_run(runs_root, TrainConfig()), TrainingProgress(), Queue(monkeypatch)
    status = StatusReporter(paths, read_status(paths))
    record = Recorder(paths, TrainConfig(epochs=2), replace(noise_data(4), batches=30), progress, status)
    record._group = recorder.STEPS_PER_READ_ON_GPU
    record.start_epoch()
    for number in range(1, 31):
        progress.batch = progress.step = number
        record.step(device.step(1.0), 0.1)
        if number == 24:
            assert status.status.images_per_second is None, "nothing is known yet"
    record.close()
    rows = read_rows(paths.steps)[0]
    assert [row["elapsed_s"] for row in rows] == pytest.approx([0.1 * number for number in range(1, 31)], abs=0.006)
    assert {row["images_per_second"] for row in rows} == {40.0}
    assert status.status.images_per_second == 40 and status.status.eta_seconds == pytest.approx(3.0)


def test_what_came_before_a_bad_loss_is_kept(runs_root: Path) -> None:
    paths, progress = create_run(runs_root, TrainConfig()), TrainingProgress()
    record = Recorder(paths, TrainConfig(), noise_data(4), progress, StatusReporter(paths, read_status(paths)))
    record._group = recorder.STEPS_PER_READ_ON_GPU
    for number in range(1, 12):
        progress.batch = progress.step = number
        record.step(torch.tensor([math.nan if number == 10 else 1.0, 2.0]), 0.1)
    with pytest.raises(TrainingError, match=r"NaN \(epoch 1, step 10\)"):
        record.read()
    record.close()
    assert [row["step"] for row in read_rows(paths.steps)[0]] == list(range(1, 10))
