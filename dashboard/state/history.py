"""Histories of runs as tables of numbers, whatever stands in their files."""

import math
import threading
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from core.runs.best import HASH
from core.runs.history import Row, read_rows
from core.runs.records import Run

_EXPECTED: Final = {
    "epochs": ("epoch", "step", "elapsed_s", "validation_accuracy"),
    "steps": ("step", "epoch", "elapsed_s", "loss"),
    "system": ("elapsed_s",),
}
"""Columns that pages take to be there, by the name of the file."""


class History:
    """One history file as a table, read once for all viewers: each look reads only what was appended since the last."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._frame = pd.DataFrame()
        self._offset = 0
        self._inode = 0

    def frame(self) -> pd.DataFrame:
        """All rows there are now, NaN where one has no number. Callers must not change the table."""
        with self._lock:
            inode = _inode(self._path)
            if inode != self._inode:  # a resume rewrote the file, or it is new
                self._frame, self._offset, self._inode = pd.DataFrame(), 0, inode
            rows, offset = read_rows(self._path, self._offset)
            if offset < self._offset:
                self._frame = pd.DataFrame()
            self._offset = offset
            if rows:
                read = as_numbers(rows, _EXPECTED.get(self._path.stem, ()))
                self._frame = pd.concat([self._frame, read], ignore_index=True)
            return self._frame


def as_numbers(rows: list[Row], expected: tuple[str, ...] = ()) -> pd.DataFrame:
    """A table of the numbers in these rows, NaN for whatever else stands there.

    Args:
        rows: of one history.
        expected: columns to have in any case.
    """
    frame = pd.DataFrame(rows).drop(columns=HASH, errors="ignore")
    for column in frame.columns[frame.dtypes.map(lambda kind: kind.kind not in "iuf")]:
        frame[column] = [_number(value) for value in frame[column]]
    for column in expected:
        if column not in frame:
            frame[column] = np.nan
    return frame.replace([np.inf, -np.inf], np.nan)


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return math.nan
    try:
        return float(value)
    except OverflowError:
        return math.nan


def _inode(path: Path) -> int:
    try:
        return path.stat().st_ino
    except OSError:
        return 0


def as_evaluated(epochs: pd.DataFrame, run: Run) -> pd.DataFrame:
    """The rows of a run's `epochs.jsonl`, that of the best epoch with the metrics of `Run.best`: the same table where
    these are the same, as they are unless an older version wrote them."""
    best = run.best
    if best is None or best == run.summary.best or "epoch" not in epochs:
        return epochs
    values = {
        name: value
        for name, value in best.as_json().items()
        if name.removeprefix("corrected_") in ("validation_accuracy", "validation_loss") and name in epochs
    }
    shown = epochs.copy()
    shown.loc[shown["epoch"] == best.epoch, list(values)] = list(values.values())
    return shown
