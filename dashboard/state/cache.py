"""Everything that is kept between page loads. Keys are (path, mtime_ns, size), so that a changed file is read again."""

import logging
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
import streamlit as st

from core.comparison.candidates import predictions_on
from core.data.audit import audit_dataset
from core.data.dataset import Split, load_split
from core.data.identity import DatasetRef
from core.errors import FerError, RunError
from core.evaluation.metrics import fit_temperature
from core.evaluation.predictions import probabilities_of, read_predictions
from core.jobs import control
from core.jobs.launchers import LOCAL
from core.jobs.slots import check_slots
from core.review.gallery import duplicate_flags, with_margin
from core.review.images import CurrentReviews, LabelReview, current_label_reviews, read_label_reviews
from core.review.suspects import Suspects, find_suspects
from core.runs.ensembles import Candidate, Ensemble, is_ensemble, list_ensembles, read_ensemble
from core.runs.history import read_rows
from core.runs.paths import RunPaths
from core.runs.reader import RunReader
from core.runs.records import Run, RunState
from core.team import actions
from core.team.log import ActivityEntry, ActivityPaths, read_activity
from core.team.people import SERVER
from dashboard.state.background import Importer, QueueWatch, Scorings
from dashboard.state.history import History, as_evaluated

log = logging.getLogger(__name__)

FileKey = tuple[str, int, int]


def file_key(path: Path) -> FileKey:
    """What identifies the present content of a file; a missing file has size -1."""
    try:
        stat = path.stat()
    except OSError:
        return str(path), 0, -1
    return str(path), stat.st_mtime_ns, stat.st_size


def runs(runs_root: Path) -> list[Run]:
    """All runs, newest first, as `core.runs.reader.list_runs`; nobody may change them. Within `one_look`, always those
    of its first call.

    Raises:
        RunError: the folder of all runs cannot be read.
    """
    looked = _looked.get()
    if looked is None:
        return _reader(str(runs_root)).list()
    if runs_root not in looked:
        looked[runs_root] = _reader(str(runs_root)).list()
    return looked[runs_root]


_looked: ContextVar[dict[Path, list[Run]] | None] = ContextVar("looked", default=None)


@contextmanager
def one_look() -> Iterator[None]:
    """Within, the list of all runs is read once, however many parts of a page ask for it: of a thousand runs that takes
    35 ms. What a button changes is shown by the rerun that follows; a part that redraws itself is outside."""
    token = _looked.set({})
    try:
        yield
    finally:
        _looked.reset(token)


def run(runs_root: Path, run_id: str) -> Run:
    """One run, as `core.runs.reader.read_run`; nobody may change it.

    Raises:
        RunError: there is none of that id.
    """
    return _reader(str(runs_root)).read(run_id)


@st.cache_resource(max_entries=4, show_spinner=False)
def _reader(runs_root: str) -> RunReader:
    return RunReader(Path(runs_root))


def history(path: Path) -> pd.DataFrame:
    """The rows of `steps.jsonl`, `epochs.jsonl` or `system.jsonl`; empty while there are none."""
    return _history(str(path)).frame()


def epochs(run: Run) -> pd.DataFrame:
    """The rows of `epochs.jsonl`, that of the best epoch as evaluated, so that a curve shows the number that stands
    beside it; empty while there are none. Callers must not change the table."""
    return as_evaluated(history(run.paths.epochs), run)


@st.cache_resource(max_entries=64, show_spinner=False)
def _history(path: str) -> History:
    return History(Path(path))


def accuracy_curve(run: Run) -> list[float]:
    """Validation accuracy after each epoch, as `epochs` has it, in percent, at most about 50 points; for tables of many
    runs, where `history` would keep more than is shown. Empty where it cannot be read: the others are shown."""
    evaluated = (run.best.epoch, run.best.validation_accuracy) if run.best else (0, 0.0)
    try:
        return _accuracy_curve(file_key(run.paths.epochs), *evaluated)
    except OSError:
        return []


