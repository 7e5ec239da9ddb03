"""Ensembles: finished runs that answer together, under one name. Each is a small file, `_ensembles/<name>.json`, that
lists its members; everything else is in their run folders."""

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Final

from filelock import Timeout
from pydantic import BaseModel, ConfigDict, Field

from core.data.identity import REARRANGED, DataIdentity, different_data, same_images
from core.errors import RunError, system_reason
from core.files import NAME, how_to_write, make_folder, process_lock, read_regular, sync_folder, write_json
from core.runs.paths import EnsemblePaths, RunPaths, is_run_id
from core.runs.reader import find_run, read_run
from core.runs.records import Run, RunState, reason_of
from core.runs.values import Moment, Person

MOST_MEMBERS: Final = 10
"""A server keeps their weights in memory: 14 MB each."""
ENSEMBLE_LOCK_SECONDS: Final = 10.0


class EnsembleRecord(BaseModel):
    """The content of `_ensembles/<name>.json`."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)

    members: Annotated[tuple[str, ...], Field(min_length=2, max_length=MOST_MEMBERS)]
    """Ids of runs, in the order given."""
    created_at: Moment
    author: Person = ""


@dataclass(frozen=True)
class Ensemble:
    """Runs that answer together: the mean of their probabilities, each calibrated with its own temperature."""

    name: str
    runs: tuple[Run, ...]
    """Its members; where there is a problem, those that could be read."""
    author: str = ""
    problem: str | None = None
    """Why it cannot be used, in one sentence."""

    @property
    def id(self) -> str:
        """What addresses and commands have: no run may have the same."""
        return self.name

    @property
    def data(self) -> DataIdentity:
        """Which data its members were trained on."""
        return self.runs[0].data if self.runs else DataIdentity("")


Candidate = Run | Ensemble
"""What can be chosen to predict, to be evaluated and to be compared."""


def runs_of(candidate: Candidate) -> tuple[Run, ...]:
    """The members of an ensemble; a run alone."""
    return candidate.runs if isinstance(candidate, Ensemble) else (candidate,)


def members(runs_root: Path, text: str) -> tuple[Run, ...]:
    """The runs that one name stands for: the members of an ensemble, or a single run.

    Raises:
        RunError: as `find_candidate`.
    """
    return runs_of(find_candidate(runs_root, text))


def find_candidate(runs_root: Path, text: str) -> Candidate:
    """An ensemble by its name, or a run as `find_run` finds it.

    Raises:
        RunError: there is none, or several runs match, or the ensemble cannot be used.
    """
    if not is_ensemble(runs_root, text):
        return find_run(runs_root, text)
    ensemble = read_ensemble(runs_root, text)
    if ensemble.problem:
        raise RunError(ensemble.problem)
    return ensemble


def is_ensemble(runs_root: Path, name: str) -> bool:
    """Whether a name is that of an ensemble; a run folder that was given the same name afterwards goes first."""
    if not is_run_id(name) or os.path.lexists(runs_root / name):
        return False
    return os.path.isfile(EnsemblePaths(runs_root).file(name))


def list_ensembles(runs_root: Path, read: Callable[[str], Run] | None = None) -> list[Ensemble]:
    """All ensembles by name, those with a problem included.

    Args:
        runs_root: the folder of all runs.
        read: gives the run of an id; pages pass one that remembers.
    """
    try:
        names = sorted(name.removesuffix(".json") for name in os.listdir(EnsemblePaths(runs_root).folder))
    except OSError:  # usually there is none yet
        return []
    return [read_ensemble(runs_root, name, read) for name in names if is_ensemble(runs_root, name)]


def read_ensemble(runs_root: Path, name: str, read: Callable[[str], Run] | None = None) -> Ensemble:
    """One ensemble; what is wrong with its file or its members is told in `problem`.

    Args:
        runs_root: the folder of all runs.
        name: of the ensemble.
        read: as for `list_ensembles`.

    Raises:
        RunError: there is none of that name.
    """
    check_ensemble_name(name)
    try:
        record = EnsembleRecord.model_validate_json(read_regular(EnsemblePaths(runs_root).file(name)))
    except FileNotFoundError:
        raise RunError(f"Ensemble “{name}” not found. List all with `python -m core ensembles list`.") from None
    except (OSError, ValueError) as error:
        return Ensemble(name, (), problem=f"Can't read ensemble “{name}”: {reason_of(error)}.")
    found: list[Run] = []
    problems: list[str] = []
    for run_id in record.members:
        try:
            found.append((read or partial(read_run, runs_root))(run_id))
        except RunError:
            problems.append(f"its member {run_id!r} is missing")
    if not problems and (unfit := why_not_together(found)):
        problems.append(unfit)
    problem = f"Can't use ensemble “{name}”: {problems[0]}." if problems else None
    return Ensemble(name, tuple(found), record.author, problem)


def why_not_together(runs: Sequence[Run]) -> str | None:
    """Why these runs cannot answer together, as half a sentence; None where they can."""
    if len({run.id for run in runs}) < max(2, len(runs)):
        return "it takes two or more different runs"
    if len(runs) > MOST_MEMBERS:
        return f"it takes at most {MOST_MEMBERS} runs"
    for run in runs:
        if run.state is not RunState.FINISHED:
            return f"run {run.id!r} is {run.state.in_words()}, and only finished runs can be members"
        if run.config is None or not run.has_weights:
            return f"run {run.id!r} has no usable {'weights' if run.config else 'settings'}"
        if run.temperature is None:
            return f"run {run.id!r} has no metrics on validation, which its calibration comes from"
        if different_data(runs[0].data, run.data):
            return f"run {run.id!r} was trained on another dataset than {runs[0].id!r}"
        if not same_images([runs[0].data, run.data]):
            return f"run {run.id!r} was trained on the images of {runs[0].id!r} {REARRANGED}"
    return None


def check_together(runs: Sequence[Run]) -> None:
    """Refuse runs that cannot answer together.

    Raises:
        RunError: the message says why.
    """
    if reason := why_not_together(runs):
        raise RunError(f"These runs can't be an ensemble: {reason}.")


def check_ensemble_name(name: str) -> None:
    """Refuse an invalid name of an ensemble.

    Raises:
        RunError: the message says what is allowed.
    """
    if not re.fullmatch(NAME, name):
        raise RunError("Invalid name: use a–z, 0–9 and hyphens (max 64), not starting with a hyphen.")


def create_ensemble(runs_root: Path, name: str, run_ids: Sequence[str], *, author: str = "") -> Ensemble:
    """Let runs answer together under a name.

    Args:
        runs_root: the folder of all runs.
        name: 1 to 64 of a-z, 0-9 and -, not starting with -.
        run_ids: of two to `MOST_MEMBERS` finished runs on the same data.
        author: who creates it.

    Raises:
        RunError: the name is taken or invalid, the runs do not fit together, or the folder cannot be written.
    """
    check_ensemble_name(name)
    runs = [read_run(runs_root, run_id) for run_id in run_ids]
    check_together(runs)
    paths = EnsemblePaths(runs_root)
    record = EnsembleRecord(members=tuple(run_ids), created_at=datetime.now(UTC), author=author)
    try:
        make_folder(paths.folder, parents=True)
        with process_lock(paths.lock, timeout=ENSEMBLE_LOCK_SECONDS):
            for kind, path in (("run", RunPaths(runs_root, name).folder), ("ensemble", paths.file(name))):
                if os.path.lexists(path):
                    raise RunError(f"There is {_article(kind)} named “{name}” already. Choose another name.")
            write_json(paths.file(name), record.model_dump(mode="json"))
    except Timeout:
        raise RunError("The ensembles are locked by another user. Try again.") from None
    except OSError as error:
        advice = how_to_write(runs_root, error, "FER_RUNS_ROOT")
        raise RunError(f"Can't write under {paths.folder}: {system_reason(error)}.{advice}") from error
    return Ensemble(name, tuple(runs), record.author)


def _article(kind: str) -> str:
    return f"an {kind}" if kind.startswith("e") else f"a {kind}"


def delete_ensemble(runs_root: Path, name: str) -> None:
    """Delete an ensemble; its members stay as they are.

    Raises:
        RunError: there is none of that name, or its file cannot be removed.
    """
    check_ensemble_name(name)
    paths = EnsemblePaths(runs_root)
    try:
        paths.file(name).unlink()
        sync_folder(paths.folder)
    except FileNotFoundError:
        raise RunError(f"Ensemble “{name}” not found.") from None
    except OSError as error:
        raise RunError(f"Can't delete ensemble “{name}”: {system_reason(error)}.") from error


def ensembles_with(runs_root: Path, run_id: str) -> list[str]:
    """Names of the ensembles that a run is a member of."""
    return [each.name for each in list_ensembles(runs_root) if run_id in {run.id for run in each.runs}]
