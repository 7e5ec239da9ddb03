"""Many run folders at once, to measure pages on: `python -m core.bench.synthetic_runs FOLDER`.

The files are those of real runs, in content and size, but written without fsync; the same seed gives the same folders.
"""

import argparse
import json
import math
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np

from core.bench import synthetic_records
from core.config import TrainConfig
from core.evaluation.predictions import write_predictions
from core.labels import NUM_CLASSES
from core.presets import make_config
from core.runs.best import HASH
from core.runs.paths import RunPaths
from core.runs.records import RunMeta

RUN_COUNT: Final = 1000
EPOCHS: Final = 50
DETAILED: Final = 20
"""Runs that also have step rows, system rows and predictions."""
SECONDS_PER_EPOCH: Final = 180.0
SECONDS_PER_SYSTEM_ROW: Final = 5
STEPS_PER_EPOCH: Final = 220
SEEDS_PER_CONFIG: Final = 5

VALIDATION_COUNTS: Final = (467, 56, 496, 895, 607, 653, 415)
TEST_COUNTS: Final = (491, 55, 528, 879, 626, 594, 416)
"""Images per class, as in FER2013."""
STATES: Final = ("finished",) * 40 + ("stopped",) * 4 + ("failed",) * 3 + ("crashed",) * 2 + ("damaged",)
"""None is queued: a server on the folder would start to train it."""
AUTHORS: Final = ("Ana", "Björn", "Chidi", "Dewi", "Elif", "")
TAGS: Final = ("baseline", "augmentation", "paper", "long", "to repeat", "slow")
REVIEWS: Final = ("unreviewed",) * 7 + ("in review", "approved", "rejected")
CREATED: Final = datetime(2026, 1, 1, tzinfo=UTC)


def make_runs(
    root: Path, runs: int = RUN_COUNT, epochs: int = EPOCHS, detailed: int = DETAILED, seed: int = 0
) -> list[str]:
    """Fill a folder; the ids of the runs with steps and predictions, which are the newest ones and have all finished.

    Args:
        root: where the run folders go; created if missing, and without any of these runs yet.
        runs: how many.
        epochs: rows of each `epochs.jsonl`.
        detailed: how many of them get `steps.jsonl`, 220 rows per epoch, and predictions.
        seed: fixes all random choices.
    """
    chosen = []
    pool: list[dict[str, Any]] = []
    for number in reversed(range(runs)):  # the detailed ones first: the others reuse their metrics
        chance = random.Random(f"{seed} {number}")
        created = CREATED + timedelta(hours=6 * number, seconds=chance.randrange(9999))
        paths = RunPaths(root, f"{created:%Y%m%d-%H%M%S}-bench-run-{number:04x}")
        paths.folder.mkdir(parents=True)
        is_detailed = number >= runs - detailed
        state = "finished" if is_detailed else chance.choice(STATES)
        done = epochs if state == "finished" else chance.randrange(1, epochs)
        rows = _epochs(epochs, np.random.default_rng(chance.getrandbits(32)))[:done]
        if is_detailed:
            chosen.append(paths.run_id)
            pool.append(_score(paths, rows, np.random.default_rng((seed, number))))
            _write_rows(paths.steps, _steps(epochs, np.random.default_rng((seed, number))))
            seconds = range(SECONDS_PER_SYSTEM_ROW, int(epochs * SECONDS_PER_EPOCH), SECONDS_PER_SYSTEM_ROW)
            _write_rows(paths.system, [synthetic_records.system_row(float(each)) for each in seconds])
        _write_run(paths, number, state, epochs, created, rows, chance, chance.choice(pool) if pool else {})
    return chosen


def _write_run(
    paths: RunPaths,
    number: int,
    state: str,
    epochs: int,
    created: datetime,
    rows: list[dict[str, Any]],
    chance: random.Random,
    scores: dict[str, Any],
) -> None:
    group, config = _config(number, epochs)
    _write(paths.config, config.model_dump(mode="json"))
    status = synthetic_records.status_record(
        {"crashed": "running", "damaged": "failed"}.get(state, state),
        created,
        epochs,
        len(rows),
        batches=STEPS_PER_EPOCH,
        elapsed_seconds=len(rows) * SECONDS_PER_EPOCH,
        images_per_second=round(chance.gauss(160, 12), 1),
        device=chance.choice((synthetic_records.DEVICE, "NVIDIA A100, bfloat16")),
        error="Loss is NaN (epoch 3, step 612). Try a lower learning rate." if state == "failed" else None,
    )
    _write(paths.status, status.model_dump(mode="json"))
    if state == "damaged":
        paths.status.write_text('{"state": "runn')
    _write(paths.meta, _meta(group, config, state, number, chance).model_dump(mode="json"))
    _write_rows(paths.epochs, rows)
    _write(paths.environment, synthetic_records.environment_record(paths.run_id, created, fingerprint="bench"))
    paths.log.write_text("".join(f"epoch {row['epoch']}/{epochs}  {row['validation_accuracy']}\n" for row in rows))
    paths.alive_lock.touch()
    summary = synthetic_records.summary(rows, scores if state == "finished" else None, fingerprint="bench")
    _write(paths.summary, summary)