@st.cache_resource(max_entries=2000, show_spinner=False)
def _accuracy_curve(key: FileKey, best: int, evaluated: float) -> list[float]:
    rows = read_rows(Path(key[0]))[0]
    values = [evaluated if row.get("epoch") == best else row.get("validation_accuracy") for row in rows]
    known = [round(100 * value, 2) for value in values if isinstance(value, int | float) and 0 <= value <= 1]
    return known[:: max(1, len(known) // 50)]


def predictions(path: Path) -> pd.DataFrame | None:
    """The table of `core.evaluation.predictions.read_predictions`, or None while the file is not there."""
    return _predictions(file_key(path)) if path.is_file() else None


def predictions_of(candidate: Candidate, split_name: str) -> pd.DataFrame:
    """The predictions of a run or an ensemble for a split, single view.

    Raises:
        RunError: there are none, or those of an ensemble's members do not match.
    """
    return predictions_on(candidate, split_name, read_cached)


def read_cached(path: Path) -> pd.DataFrame:
    """As `predictions`, for `core.comparison`.

    Raises:
        RunError: the file is not there, or is no such table.
    """
    table = predictions(path)
    if table is None:
        raise RunError(f"No predictions on {path.stem.removeprefix('predictions-')} yet")
    return table


@st.cache_resource(max_entries=64, show_spinner=False)  # a comparison of 20 runs needs them all, at 0.5 MB each
def _predictions(key: FileKey) -> pd.DataFrame:
    return read_predictions(Path(key[0]))


@st.cache_resource(max_entries=12, show_spinner=False)
def split(data: DatasetRef, split_name: str) -> Split:
    """The images of a split, by memory map."""
    return load_split(data.root, data.name, split_name)


def errors_table(path: Path, data: DatasetRef, split_name: str) -> pd.DataFrame | None:
    """A table of predictions with `margin`, and `index` counting in the images of the dataset's split, which may hold
    more of them. None where the file is missing, or names images that the dataset does not have."""
    if not path.is_file():
        return None
    return _errors_table(file_key(path), data, split_name)


@st.cache_resource(max_entries=8, show_spinner=False)
def _errors_table(key: FileKey, data: DatasetRef, split_name: str) -> pd.DataFrame | None:
    table = with_margin(_predictions(key))
    ids = split(data, split_name).ids
    if np.array_equal(table["image_id"].to_numpy(), ids):
        return table
    index = pd.Index(ids).get_indexer(pd.Index(table["image_id"]))
    return None if (index < 0).any() else table.assign(index=index)


def suspects_among(runs: Sequence[Run], split_name: str) -> Suspects:
    """As `core.review.suspects.find_suspects`.

    Raises:
        RunError: none of the runs has predictions for the split.
    """
    keys = tuple(file_key(run.paths.predictions(name)) for run in runs for name in (split_name, "held-out"))
    return _suspects(keys, split_name, runs)


@st.cache_resource(max_entries=8, show_spinner="Searching for likely label errors…")
def _suspects(keys: tuple[FileKey, ...], split_name: str, _runs: Sequence[Run]) -> Suspects:
    return find_suspects(_runs, split_name, read=lambda path: _predictions(file_key(path)))


@st.cache_resource(max_entries=16, show_spinner=False)
def temperature(key: FileKey) -> float:
    """The one fitted on a predictions file. The first one of a server imports SciPy, which takes a second."""
    table = _predictions(key)
    return fit_temperature(table["label"].to_numpy(), probabilities_of(table))


@st.cache_resource(max_entries=8, show_spinner="Checking for duplicate images…")
def duplicates(data: DatasetRef, split_name: str) -> dict[str, np.ndarray]:
    """Which images of a split the audit found to be copies, by kind."""
    return duplicate_flags(audit_dataset(data.root, data.name), split_name)


def label_reviews(paths: RunPaths) -> list[LabelReview]:
    """All label reviews of a run, oldest first."""
    return _label_reviews(file_key(paths.reviews), paths)


@st.cache_resource(max_entries=32, show_spinner=False)
def _label_reviews(key: FileKey, _paths: RunPaths) -> list[LabelReview]:
    return read_label_reviews(_paths)


def current_reviews(paths: RunPaths, split_name: str) -> CurrentReviews:
    """The current one of each author on each image of a split, by image and author; nobody may change it."""
    return _current_reviews(file_key(paths.reviews), split_name, paths)


@st.cache_resource(max_entries=32, show_spinner=False)
def _current_reviews(key: FileKey, split_name: str, _paths: RunPaths) -> CurrentReviews:
    return current_label_reviews(_label_reviews(key, _paths), split_name)


def ensembles(runs_root: Path) -> list[Ensemble]:
    """All ensembles, as `core.runs.ensembles.list_ensembles`."""
    return list_ensembles(runs_root, partial(run, runs_root))


def candidate(runs_root: Path, name: str) -> Candidate:
    """A run by its id, or an ensemble by its name.

    Raises:
        RunError: there is none, or the ensemble cannot be used.
    """
    if not is_ensemble(runs_root, name):
        return run(runs_root, name)
    found = read_ensemble(runs_root, name, partial(run, runs_root))
    if found.problem:
        raise RunError(found.problem)
    return found


MOST_ACTIVITY: Final = 5_000
"""Acts that the Activity page searches."""


def activity(runs_root: Path, data_root: Path) -> list[ActivityEntry]:
    """The latest acts with the runs and the datasets of this server, newest first.

    Raises:
        ActivityError: a log cannot be read.
    """
    roots = runs_root, data_root
    months = [month for root in roots for month in ActivityPaths(root).months()]
    return _activity(tuple(map(file_key, months)), roots)


@st.cache_resource(max_entries=2, show_spinner=False)
def _activity(keys: tuple[FileKey, ...], _roots: tuple[Path, ...]) -> list[ActivityEntry]:
    return list(islice(read_activity(_roots), MOST_ACTIVITY))


@st.cache_resource(show_spinner=False)
def importer() -> Importer:
    """The one importer of this server."""
    return Importer()


@st.cache_resource(show_spinner=False)
def scorings() -> Scorings:
    """What this server has been asked to score."""
    return Scorings()


def take_over(runs_root: Path, data_root: Path) -> None:
    """See that queued runs are started: once in a server's life as after a restart of the machine, which also finds out
    which GPUs can be used; from then on, since pages ask at every poll, where the runner was killed or is frozen."""
    _take_over(str(runs_root), str(data_root))
    _watch(str(runs_root)).look(runs_root, data_root)


@st.cache_resource(show_spinner=False)
def _watch(runs_root: str) -> QueueWatch:
    return QueueWatch(lambda: any(_waits_here(run) for run in runs(Path(runs_root))))


def _waits_here(run: Run) -> bool:
    return run.state is RunState.QUEUED and run.status.launcher == LOCAL


@st.cache_resource(show_spinner=False)
def _take_over(runs_root: str, data_root: str) -> None:
    roots = Path(runs_root), Path(data_root)
    recovers = os.environ.get("FER_AUTO_RECOVER") == "1"
    act = partial(actions.recover, SERVER) if recovers else control.serve_queue

    def quietly() -> None:
        try:
            act(*roots)
        except FerError:
            log.exception("Queued or interrupted runs could not be taken over.")
        check_slots(roots[0])

    threading.Thread(target=quietly, name="take-over", daemon=True).start()  # the first page does not wait for it
