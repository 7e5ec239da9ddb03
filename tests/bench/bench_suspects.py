"""How many labels that were flipped on purpose the suspicion ranking finds: `python -m tests.bench.bench_suspects`.

Trains one network per fold on a copy of a data set whose training labels were partly flipped, and looks for them in
the most suspicious images. With `--predictions` it flips labels in a table of out-of-sample predictions instead, which
takes a second.
"""

import argparse
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd

from core.config import TrainConfig
from core.data.dataset import load_split, read_info, write_dataset
from core.evaluation.label_quality import suspects
from core.evaluation.predictions import read_predictions
from core.labels import NUM_CLASSES
from core.machine import default_data_root
from core.presets import make_config
from core.review.suspects import fold_settings
from core.runs.create import create_run
from core.runs.records import RunStatus
from core.splits import SPLITS

NAME = "flipped"


def flip_labels(labels: np.ndarray, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Give a share of the labels another class, any of the six alike.

    Returns:
        The new labels and the positions that were changed.
    """
    rng = np.random.default_rng(seed)
    chosen = rng.choice(len(labels), round(share * len(labels)), replace=False)
    new = np.array(labels)
    new[chosen] = (new[chosen] + rng.integers(1, NUM_CLASSES, len(chosen))) % NUM_CLASSES
    return new, chosen


def found_share(tables: Sequence[pd.DataFrame], flipped: set[str], share: float) -> float:
    """How many of the flipped images are in the most suspicious share of all, 0..1."""
    table = suspects(tables)
    first = set(table["image_id"][: round(share * len(table))])
    return len(flipped & first) / len(flipped)


def train_folds(config: TrainConfig, data_root: Path, runs_root: Path, folds: int) -> list[pd.DataFrame]:
    """Train one run per fold in this process; what each says about its fold."""
    from core.training.compute import choose_compute
    from core.training.loop import train
    from core.training.reporter import StatusReporter

    tables = []
    for number, each in enumerate(fold_settings(config, folds)):
        paths = create_run(runs_root, each, run_id=f"fold-{number}")
        reporter = StatusReporter(paths, RunStatus(created_at=datetime.now(UTC), epochs=each.epochs))
        train(paths, each, None, data_root, choose_compute(each), reporter, lambda: False)
        tables.append(read_predictions(paths.predictions("held-out")))
        print(f"fold {each.hold_out}: {100 * tables[-1]['correct'].mean():.1f} % of its labels as given", flush=True)
    return tables


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-root", type=Path, default=default_data_root())
    parser.add_argument("--dataset", default="demo")
    parser.add_argument("--preset", default="quick")
    parser.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--flipped", type=float, default=0.03, help="share of the labels")
    parser.add_argument("--first", type=float, default=0.06, help="share of the ranking to look into")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--predictions", type=Path, help="a predictions file of images a run was not trained on")
    arguments = parser.parse_args()
    if arguments.predictions:
        table = read_predictions(arguments.predictions)
        shares = []
        for seed in range(20):
            labels, chosen = flip_labels(table["label"].to_numpy(), arguments.flipped, seed)
            flipped = set(table["image_id"].to_numpy()[chosen])
            shares.append(found_share([table.assign(label=labels)], flipped, arguments.first))
        print(
            f"{100 * np.mean(shares):.1f} % found, standard deviation {100 * np.std(shares, ddof=1):.1f} over 20 seeds"
        )
        return
    splits = {name: load_split(arguments.data_root, arguments.dataset, name) for name in SPLITS}
    labels, chosen = flip_labels(splits["train"].labels, arguments.flipped, arguments.seed)
    with tempfile.TemporaryDirectory() as folder:
        arrays = {name: (np.array(each.images), np.array(each.labels), each.ids) for name, each in splits.items()}
        arrays["train"] = (arrays["train"][0], labels, splits["train"].ids)
        kind = read_info(arguments.data_root, arguments.dataset).kind
        write_dataset(Path(folder), NAME, title="Labels flipped", kind=kind, source="bench", splits=arrays)
        settings = dict(text.split("=", 1) for text in arguments.set)
        config = make_config(arguments.preset, {**settings, "dataset": NAME})
        tables = train_folds(config, Path(folder), Path(folder) / "runs", arguments.folds)
    share = found_share(tables, set(splits["train"].ids[chosen].tolist()), arguments.first)
    print(f"{100 * share:.1f} % of {len(chosen)} flipped labels are in the first {100 * arguments.first:.0f} %")


if __name__ == "__main__":
    main()
