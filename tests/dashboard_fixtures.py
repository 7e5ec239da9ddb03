"""Plausible run folders without training, written through the same code that real runs are written with."""

import math
import socket
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock

from core.bench import synthetic_records
from core.data.dataset import load_split, read_identity
from core.evaluation.predictions import write_predictions
from core.files import write_json
from core.labels import NUM_CLASSES
from core.machine import boot_id
from core.presets import make_config
from core.runs.best import HASH, hash_of
from core.runs.create import create_run, write_meta, write_status
from core.runs.group_changes import add_group, group_lock
from core.runs.groups import Group, GroupMember, GroupRecord
from core.runs.history import HistoryWriter
from core.runs.paths import RunPaths
from core.runs.reader import read_status

STEPS_PER_EPOCH = 80
SECONDS_PER_STEP = 0.9
SAMPLE_SECONDS = 5
WEIGHTS = b"not real weights"
SETTINGS = {
    "optimizer": "adamw",
    "weight_decay": 0.05,
    "schedule": "linear",
    "warmup_fraction": 0.2,
    "batch_size": 64,
}
"""Of every run, beside what it is asked for."""


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

    def add_epoch(self, epoch: int, seed: int = 0, ceiling: float = 1.0, **row: Any) -> dict[str, Any]:
        """Append one epoch of steps and its row, which is returned.

        Args:
            epoch: from 1.
            seed: makes runs differ.
            ceiling: of its validation accuracy.
            row: other values for fields of the row.
        """
        chance = np.random.default_rng((seed, epoch))
        with HistoryWriter(self.paths.steps) as steps:
            for step in range((epoch - 1) * STEPS_PER_EPOCH + 1, epoch * STEPS_PER_EPOCH + 1):
                part = step / STEPS_PER_EPOCH
                loss = 1.05 + 0.9 * math.exp(-part / 6) + chance.normal(0, 0.09)
                accuracy = float(np.clip(0.62 - 0.42 * math.exp(-part / 7) + chance.normal(0, 0.045), 0, 1))
                steps.append([synthetic_records.step_row(step, steps=STEPS_PER_EPOCH, loss=loss, accuracy=accuracy)])
        with HistoryWriter(self.paths.system) as system:
            seconds = range(SAMPLE_SECONDS, round(epoch * STEPS_PER_EPOCH * SECONDS_PER_STEP), SAMPLE_SECONDS)
            before = (epoch - 1) * STEPS_PER_EPOCH * SECONDS_PER_STEP
            system.append([synthetic_records.system_row(float(each)) for each in seconds if each > before])
        made_up = _epoch_row(epoch, chance)
        accuracy = min(made_up["validation_accuracy"], ceiling)
        written = made_up | {"validation_accuracy": accuracy} | row
        with HistoryWriter(self.paths.epochs) as epochs:
            epochs.append([written])
        return written


def _epoch_row(epoch: int, chance: np.random.Generator) -> dict[str, Any]:
    return synthetic_records.epoch_row(
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
    settings: Mapping[str, Any] | None = None,
) -> FakeRun:
    """A run folder in a state: queued, running, finished, failed, stopped, crashed, stalled, lost or damaged.

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
        settings: others of the run.
    """
    own = {"epochs": epochs, "dataset": dataset, "seed": seed, **(settings or {})}
    config = make_config("original", {**SETTINGS, **own})
    created = datetime.now(UTC) - age
    run = FakeRun(create_run(runs_root, config, name=name, author=author))
    if state == "queued":
        return run
    if state == "damaged":
        run.paths.status.write_text('{"state": "runn')
        return run
    done = epochs if state == "finished" else done
    if done:
        _train(run, data_root, dataset, done, seed, finished=state == "finished")
    run.paths.log.write_text(
        "".join(f"epoch {n}/{epochs}  validation {60 + n / 10:.1f} %\n" for n in range(1, done + 1))
    )
    alive = state in ("running", "stalled", "crashed", "lost")
    elsewhere = {"host": "node-2", "boot_id": "of node-2", "launcher": "cluster"}  # an engine that cannot be asked here
    status = synthetic_records.status_record(
        "running" if alive else state,
        created,
        epochs,
        done,
        batches=STEPS_PER_EPOCH,
        **(elsewhere if state == "lost" else {"host": socket.gethostname(), "boot_id": boot_id()}),
        heartbeat=time.monotonic() - (1000 if state == "stalled" else 0),
        epoch=min(done + 1, epochs),
        batch=31 if state != "finished" else STEPS_PER_EPOCH,
        progress=1.0 if state == "finished" else (done + 31 / STEPS_PER_EPOCH) / epochs,
        elapsed_seconds=max(done, 0.4) * STEPS_PER_EPOCH * SECONDS_PER_STEP,
        error="Loss is not a number at epoch 6, step 412: try a lower learning rate." if state == "failed" else None,
    )
    write_status(run.paths, status)
    if state in ("running", "stalled"):
        run.hold()
    elif state == "crashed":
        run.hold()
        run.close()
    return run


