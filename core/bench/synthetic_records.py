"""Made-up records of a run folder, with every field that those of a real run have: for benchmarks and tests. A test
compares them with the shipped run and with one that was trained."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import numpy as np

from core.evaluation.metrics import evaluate_predictions
from core.labels import NUM_CLASSES
from core.runs.best import HASH
from core.runs.records import RunStatus
from core.runs.summary import Summary
from core.splits import ORIGINAL_TEST

Scored = tuple[np.ndarray, np.ndarray]
"""(N,) labels and (N, 7) probabilities."""

PACKAGES: Final = {f"package-{number}": f"1.{number}.0" for number in range(150)}
DEVICE: Final = "CPU, 2 threads, bfloat16"
NO_PROCESS: Final = 2**22 + 1
"""One more than the largest process id Linux gives."""


def made_up_hash(*seed: object) -> str:
    """64 hex digits in the place of the SHA-256 of a file that is not there."""
    return hashlib.sha256(repr(seed).encode()).hexdigest()


def status_record(
    state: str, created: datetime, epochs: int, done: int, *, batches: int = 80, **more: Any
) -> RunStatus:
    """`status.json` as a worker leaves it.

    Args:
        state: queued, running, finished, failed or stopped.
        created: when the run was; it started three seconds later.
        epochs: planned.
        done: of them.
        batches: per epoch.
        more: other values for its fields.
    """
    running, started, seconds = state == "running", created + timedelta(seconds=3), done * batches * 0.9
    values = {
        "state": state,
        "created_at": created,
        "queued_at": created,
        "started_at": started,
        "ended_at": None if running else started + timedelta(seconds=seconds),
        "queue_position": created.timestamp(),
        "slot": "cpu",
        "host": "made-up-host",
        "boot_id": "made-up-boot",
        "pid": NO_PROCESS,
        "heartbeat": seconds,
        "activity": "training" if running else "",
        "epoch": done,
        "epochs": epochs,
        "batch": batches,
        "batches": batches,
        "progress": done / epochs,
        "eta_seconds": (epochs - done) * batches * 0.9 if running else None,
        "elapsed_seconds": seconds,
        "images_per_second": 142.0,
        "flop_per_image": 2_055_000_000,
        "peak_flop_per_second": 0.8e12,
        "peak_source": "measured",
        "device": DEVICE,
    }
    return RunStatus.model_validate(values | more)


def environment_record(run_id: str, time: datetime, *, fingerprint: str = "f", ordered_fingerprint: str = "o") -> dict:
    """`environment.json`.

    Args:
        run_id: whose.
        time: when the run was started.
        fingerprint: of the dataset, independent of the order of its images.
        ordered_fingerprint: of its ids and its order too.
    """
    return {
        "time": time.isoformat(),
        "python": "3.11.7",
        "platform": "Linux-6.1-x86_64-with-glibc2.36",
        "host": "made-up-host",
        "cpu_count": 2,
        "git": {"commit": made_up_hash("commit")[:40], "dirty": False},
        "code": {f"core/{name}.py": made_up_hash(name)[:12] for name in ("config", "files", "worker")},
        "packages": PACKAGES,
        "command": f"python -m core.worker {run_id}",
        "device": DEVICE,
        "threads": 2,
        "precision": "bfloat16",
        "dataset": {
            "name": "fer2013",
            "fingerprint": fingerprint,
            "ordered_fingerprint": ordered_fingerprint,
            "kind": "fer2013",
        },
    }


def step_row(step: int, *, steps: int = 80, loss: float = 1.1, accuracy: float = 0.55, **more: Any) -> dict[str, Any]:
    """A row of `steps.jsonl`.

    Args:
        step: from 1, over the whole run.
        steps: per epoch.
        loss: of this batch.
        accuracy: of this batch, 0..1.
        more: other values for its fields.
    """
    row = {
        "step": step,
        "epoch": (step - 1) // steps + 1,
        "elapsed_s": round(step * 0.9, 2),
        "learning_rate": 1e-3,
        "images_per_second": 142.0,
        "loss": loss,
        "accuracy": accuracy,
    }
    return _with(row, more)


def system_row(elapsed: float) -> dict[str, Any]:
    """A row of `system.jsonl`, after so many seconds of training."""
    return {
        "elapsed_s": elapsed,
        "cpu_percent": 190.0 + elapsed % 10,
        "machine_cpu_percent": 97.0,
        "memory_bytes": 1_100_000_000,
        "machine_memory_percent": 9.5,
    }


def _with(values: dict[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """Some of the values replaced; a name that is not among them is a mistake of the caller."""
    if unknown := more.keys() - values.keys():
        raise TypeError(f"no such field: {', '.join(sorted(unknown))}")
    return values | dict(more)


def epoch_row(epoch: int = 1, accuracy: float = 0.5, *, steps: int = 80, seconds: float = 72.0, **more: Any) -> dict:
    """A row of `epochs.jsonl`.

    Args:
        epoch: from 1.
        accuracy: on validation, 0..1.
        steps: per epoch.
        seconds: per epoch.
        more: other values for its fields.
    """
    row = {
        "epoch": epoch,
        "step": epoch * steps,
        "elapsed_s": round(epoch * seconds, 2),
        "seconds": seconds,
        "train_loss": 1.1,
        "train_accuracy": 0.55,
        "validation_loss": 1.0,
        "validation_accuracy": accuracy,
        "learning_rate": 1e-3,
        "images_per_second": 142.0,
    }
    return _with(row, more)


def with_weights(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of `epochs.jsonl` as a trainer leaves them: with the hash of the weights kept after each epoch that was the
    best so far."""
    best, marked = -1.0, []
    for row in rows:
        better = row["validation_accuracy"] > best
        best = max(best, row["validation_accuracy"])
        marked.append({**row, HASH: made_up_hash(row)} if better and HASH not in row else row)
    return marked


