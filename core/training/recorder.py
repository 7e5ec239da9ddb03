"""What training tells the outside while it runs: the histories and `summary.json`; its status, by the reporter."""

import logging
import math
import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import torch
from torch import Tensor

from core.config import TrainConfig
from core.errors import TrainingError
from core.files import write_json
from core.runs.history import HistoryWriter, drop_rows_after
from core.runs.paths import RunPaths
from core.runs.summary import SplitMetrics, Summary
from core.training.beside import BesideTraining
from core.training.checkpoint import TrainingProgress
from core.training.reporter import StatusReporter
from core.training.train_data import TrainData
from core.training.utilisation import EnergyMeter

log = logging.getLogger("train")

SAMPLE_SECONDS = 5.0
STEPS_PER_READ_ON_GPU = 25


class Recorder:
    """Takes each step and epoch of the loop and writes what the run folder keeps of it.

    Loss and accuracy stay on the device until they are read in groups: a read makes the host wait for a GPU, once in
    25 steps that is not felt. On a CPU every step is read at once.
    """

    def __init__(
        self, paths: RunPaths, config: TrainConfig, data: TrainData, progress: TrainingProgress, status: StatusReporter
    ) -> None:
        # A crash may have written rows that are newer than the checkpoint: those steps are done again.
        drop_rows_after(paths.steps, "step", progress.step)
        drop_rows_after(paths.epochs, "epoch", progress.epoch)  # it may have as many steps before it is scored
        drop_rows_after(paths.system, "elapsed_s", progress.elapsed_seconds)
        self.status = status
        self._paths, self._config, self._data, self._progress = paths, config, data, progress
        self._steps, self._epochs = HistoryWriter(paths.steps), HistoryWriter(paths.epochs)
        self._group = STEPS_PER_READ_ON_GPU if data.images.device.type == "cuda" else 1
        self._pending: list[tuple[dict[str, Any], Tensor]] = []
        self._clock_start = time.monotonic() - progress.elapsed_seconds
        self._epoch_start = self._read_at = self.elapsed()
        self._epoch_first_batch = progress.batch
        self._meter = EnergyMeter(data.images.device)
        self._energy_before = progress.energy_joules if progress.step else 0.0
        self.checkpoint_step: int | None = progress.step or None
        """Optimizer steps that the checkpoint on disk counts as done."""
        self._since = (progress.elapsed_seconds, progress.step)  # of this process: the estimate is made from it
        self._speed: dict[str, Any] = {}
        """Of the status, as of the last read."""

    def elapsed(self) -> float:
        """Seconds of training over all resumes, by a monotonic clock."""
        return time.monotonic() - self._clock_start

    def energy(self) -> float | None:
        """Joules that the GPU has taken for training over all resumes; None where a part of it is not known."""
        since = self._meter.joules()
        return None if since is None or self._energy_before is None else self._energy_before + since

    def totals(self, progress: TrainingProgress) -> TrainingProgress:
        """The progress of this moment, with the time and the energy it has taken; the loop goes on changing its own."""
        return replace(progress, elapsed_seconds=self.elapsed(), energy_joules=self.energy())

    def start_epoch(self) -> None:
        self._epoch_start = self._read_at = self.elapsed()
        self._epoch_first_batch = self._progress.batch

    def step(self, result: Tensor, learning_rate: float) -> None:
        """Note one optimizer step, already counted in the progress.

        Args:
            result: (2,) on the device: the loss, mean over the batch, and the number of right predictions in it.
            learning_rate: as used in this step.

        Raises:
            TrainingError: a loss was not finite.
        """
        progress, batches = self._progress, self._data.batches
        row = {"step": progress.step, "epoch": progress.epoch + 1, "learning_rate": learning_rate}
        self._pending.append((row, result))
        if len(self._pending) >= self._group or progress.batch == batches:
            self.read()
        self.status.update(
            activity="training",
            epoch=progress.epoch + 1,
            batch=progress.batch,
            batches=batches,
            progress=progress.step / (self._config.epochs * batches),
            elapsed_seconds=round(self.elapsed(), 2),
            **self._speed,
        )

    def sync(self) -> None:
        """Have all rows written so far survive a power cut, before a checkpoint counts them as done: a resume would
        never write them again."""
        self._steps.append([], lasting=True)
        self._epochs.append([], lasting=True)

    def read(self) -> None:
        """Fetch what waits on the device and append it to the history; before every checkpoint.

        A GPU only queues steps: when all of a group are done is known, and each is taken to have lasted as long.

        Raises:
            TrainingError: a loss was not finite, so the weights are lost from that step on, and must never reach a
                checkpoint.
        """
        if not self._pending:
            return
        pending, self._pending = self._pending, []
        values = torch.stack([value for _, value in pending]).tolist()  # waits for them
        before, now, size = self._read_at, self.elapsed(), self._data.batch_size
        self._read_at = now
        first_batch = self._progress.batch - len(pending) - self._epoch_first_batch
        rows: list[dict[str, Any]] = []
        try:
            for number, ((row, _), (loss, correct)) in enumerate(zip(pending, values, strict=True), 1):
                _require_finite("training", loss, row["epoch"], row["step"])
                self._progress.loss_sum += loss * size
                self._progress.correct += int(correct)
                elapsed = before + (now - before) * number / len(pending)
                speed = (first_batch + number) * size / max(elapsed - self._epoch_start, 1e-9)
                row |= {"elapsed_s": round(elapsed, 2), "images_per_second": round(speed, 1)}
                rows.append({**row, "loss": round(loss, 5), "accuracy": round(correct / size, 5)})
        finally:
            self._steps.append(rows)
        step = rows[-1]["step"]
        per_step = (now - self._since[0]) / (step - self._since[1])
        left = self._config.epochs * self._data.batches - step
        self._speed = {"images_per_second": rows[-1]["images_per_second"], "eta_seconds": round(per_step * left, 1)}

    def epoch_row(self, validation: dict[str, float], learning_rate: float) -> dict[str, Any]:
        """The metrics of the epoch that just ended, as `epochs.jsonl` has them.

        Raises:
            TrainingError: the validation loss is not finite. The training losses do not show what the last step did to
                the weights, so this must come before these weights, or anything computed with them, are kept.
        """
        progress, elapsed = self._progress, self.elapsed()
        _require_finite("validation", validation["validation_loss"], progress.epoch + 1, progress.step)
        images = progress.batch * self._data.batch_size
        return {
            "epoch": progress.epoch + 1,
            "step": progress.step,
            "elapsed_s": round(elapsed, 2),
            "seconds": round(elapsed - progress.last.get("elapsed_s", 0.0), 2),
            "train_loss": round(progress.loss_sum / images, 5),
            "train_accuracy": round(progress.correct / images, 5),
            **validation,
            "learning_rate": learning_rate,
            "images_per_second": self.status.status.images_per_second,
        }

    def end_epoch(self, row: dict[str, Any]) -> None:
        """Append the epoch's row."""
        self._epochs.append([row])

    def write_summary(self, progress: TrainingProgress, evaluation: dict[str, SplitMetrics] | None = None) -> None:
        """Replace `summary.json` with what was known at this progress."""
        summary: dict[str, Any] = {
            "best": progress.best,
            "last": progress.last,
            "epochs_done": progress.epoch,
            "checkpoint_step": self.checkpoint_step,
            "train_images": len(self._data.labels),
            "images_per_epoch": self._data.per_epoch,
            "validation_images": len(self._data.validation),
            "elapsed_seconds": round(progress.elapsed_seconds, 1),
            "energy_joules": progress.energy_joules,
            "dataset_fingerprint": self._data.identity.content,
            "dataset_ordered_fingerprint": self._data.identity.ordered,
        }
        if evaluation is not None:
            summary["evaluation"] = evaluation
        write_json(self._paths.summary, Summary.model_validate(summary, strict=False).as_json(), indent=None)

    def close(self) -> None:
        self._steps.close()
        self._epochs.close()


