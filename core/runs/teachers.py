"""`teachers.json`: the runs that a run learns from beside the labels, as they were when it was started.

A run needs the same weights (those it starts from, and of its teachers) and the same held-out predictions (for its soft
labels) at every resume and to be reproduced, so all are recorded by their SHA-256. What may teach is decided in
`unseen.py`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import BaseModel, ConfigDict, ValidationError

from core.config import TrainConfig
from core.errors import RunError
from core.files import read_regular
from core.runs.best import hash_of
from core.runs.ensembles import members
from core.runs.paths import RunPaths
from core.runs.reader import predictions_table
from core.runs.records import Run, RunState, reason_of
from core.runs.removed import why_removed
from core.runs.roles import PRETRAINED, ROLES, SOFT_LABELER, learns_from_runs
from core.runs.unseen import check_unseen
from core.runs.values import Name, OneLine
from core.splits import HELD_OUT

if TYPE_CHECKING:
    import pandas as pd


class TeachingRun(BaseModel):
    """A run that another learns from."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)

    run: Name
    """Its id."""
    sha256: OneLine
    """Of its weights file if it is a teacher or the start; of its held-out predictions if it gives soft labels."""


class Teaching(BaseModel):
    """`teachers.json`: written at the start, never changed."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    initial_weights: tuple[TeachingRun, ...] = ()
    teachers: tuple[TeachingRun, ...] = ()
    soft_labels: tuple[TeachingRun, ...] = ()

    def of(self, setting: str) -> tuple[TeachingRun, ...]:
        """The runs that one of the settings in `ROLES` names."""
        found: tuple[TeachingRun, ...] = getattr(self, setting)
        return found

    def ids(self) -> dict[str, tuple[str, ...]]:
        """The settings in `ROLES` with whole ids."""
        return {name: tuple(source.run for source in self.of(name)) for name in ROLES}


def choose_teaching(runs_root: Path, data_root: Path, config: TrainConfig) -> Teaching | None:
    """What the runs that the settings name can teach now; None if they name none.

    Args:
        runs_root: where they are; an unambiguous beginning of an id will do, and the name of an ensemble of them.
        data_root: where the datasets are.
        config: the settings of the student.

    Raises:
        RunError: one of them is not there or not finished, has seen images that the student is scored on, or together
            they have no soft label for some training images.
        DataError: the dataset of the student is missing or corrupt.
    """
    if not learns_from_runs(config):
        return None
    runs = {name: _usable(runs_root, getattr(config, name), role) for name, role in ROLES.items()}
    _check_pretrained(runs["initial_weights"], config)
    for name, role in ROLES.items():
        for run in runs[name]:
            check_unseen(run, config, data_root, role)
    if runs["soft_labels"]:
        _check_covered(runs["soft_labels"], config, data_root)
    return Teaching(
        **{
            name: tuple(TeachingRun(run=run.id, sha256=_hash(run.paths, role)) for run in runs[name])
            for name, role in ROLES.items()
        }
    )


def teaching_of(paths: RunPaths, config: TrainConfig) -> Teaching | None:
    """What a run was started to learn from, everything it still needs as it was then; None if its settings name
    nothing.

    The weights that it starts from are no longer needed once it has a checkpoint, which holds all of the model.

    Raises:
        RunError: `teachers.json` is missing or corrupt, or what it names and needs was deleted or has changed.
    """
    found = read_teaching(paths, config)
    needed = found.model_copy(update={"initial_weights": ()}) if found and paths.checkpoint.exists() else found
    if needed and (changes := changed_sources(paths.root, needed)):
        raise RunError(
            f"{' '.join(each.words for each in changes)} Restore it from a backup, or clone the run with another."
        )
    return found


def read_teaching(paths: RunPaths, config: TrainConfig) -> Teaching | None:
    """As `teaching_of`, without a look at the runs it names."""
    if not learns_from_runs(config):
        return None
    try:
        found = Teaching.model_validate_json(read_regular(paths.teachers))
    except FileNotFoundError:
        raise RunError(f"Run {paths.run_id} lacks its {paths.teachers.name}. Clone the run.") from None
    except (OSError, ValidationError) as error:
        raise RunError(f"Can't use {paths.teachers.name} of run {paths.run_id}: {reason_of(error)}.") from error
    if any(bool(found.of(name)) != bool(getattr(config, name)) for name in ROLES):
        raise RunError(f"{paths.teachers.name} of run {paths.run_id} does not fit its settings. Clone the run.")
    return found


class ChangedSource(NamedTuple):
    """A run that another learned from and that is not as it was then."""

    words: str
    """What has become of it, in one sentence."""
    gone: bool
    """Whether it was deleted, and not only changed."""


def changed_sources(runs_root: Path, teaching: Teaching) -> list[ChangedSource]:
    """Those that were deleted, or have other weights or predictions."""
    changed = []
    for name, role in ROLES.items():
        what = "held-out predictions" if role == SOFT_LABELER else "weights"
        for source in teaching.of(name):
            now = _hash(RunPaths(runs_root, source.run), role)
            if not now:
                changed.append(ChangedSource(f"{role} {source.run} was deleted, or its {what} were.", gone=True))
            elif now != source.sha256:
                words = f"{role} {source.run} has other {what} now than when the run was started."
                changed.append(ChangedSource(words, gone=False))
    return changed


def soft_label_tables(runs_root: Path, teaching: Teaching | None) -> "list[pd.DataFrame]":
    """The held-out predictions that the soft labels are made of, as `read_predictions` gives them."""
    sources = teaching.soft_labels if teaching else ()
    return [predictions_table(_source_file(RunPaths(runs_root, source.run), SOFT_LABELER)) for source in sources]


def _usable(runs_root: Path, texts: Sequence[str], role: str) -> list[Run]:
    """Finished runs with what their role needs, each once; an ensemble stands for its members.

    Raises:
        RunError: one is not there, or cannot have that role.
    """
    found: dict[str, Run] = {}
    for text in texts:
        try:
            found |= {run.id: run for run in members(runs_root, text)}
        except RunError as error:
            raise RunError(f"{role} not available: {error}") from None
    for run in found.values():
        if run.state is not RunState.FINISHED or run.config is None:
            raise RunError(f"{role} {run.id} is {_state(run)}. Select a finished run.")
        if role != SOFT_LABELER and not run.has_weights:
            why = why_removed(run.paths.weights) or "Restore it from a backup, or select another run."
            raise RunError(f"{role} {run.id} has no weights file. {why}")
        if role == SOFT_LABELER and not run.paths.has_predictions(HELD_OUT):
            raise RunError(
                f"{role} {run.id} held out no fold, so it has no soft labels. Select runs with a held-out fold."
            )
    return list(found.values())


def _state(run: Run) -> str:
    return run.state.in_words() if run.config else "unreadable"


def _check_covered(labelers: Sequence[Run], config: TrainConfig, data_root: Path) -> None:
    """Raises:
    RunError: the runs are of other images, or some training images have no held-out prediction.
    """
    from core.data.dataset import load_split, read_identity
    from core.data.identity import same_images
    from core.evaluation.out_of_fold import out_of_fold

    identity = read_identity(data_root, config.dataset)
    for run in labelers:
        if not same_images([run.data, identity]):
            raise RunError(
                f"{SOFT_LABELER} {run.id} was trained on other data than {config.dataset!r}. Select runs of this one."
            )
    tables = [predictions_table(run.paths.predictions(HELD_OUT)) for run in labelers]
    _, known = out_of_fold(tables, load_split(data_root, config.dataset, "train").ids)
    if missing := int((~known).sum()):
        folds = ", ".join(sorted({run.config.hold_out for run in labelers if run.config}))
        raise RunError(
            f"{missing:,} of {len(known):,} training images have no soft label: the selected runs held out only "
            f"{folds}. Select one run for every fold."
        )


def _check_pretrained(runs: Sequence[Run], config: TrainConfig) -> None:
    """Raises:
    RunError: one is of another model than the run.
    """
    for run in runs:
        if run.config and run.config.model != config.model:
            raise RunError(
                f"{PRETRAINED} {run.id} is a {run.config.model}, not a {config.model}. Select another run or model."
            )


def _source_file(paths: RunPaths, role: str) -> Path:
    return paths.predictions(HELD_OUT) if role == SOFT_LABELER else paths.weights


def _hash(paths: RunPaths, role: str) -> str:
    """SHA-256 of what a source contributes; empty if it is gone."""
    return hash_of(_source_file(paths, role)) or ""


def recorded(teaching: Teaching | None) -> dict[str, Any]:
    """What `environment.json` says of it; nothing where there is none."""
    if teaching is None:
        return {}
    return {name: sources for name, sources in teaching.model_dump(mode="json").items() if sources}
