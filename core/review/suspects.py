"""Likely label errors in the data that runs were trained on: which of their predictions to use, and the ranking.

Predictions of images that a run was not trained on count fully. For validation and test every run has them; for train,
runs that each held out another fold have them together (`hold_out` in the settings).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from core.config import TrainConfig
from core.data.identity import same_images
from core.errors import RunError
from core.runs.reader import predictions_table
from core.runs.records import Run

if TYPE_CHECKING:
    import pandas as pd
from core.splits import HELD_OUT, SPLITS

MOST_FOLDS: Final = 5


@dataclass(frozen=True)
class Suspects:
    """The images of a split, the most likely label errors first."""

    split: str
    table: "pd.DataFrame"
    """As `core.evaluation.label_quality.suspects` gives it."""
    runs: tuple[Run, ...]
    """Those whose predictions were used."""
    in_sample: bool
    """The runs were trained on these images and have memorized some wrong labels: the ranking is weaker."""
    missing: tuple[str, ...] = ()
    """Folds without predictions yet, such as `2/5`; their images are not in the table."""

    @property
    def note(self) -> str:
        """What the ranking is based on."""
        many = f"{len(self.runs)} run{'' if len(self.runs) == 1 else 's'}"
        if self.in_sample:
            return (
                f"Based on {many} trained on these images; memorized label errors may be missed. Cross-validated "
                "(held-out) runs rank better."
            )
        missing = f" Missing folds: {', '.join(self.missing)}." if self.missing else ""
        return f"Based on {many} not trained on these images.{missing}"


def fold_settings(config: TrainConfig, folds: int) -> list[TrainConfig]:
    """The same settings once for each fold, so that together the runs score every training image held out.

    Raises:
        RunError: so many folds are not supported.
    """
    if not 2 <= folds <= MOST_FOLDS:
        raise RunError(f"Invalid number of folds: {folds}. Use 2 to {MOST_FOLDS}.")
    values: dict[str, Any] = config.model_dump()
    return [TrainConfig(**{**values, "hold_out": f"{number}/{folds}"}) for number in range(1, folds + 1)]


def find_suspects(
    runs: Sequence[Run], split: str, read: Callable[[Path], "pd.DataFrame"] = predictions_table
) -> Suspects:
    """Rank the labels of a split by the predictions of the runs.

    Args:
        runs: of one dataset. For train, those with a fold held out count, and only if there is none, the others.
        split: one of `SPLITS`.
        read: gives the table of a predictions file; pages pass one that remembers.

    Raises:
        RunError: there is no such split, the runs are of different data, or none of them has predictions for it.
    """
    from core.evaluation.label_quality import suspects

    if split not in SPLITS:
        raise RunError(f"Unknown split {split!r}. Use one of {', '.join(SPLITS)}.")
    if not same_images(run.data for run in runs if run.data.content):
        raise RunError("The runs were trained on different data. Select runs of one dataset.")
    held_out = HELD_OUT if split == "train" else split
    for name in dict.fromkeys((held_out, split)):
        taken = [run for run in runs if run.paths.has_predictions(name)]
        if taken:
            table = suspects([read(run.paths.predictions(name)) for run in taken])
            in_sample = split == "train" and name != HELD_OUT
            missing = _missing_folds(taken) if name == HELD_OUT else ()
            return Suspects(split, table, tuple(taken), in_sample, missing)
    raise RunError(f"None of the runs has predictions for {split}{_how(split)}.")


def _missing_folds(runs: Sequence[Run]) -> tuple[str, ...]:
    """The missing folds of the most complete division; empty if one is complete."""
    there = {run.config.hold_out for run in runs if run.config}
    left: list[list[str]] = [
        [fold for number in range(1, folds + 1) if (fold := f"{number}/{folds}") not in there]
        for folds in {int(fold.partition("/")[2]) for fold in there if fold}
    ]
    return tuple(sorted(left, key=len)[0] if left else ())


def _how(split: str) -> str:
    if split == "train":
        return ". Run `python -m core suspects queue` for held-out runs, or `python -m core evaluate RUN --split train`"
    return " yet. They are written when a run is evaluated"