def _meta(group: int, config: TrainConfig, state: str, number: int, chance: random.Random) -> RunMeta:
    review = chance.choice(REVIEWS) if state == "finished" else "unreviewed"
    return RunMeta.model_validate(
        {
            "name": f"config {group}, seed {config.seed}" if chance.random() < 0.8 else "",
            "author": chance.choice(AUTHORS),
            "notes": "Similar to the previous run. " * chance.randrange(12),
            "tags": chance.sample(TAGS, chance.randrange(3)),
            "review": review,
            "reviewer": "" if review == "unreviewed" else "Ana",
            "starred": chance.random() < 0.05,
            "archived": chance.random() < 0.05 and number < RUN_COUNT - DETAILED,
        }
    )


def _config(number: int, epochs: int) -> tuple[int, TrainConfig]:
    """Every few runs in a row differ only in the seed: their number, and the config of this one."""
    group = number // SEEDS_PER_CONFIG
    changes = {
        "epochs": epochs,
        "seed": number % SEEDS_PER_CONFIG,
        "learning_rate": round(1e-3 * 1.5 ** (group % 7 - 3), 6),
        "label_smoothing": (0.0, 0.05, 0.1)[group % 3],
        "rotation": (0, 10, 15)[group // 3 % 3],
    }
    return group, make_config("original", changes)


def _epochs(epochs: int, chance: np.random.Generator) -> list[dict[str, Any]]:
    top, pace = chance.normal(0.655, 0.02), chance.uniform(5, 12)
    noise = chance.normal(0, 1, (epochs, 2))
    rows = []
    for epoch in range(1, epochs + 1):
        left = math.exp(-epoch / pace)
        rows.append(
            synthetic_records.epoch_row(
                epoch,
                round(top - 0.45 * left + 0.005 * noise[epoch - 1, 1], 5),
                steps=STEPS_PER_EPOCH,
                seconds=SECONDS_PER_EPOCH,
                train_loss=round(1.0 + 0.9 * left - 0.002 * epoch, 5),
                train_accuracy=round(0.66 - 0.45 * left + 0.001 * epoch, 5),
                validation_loss=round(0.97 + 0.8 * left + 0.012 * noise[epoch - 1, 0], 5),
                images_per_second=160.0,
            )
        )
    return synthetic_records.with_weights(rows)


def _steps(epochs: int, chance: np.random.Generator) -> list[dict[str, Any]]:
    noise = chance.normal(0, 1, (epochs * STEPS_PER_EPOCH, 2))
    return [
        synthetic_records.step_row(
            step,
            steps=STEPS_PER_EPOCH,
            elapsed_s=round(step * SECONDS_PER_EPOCH / STEPS_PER_EPOCH, 2),
            loss=round(1.0 + 0.9 * math.exp(-step / 2200) + 0.09 * noise[step - 1, 0], 5),
            accuracy=round(min(1.0, 0.66 - 0.45 * math.exp(-step / 2200) + 0.045 * noise[step - 1, 1]), 5),
            images_per_second=round(160 + 3 * noise[step - 1, 0], 1),
        )
        for step in range(1, epochs * STEPS_PER_EPOCH + 1)
    ]


def _score(paths: RunPaths, rows: list[dict[str, Any]], chance: np.random.Generator) -> dict[str, Any]:
    """Write predictions like those of a model with about 65% accuracy, and return their metrics; the rows' best epoch
    gets them, too."""
    parts = {}
    best = max(rows, key=lambda row: row["validation_accuracy"])
    origin = {"epoch": best["epoch"], HASH: best[HASH]}
    for split, counts in (("validation", VALIDATION_COUNTS), ("test", TEST_COUNTS)):
        labels = np.repeat(np.arange(NUM_CLASSES), counts)
        # Some images are hard for every model: their part of the noise is the same in every run.
        shared = np.random.default_rng(1).normal(0, 1.0, (len(labels), NUM_CLASSES))
        scores = shared + chance.normal(0, 0.8, shared.shape)
        scores[np.arange(len(labels)), labels] += chance.normal(2.0, 0.06)
        powers = np.exp(1.3 * scores)
        probabilities = powers / powers.sum(axis=1, keepdims=True)
        ids = np.array([f"{split}_{index:08d}" for index in range(len(labels))])
        write_predictions(paths.predictions(split), ids, labels, probabilities, origin)
        parts[split] = (labels, probabilities)
    evaluation = synthetic_records.evaluation(parts)
    validation = evaluation["validation"]
    best |= {
        "validation_accuracy": round(validation["accuracy"], 5),
        "validation_loss": round(validation["log_loss"], 5),
    }
    for row in rows:
        if row is not best:
            row["validation_accuracy"] = min(row["validation_accuracy"], round(best["validation_accuracy"] - 0.001, 5))
    return evaluation


def _write(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=1 if path.name != "summary.json" else None))


def _write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--runs", type=int, default=RUN_COUNT)
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--detailed", type=int, default=DETAILED)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    make_runs(given.folder, given.runs, given.epochs, given.detailed, given.seed)