def write_group(
    runs: Sequence[FakeRun], values: Sequence[Mapping[str, Any]], *, name: str = "a-sweep", **record: Any
) -> Group:
    """The group of some runs.

    Args:
        runs: its members, at least one.
        values: the settings in which each of them differs.
        name: of the group.
        record: more of its record.
    """
    root = runs[0].paths.root
    fields = {field: list(dict.fromkeys(each[field] for each in values)) for field in values[0]}
    config = make_config("original", {**SETTINGS, "dataset": "demo"}).model_dump(mode="json")
    whole = {"created_at": datetime.now(UTC), "fields": fields, "settings": config, **record}
    members = tuple(GroupMember.of(run.id, each) for run, each in zip(runs, values, strict=True))
    with group_lock(root):
        group = add_group(root, GroupRecord(members=members, **whole), name)
    for run in runs:
        write_meta(run.paths, lambda meta: meta.model_copy(update={"group": group.name}))
    return group


def end_run(run: FakeRun, state: str = "finished") -> None:
    """What a worker does last."""
    status = read_status(run.paths)
    ended = {"state": state, "ended_at": datetime.now(UTC), "eta_seconds": None, "activity": ""}
    write_status(run.paths, status.model_copy(update=ended))
    run.close()


def _train(run: FakeRun, data_root: Path, dataset: str, epochs: int, seed: int, finished: bool) -> None:
    """What a worker leaves after some epochs, of which the last is the best."""
    scored, opened = {}, {}
    for split in ("validation", "test") if finished else ("validation",):
        opened[split] = load_split(data_root, dataset, split)
        scored[split] = opened[split].labels, _probabilities(opened[split].labels, seed)
    evaluation = synthetic_records.evaluation(scored)
    validation = evaluation["validation"]
    run.paths.weights.write_bytes(WEIGHTS)
    run.paths.checkpoint.write_bytes(WEIGHTS)
    for epoch in range(1, epochs):
        run.add_epoch(epoch, seed, ceiling=validation["accuracy"] - 0.01)
    best = run.add_epoch(
        epochs,
        seed,
        validation_accuracy=round(validation["accuracy"], 5),
        validation_loss=round(validation["log_loss"], 5),
        **{HASH: hash_of(run.paths.weights)},
    )
    for split, (labels, probabilities) in scored.items():
        origin = {"epoch": epochs, HASH: best[HASH]}
        write_predictions(run.paths.predictions(split), opened[split].ids, labels, probabilities, origin)
    data = read_identity(data_root, dataset)
    fingerprints = {"fingerprint": data.content, "ordered_fingerprint": data.ordered}
    summary = synthetic_records.summary(
        [best], evaluation if finished else None, validation_images=validation["images"], **fingerprints
    )
    write_json(run.paths.summary, summary)
    environment = synthetic_records.environment_record(run.id, datetime.now(UTC), **fingerprints)
    write_json(run.paths.environment, environment)


def _probabilities(labels: np.ndarray, seed: int) -> np.ndarray:
    """About two of three right, with mistakes that are sure of themselves now and then."""
    chance = np.random.default_rng(seed)
    scores = chance.normal(0, 1.1, (len(labels), NUM_CLASSES))
    scores[np.arange(len(labels)), labels] += 1.9
    powers = np.exp(1.4 * scores)
    return powers / powers.sum(axis=1, keepdims=True)
