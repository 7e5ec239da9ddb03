"""What is recorded of the machine while a run trains."""

import json
import logging
import time
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
import torch

from core.bench.kernels import noise_data
from core.config import TrainConfig
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


def sampled(path: Path, count: int) -> list[dict[str, float | None]]:
    """The rows of a monitor that has been let run for so many samples."""
    deadline = time.monotonic() + 30
    with SystemMonitor(path, lambda: 1.0):
        while len(rows := read_rows(path)[0]) < count:
            assert time.monotonic() < deadline, "the monitor has ended"
            time.sleep(0.01)
    return rows


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder, "SAMPLE_SECONDS", 0.01)


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda: 1 << 30)
    monkeypatch.setattr(torch.cuda, "utilization", lambda: 87)


def test_the_use_of_a_gpu_is_recorded(tmp_path: Path, gpu: None) -> None:
    row = sampled(tmp_path / "system.jsonl", 1)[0]
    assert (row["gpu_percent"], row["gpu_memory_bytes"]) == (87, 1 << 30)
    assert row["memory_bytes"] and row["machine_memory_percent"]


def test_without_a_gpu_there_is_no_row_of_one(tmp_path: Path) -> None:
    assert sampled(tmp_path / "system.jsonl", 1)[0].keys() == {
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
    def fail() -> None:
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