def _require_finite(split: str, loss: float, epoch: int, step: int) -> None:
    if not math.isfinite(loss):
        raise TrainingError(
            f"{split.capitalize()} loss is {'NaN' if math.isnan(loss) else 'infinite'} (epoch {epoch}, step {step}). "
            "Try a lower learning rate."
        )


class SystemMonitor(BesideTraining):
    """A thread that writes CPU and memory use every few seconds, and that of the GPU if the run is on one.

    Args:
        path: of `system.jsonl`.
        elapsed: gives the seconds of training so far.
        device: of the training.
    """

    def __init__(self, path: Path, elapsed: Callable[[], float], device: torch.device) -> None:
        super().__init__("system-monitor")
        self._path, self._elapsed, self._device = path, elapsed, device
        self._failed: set[str] = set()

    def _run(self) -> None:
        process = psutil.Process(os.getpid())
        process.cpu_percent()  # the first call only sets the starting point
        with HistoryWriter(self._path) as history:
            while not self._done.wait(SAMPLE_SECONDS):
                try:
                    history.append([self._sample(process)])
                except OSError:
                    return  # a full disk is the loop's to report: its own writes fail, too

    def _sample(self, process: psutil.Process) -> dict[str, Any]:
        """One row of `system.jsonl`; null where a gauge gives no value."""
        gauges: dict[str, Callable[[], float]] = {
            "cpu_percent": process.cpu_percent,
            "machine_cpu_percent": psutil.cpu_percent,
            "memory_bytes": lambda: process.memory_info().rss,
            "machine_memory_percent": lambda: psutil.virtual_memory().percent,
        }
        if self._device.type == "cuda":
            gauges |= {
                "gpu_memory_bytes": lambda: torch.cuda.memory_reserved(self._device),
                "gpu_percent": lambda: torch.cuda.utilization(self._device),
            }
        elapsed = round(self._elapsed(), 1)
        return {"elapsed_s": elapsed, **{name: self._read(name, gauge) for name, gauge in gauges.items()}}

    def _read(self, name: str, gauge: Callable[[], float]) -> float | None:
        """The value of a gauge, or None; why it has none is logged the first time."""
        try:
            return gauge()
        except Exception as error:  # each library has exceptions of its own, as NVML for a slice (MIG) of a GPU
            if name not in self._failed:
                log.warning("%s is not recorded: %s: %s", name, type(error).__name__, error)
                self._failed.add(name)
            return None
