"""What training tells the outside while it runs: `status.json`, `steps.jsonl` and `system.jsonl`."""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import torch
from torch import Tensor

from core.runs.history import HistoryWriter
from core.runs.layout import RunPaths
from core.runs.store import RunStatus, write_status

HEARTBEAT_SECONDS = 1.0


class StatusReporter:
    """Keeps `status.json` current, at most once a second, without a sync to disk: a heartbeat may be lost, not torn."""

    def __init__(self, paths: RunPaths, status: RunStatus) -> None:
        self.paths = paths
        self.status = status
        self._last_write = 0.0

    def update(self, *, now: bool = False, **fields: Any) -> None:
        """Change fields; written if the last write is a second ago, or at once with `now`."""
        clock = time.monotonic()
        self.status = self.status.model_copy(update={**fields, "heartbeat": clock})
        if now or clock - self._last_write >= HEARTBEAT_SECONDS:
            write_status(self.paths, self.status)
            self._last_write = clock


class StepMeter:
    """Loss and accuracy of each step, kept on the device and read back in groups.

    Reading a value from a GPU makes the host wait for it; once every `group` steps is not felt.
    """

    def __init__(self, group: int) -> None:
        self.group = group
        self._pending: list[tuple[dict[str, Any], Tensor]] = []

    def add(self, row: dict[str, Any], loss: Tensor, correct: Tensor) -> None:
        """Note a step; `loss` and `correct` are scalars on the device."""
        self._pending.append((row, torch.stack([loss.detach().float(), correct.float()])))

    @property
    def is_full(self) -> bool:
        return len(self._pending) >= self.group

    def read(self) -> list[tuple[dict[str, Any], float, int]]:
        """The steps since the last read: (row, loss, number correct). Waits for the device."""
        if not self._pending:
            return []
        values = torch.stack([value for _, value in self._pending]).tolist()
        rows = [(row, loss, int(correct)) for (row, _), (loss, correct) in zip(self._pending, values, strict=True)]
        self._pending.clear()
        return rows


class SystemMonitor:
    """A thread that writes CPU, memory and GPU use every few seconds."""

    def __init__(self, path: Path, elapsed: Callable[[], float], seconds: float = 5.0) -> None:
        self._path = path
        self._elapsed = elapsed
        self._seconds = seconds
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, name="system-monitor", daemon=True)

    def __enter__(self) -> "SystemMonitor":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _run(self) -> None:
        process = psutil.Process(os.getpid())
        process.cpu_percent()  # the first call only sets the starting point
        with HistoryWriter(self._path) as history:
            while not self._done.wait(self._seconds):
                try:
                    history.append([self._sample(process)])
                except OSError:
                    return  # a full disk is the training loop's to report; its own writes fail, too

    def _sample(self, process: psutil.Process) -> dict[str, Any]:
        row: dict[str, Any] = {
            "elapsed_s": round(self._elapsed(), 1),
            "cpu_percent": process.cpu_percent(),
            "machine_cpu_percent": psutil.cpu_percent(),
            "memory_bytes": process.memory_info().rss,
            "machine_memory_percent": psutil.virtual_memory().percent,
        }
        if torch.cuda.is_available():
            row["gpu_memory_bytes"] = torch.cuda.memory_reserved()
            try:
                row["gpu_percent"] = torch.cuda.utilization()
            except (ImportError, RuntimeError):  # needs NVIDIA's management library
                row["gpu_percent"] = None
        return row