def fake_predictions(accuracy: float, images: int = 70) -> Scored:
    """Labels and probabilities with this accuracy."""
    labels = np.arange(images) % NUM_CLASSES
    wrong = np.arange(images) >= round(accuracy * images)
    return labels, np.full((images, NUM_CLASSES), 0.02) + 0.86 * np.eye(NUM_CLASSES)[(labels + wrong) % NUM_CLASSES]


def evaluation(splits: Mapping[str, Scored]) -> dict[str, Any]:
    """The evaluation of these splits, and of `validation` and `test` together where both are given. Every tenth image
    counts as a train duplicate; TTA has the same metrics."""
    scored = dict(splits)
    if {"validation", "test"} <= scored.keys():
        labels, probabilities = zip(scored["validation"], scored["test"], strict=True)
        scored[ORIGINAL_TEST] = np.concatenate(labels), np.concatenate(probabilities)
    return {split: _view(*each) | {"tta": _view(*each)} for split, each in scored.items()}


def _view(labels: np.ndarray, probabilities: np.ndarray) -> dict[str, Any]:
    clean = np.arange(len(labels)) % 10 != 0
    kept = evaluate_predictions(labels[clean], probabilities[clean])
    short = ("images", "correct", "accuracy", "interval", "macro_f1")
    return evaluate_predictions(labels, probabilities) | {"without_train_duplicates": {key: kept[key] for key in short}}


def summary(
    rows: Sequence[dict[str, Any]] = (),
    scored: Mapping[str, Any] | None = None,
    *,
    fingerprint: str = "f",
    ordered_fingerprint: str = "o",
    **more: Any,
) -> dict[str, Any]:
    """The whole file.

    Args:
        rows: of `epochs.jsonl`, `with_weights`; by default one.
        scored: as `evaluation` returns it; None before the end of the run.
        fingerprint: of the dataset, independent of the order of its images.
        ordered_fingerprint: of its ids and its order too.
        more: other values for its fields.
    """
    rows = rows or with_weights([epoch_row()])
    whole = {
        "best": max(rows, key=lambda row: row["validation_accuracy"]),
        "last": rows[-1],
        "epochs_done": rows[-1]["epoch"],
        "checkpoint_step": rows[-1]["step"],
        "train_images": 28709,
        "images_per_epoch": 28709,
        "validation_images": 3589,
        "elapsed_seconds": rows[-1]["elapsed_s"],
        "dataset_fingerprint": fingerprint,
        "dataset_ordered_fingerprint": ordered_fingerprint,
    }
    whole = _with(whole, more) | ({} if scored is None else {"evaluation": scored})
    return Summary.model_validate(whole, strict=False).as_json()
