"""History files of runs as tables, read on from where the last look ended."""

import threading
from pathlib import Path

import pandas as pd

from core.runs.history import read_rows
from core.runs.records import Run


class History:
    """One history file as a table, read once for all viewers: each look reads only what was appended since the last."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._frame = pd.DataFrame()
        self._offset = 0
        self._inode = 0

    def frame(self) -> pd.DataFrame:
        """All rows there are now. Callers must not change the table."""
        with self._lock:
            inode = _inode(self._path)
            if inode != self._inode:  # a resume rewrote the file, or it is new
                self._frame, self._offset, self._inode = pd.DataFrame(), 0, inode
            rows, offset = read_rows(self._path, self._offset)
            if offset < self._offset:
                self._frame = pd.DataFrame()
            self._offset = offset
            if rows:
                self._frame = pd.concat([self._frame, pd.DataFrame(rows)], ignore_index=True)
            return self._frame


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
