"""Plausible run folders without training, written through the same code that real runs are written with."""

import math
import socket
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from filelock import FileLock

from core.bench import fake_summary
from core.data.dataset import load_split, read_identity
from core.evaluation.predictions import write_predictions
from core.files import write_json
from core.labels import NUM_CLASSES
from core.machine import boot_id
from core.presets import make_config
from core.runs.create import create_run, write_status
from core.runs.history import HistoryWriter
from core.runs.paths import RunPaths
from core.runs.reader import read_status
from core.runs.records import RunStatus

STEPS_PER_EPOCH = 80
SECONDS_PER_STEP = 0.9


class FakeRun:
    """One run folder; a running one holds its lock until `close`."""

    def __init__(self, paths: RunPaths) -> None:
        self.paths = paths
        self._lock = FileLock(paths.alive_lock)

    @property
    def id(self) -> str:
        return self.paths.run_id

    def hold(self) -> None:
        """Be alive, as a worker would."""
        self._lock.acquire()

    def close(self) -> None:
        self._lock.release()

    def add_epoch(self, epoch: int, seed: int = 0) -> None:
        """Append one epoch of steps and its validation figures."""
        chance = np.random.default_rng((seed, epoch))
        with HistoryWriter(self.paths.steps) as steps:
            for step in range((epoch - 1) * STEPS_PER_EPOCH + 1, epoch * STEPS_PER_EPOCH + 1):
                part = step / STEPS_PER_EPOCH
                loss = 1.05 + 0.9 * math.exp(-part / 6) + chance.normal(0, 0.09)
                accuracy = float(np.clip(0.62 - 0.42 * math.exp(-part / 7) + chance.normal(0, 0.045), 0, 1))
                row = {"step": step, "epoch": epoch, "elapsed_s": step * SECONDS_PER_STEP, "loss": loss}
                steps.append([row | {"accuracy": accuracy, "learning_rate": 1e-3, "images_per_second": 142.0}])
        with HistoryWriter(self.paths.epochs) as epochs:
            epochs.append([_epoch_row(epoch, chance)])


def _epoch_row(epoch: int, chance: np.random.Generator) -> dict[str, float]:
    return fake_summary.epoch_row(
        epoch,
        steps=STEPS_PER_EPOCH,
        seconds=STEPS_PER_EPOCH * SECONDS_PER_STEP,
        train_loss=1.05 + 0.9 * math.exp(-epoch / 6),
        train_accuracy=0.62 - 0.42 * math.exp(-epoch / 7),
        validation_loss=1.02 + 0.75 * math.exp(-epoch / 5) + chance.normal(0, 0.015),
        accuracy=0.645 - 0.35 * math.exp(-epoch / 6) + chance.normal(0, 0.006),
    )


def write_run(
    runs_root: Path,
    data_root: Path,
    state: str,
    *,
    name: str = "",
    author: str = "",
    dataset: str = "demo",
    epochs: int = 12,
    done: int = 5,
    age: timedelta = timedelta(minutes=20),
    seed: int = 0,
) -> FakeRun:
    """A run folder in a state: queued, running, finished, failed, stopped, crashed, stalled or damaged.

    Args:
        runs_root: the folder of all runs.
        data_root: where the data set is whose labels the predictions are about; predictions are left out without it.
        state: what the run shall be read as.
        name: display name.
        author: who started it.
        dataset: name of the data set.
        epochs: planned.
        done: epochs with rows and figures (all of them if finished, none if queued).
        age: time since it was created.
        seed: makes runs differ.
    """
    config = make_config("quick", {"epochs": epochs, "dataset": dataset, "seed": seed, "images_per_epoch": 0})
    created = datetime.now(UTC) - age
    run = FakeRun(create_run(runs_root, config, name=name, author=author))
    if state == "queued":
        return run
    if state == "damaged":
        run.paths.status.write_text('{"state": "runn')
        return run
    done = epochs if state == "finished" else done
    for epoch in range(1, done + 1):
        run.add_epoch(epoch, seed)
    if done:
        _score(run, data_root, dataset, done, seed, finished=state == "finished")
    run.paths.log.write_text(
        "".join(f"epoch {n}/{epochs}  validation {60 + n / 10:.1f} %\n" for n in range(1, done + 1))
    )
    alive = state in ("running", "stalled", "crashed")
    error = "Loss is not a number at epoch 6, step 412: try a lower learning rate." if state == "failed" else None
    status = RunStatus(
        state="running" if alive else state,  # type: ignore[arg-type]
        created_at=created,
        queued_at=created,
        started_at=created + timedelta(seconds=3),
        ended_at=None if alive else created + timedelta(seconds=done * STEPS_PER_EPOCH * SECONDS_PER_STEP),
        slot="cpu",
        host=socket.gethostname(),
        boot_id=boot_id(),
        heartbeat=time.monotonic() - (1000 if state == "stalled" else 0),
        activity="training" if alive else "",
        epoch=min(done + 1, epochs),
        epochs=epochs,
        batch=31 if state != "finished" else STEPS_PER_EPOCH,
        batches=STEPS_PER_EPOCH,
        progress=1.0 if state == "finished" else (done + 31 / STEPS_PER_EPOCH) / epochs,
        eta_seconds=(epochs - done) * 72.0 if alive else None,
        elapsed_seconds=max(done, 0.4) * STEPS_PER_EPOCH * SECONDS_PER_STEP,
        images_per_second=142.0,
        device="CPU, 2 threads, bfloat16",
        error=error,
    )
    write_status(run.paths, status)
    if state in ("running", "stalled"):
        run.hold()
    elif state == "crashed":
        run.hold()
        run.close()
    return run


def end_run(run: FakeRun, state: str = "finished") -> None:
    """What a worker does last."""
    status = read_status(run.paths)
    ended = {"state": state, "ended_at": datetime.now(UTC), "eta_seconds": None, "activity": ""}
    write_status(run.paths, status.model_copy(update=ended))
    run.close()


def _score(run: FakeRun, data_root: Path, dataset: str, done: int, seed: int, finished: bool) -> None:
    scored = {}
    for split in ("validation", "test") if finished else ("validation",):
        opened = load_split(data_root, dataset, split)
        probabilities = _probabilities(opened.labels, seed)
        write_predictions(run.paths.predictions(split), opened.ids, opened.labels, probabilities)
        scored[split] = opened.labels, probabilities
    evaluation = fake_summary.evaluation(scored)
    validation = evaluation["validation"]
    best = fake_summary.epoch_row(done, validation["accuracy"], validation_loss=validation["log_loss"])
    data = read_identity(data_root, dataset)
    summary = fake_summary.summary(
        [best],
        evaluation if finished else None,
        fingerprint=data.content,
        ordered_fingerprint=data.ordered,
        validation_images=validation["images"],
    )
    write_json(run.paths.summary, summary)
    write_json(run.paths.environment, {"python": "3.11", "packages": {"torch": "2.14.1"}, "device": "CPU"})
    run.paths.weights.write_bytes(b"not real weights")


def _probabilities(labels: np.ndarray, seed: int) -> np.ndarray:
    """About two of three right, with mistakes that are sure of themselves now and then."""
    chance = np.random.default_rng(seed)
    scores = chance.normal(0, 1.1, (len(labels), NUM_CLASSES))
    scores[np.arange(len(labels)), labels] += 1.9
    powers = np.exp(1.4 * scores)
    return powers / powers.sum(axis=1, keepdims=True)
