"""Accuracy with three and five Newton-Schulz steps in Muon, on a short schedule: `python -m tests.bench.bench_muon`.

Trains the preset `best`, shortened, once per seed and number of steps, in turns, and looks at what the steps make of
the singular values of real gradients. The test split is left alone.
"""

import argparse
import contextlib
import itertools
import json
import statistics
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from core.config import TrainConfig
from core.models.cnn import MODELS
from core.presets import make_config
from core.runs.create import create_run
from core.runs.history import read_rows
from core.runs.paths import RunPaths
from core.runs.records import RunStatus
from core.training import optim
from core.training.compute import choose_compute
from core.training.loop import Stopped, train
from core.training.reporter import StatusReporter

_orthogonalise = optim.orthogonalise


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-root", type=Path, required=True)
    parser.add_argument("--dataset", default="fer2013")
    parser.add_argument("--model", choices=sorted(MODELS), default="cnn-model-2")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--images-per-epoch", type=int, default=4096)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    arguments = parser.parse_args()
    fields = ("dataset", "model", "epochs", "images_per_epoch", "threads")
    settings = {"fade_epochs": 1, **{field: getattr(arguments, field) for field in fields}}
    accuracies: dict[int, list[float]] = {3: [], 5: []}
    for seed in arguments.seeds:
        for steps, values in accuracies.items():
            row = _train_short(arguments.data_root, {**settings, "seed": seed}, steps)
            print(json.dumps({"seed": seed, "steps": steps, **row}), flush=True)
            values.append(row["validation_accuracy"])
    for steps, values in accuracies.items():
        spread = f"{statistics.stdev(values):.4f}" if len(values) > 1 else "unknown"
        print(f"{steps} steps: validation accuracy {statistics.mean(values):.4f}, standard deviation {spread}")


def _train_short(data_root: Path, settings: dict[str, Any], steps: int) -> dict[str, Any]:
    """The last validation accuracy, the smallest singular value of the updates (median over layers and training steps;
    the largest is near one), and the seconds it took."""
    config = make_config("best", {**settings, "muon_steps": steps})
    with tempfile.TemporaryDirectory(prefix="fer-bench-") as folder, _singular_values() as smallest:
        paths = create_run(Path(folder), config)
        reporter = StatusReporter(paths, RunStatus(created_at=datetime.now(UTC)))
        started = time.monotonic()
        with contextlib.suppress(Stopped):
            # stopped before the report at the end, which would score test
            train(paths, config, None, data_root, choose_compute(config), reporter, partial(_has_ended, paths, config))
        seconds = time.monotonic() - started
        last = read_rows(paths.epochs)[0][-1]
    return {
        "validation_accuracy": last["validation_accuracy"],
        "smallest_singular_value": round(statistics.median(smallest), 3),
        "seconds": round(seconds, 1),
    }


def _has_ended(paths: RunPaths, config: TrainConfig) -> bool:
    return len(read_rows(paths.epochs)[0]) == config.epochs


@contextlib.contextmanager
def _singular_values() -> Iterator[list[float]]:
    """Gives the smallest singular values of Muon's updates, of one in seven, which comes to each layer in turn."""
    smallest: list[float] = []
    calls = itertools.count()

    def observed(matrix: Tensor, steps: int) -> Tensor:
        update = _orthogonalise(matrix, steps)
        if next(calls) % 7 == 0:
            smallest.append(float(torch.linalg.svdvals(update.float())[-1]))
        return update

    optim.orthogonalise = observed
    try:
        yield smallest
    finally:
        optim.orthogonalise = _orthogonalise


if __name__ == "__main__":
    main()
