"""Reading run folders: all runs, one run, or one file of a run. Making and changing them is in `create.py`."""

import logging
import os
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from pydantic import ValidationError

from core.config import TrainConfig
from core.errors import RunError, quote, system_reason
from core.files import NO_LOCKS, read_regular
from core.runs.engines import Answer, ask_engine
from core.runs.liveness import Liveness, has_engine
from core.runs.paths import RunPaths, is_run_id
from core.runs.records import Run, RunMeta, RunState, RunStatus
from core.runs.summary import Summary

if TYPE_CHECKING:
    import pandas as pd

_WITHOUT_DOUBT: Final = (RunState.RUNNING, RunState.STALLED)
"""What a run that says it is running may be without a second look at its file."""

log = logging.getLogger(__name__)


def list_runs(runs_root: Path) -> list[Run]:
    """All runs, once; who asks again and again keeps a `RunReader`.

    Raises:
        RunError: the folder of all runs cannot be read.
    """
    return RunReader(runs_root).list()


def read_run(runs_root: Path, run_id: str) -> Run:
    """One run.

    Raises:
        RunError: there is none of that id.
    """
    return RunReader(runs_root).read(run_id)


def find_run(runs_root: Path, text: str) -> Run:
    """One run by its id, by the path of its folder, or by an unambiguous beginning of the id.

    Raises:
        RunError: none or several match.
    """
    if "/" in text and os.path.isdir(folder := os.path.expanduser(text)):
        path = Path(folder).resolve()
        if not os.path.lexists(RunPaths(path.parent, path.name).status):
            raise RunError(f"{text} is not a run folder: it has no status.json.")
        return read_run(path.parent, path.name)
    if is_run_id(text) and not os.path.lexists(runs_root / text):
        matches = [run.id for run in list_runs(runs_root) if run.id.startswith(text)]
        if len(matches) > 1:
            raise RunError(f"{text!r} matches {len(matches)} runs. Enter more of the ID.")
        if not matches:
            raise RunError(f"Run “{text}” not found. List all runs with `python -m core runs list`.")
        text = matches[0]
    return read_run(runs_root, text)


def read_status(paths: RunPaths) -> RunStatus:
    """The status file as written, with no derived states.

    Raises:
        RunError: it cannot be read.
    """
    return _readable(paths, _File(paths.status, RunStatus.model_validate_json).look())


def read_config(paths: RunPaths) -> TrainConfig:
    """The settings of a run, all of them known to this version; for who needs nothing else of it.

    Raises:
        RunError: they cannot be read.
    """
    config, error = _File(paths.config, TrainConfig.model_validate_json).look()
    if config is None:
        assert error
        raise RunError(
            f"Can't read config.json of run {paths.run_id!r}: {_trouble(error)}, or start a new run."
        ) from None
    return config


def read_meta(paths: RunPaths) -> RunMeta:
    """What people added to a run; empty where it cannot be read."""
    return _File(paths.meta, RunMeta.model_validate_json).look()[0] or RunMeta()


def predictions_table(path: Path) -> "pd.DataFrame":
    """As `read_predictions`, which takes a second to import."""
    from core.evaluation.predictions import read_predictions

    return read_predictions(path)


class RunReader:
    """Reads runs again and again, but only those of their files that have changed since the last look.

    What a state means is derived anew at each look: a process can die without a trace in any file. Of processes on
    other machines, who looks again and again knows more than who looks once: see `core.runs.liveness`. The runs share
    what was read, so nobody may change it. Several threads may look at once.
    """

    def __init__(self, runs_root: Path) -> None:
        self._root = runs_root
        self._folders: dict[str, _Folder] = {}
        self._was_there = False

    def list(self) -> list[Run]:
        """All runs, newest first by creation. Folders that are no runs are skipped, unreadable ones are included.

        Raises:
            RunError: the folder of all runs cannot be read, or was there at an earlier look and is gone.
        """
        try:
            entries = [entry for entry in os.scandir(self._root) if is_run_id(entry.name)]
            self._was_there = True
        except FileNotFoundError:
            if self._was_there:  # removed or unmounted: that is not the same as a first visit
                raise RunError(
                    f"Runs folder not found: {self._root}. Remount or restore it, or create an empty folder to start "
                    "fresh."
                ) from None
            return []
        except OSError as error:
            raise RunError(f"Can't read the runs under {self._root}: {system_reason(error)}.") from error
        names = [entry.name for entry in entries if entry.is_dir() or entry.is_symlink()]
        known = self._folders
        folders = {name: known.get(name) or _Folder(RunPaths(self._root, name)) for name in names}
        self._folders = folders  # what has been deleted is forgotten
        looks = {name: folder.look() for name, folder in folders.items()}
        answers = _ask_engines((folder.paths, looks[name][0]) for name, folder in folders.items())
        runs = [folder.read(looks[name], answers.get(name)) for name, folder in folders.items()]
        return sorted(runs, key=lambda run: (run.status.created_at, run.id), reverse=True)

    def read(self, run_id: str) -> Run:
        """One run.

        Raises:
            RunError: there is none of that id.
        """
        paths = RunPaths(self._root, run_id)
        if not os.path.isdir(paths.folder) and not os.path.islink(paths.folder):
            raise RunError(f"Run “{run_id}” not found.")
        folder = self._folders.setdefault(run_id, _Folder(paths))
        look = folder.look()
        return folder.read(look, _ask_engines([(paths, look[0])]).get(run_id))


def _ask_engines(runs: Iterable[tuple[RunPaths, RunStatus | None]]) -> dict[str, Answer]:
    """What engines say about those of these runs that they have started and that may still wait or train there, by run
    id; each engine is asked once."""
    theirs: dict[str, list[RunPaths]] = {}
    for paths, status in runs:
        if status and has_engine(status) and status.state in ("queued", "running"):
            theirs.setdefault(status.launcher, []).append(paths)
    answers: dict[str, Answer] = {}
    for launcher, asked in theirs.items():
        answers |= ask_engine(launcher, asked)
    return answers


_T = TypeVar("_T")
_Look = tuple[_T | None, Exception | None]
"""What is in a file, or why that cannot be known."""


class _File(Generic[_T]):
    """One file, parsed again only when it is another one than at the last look."""

    def __init__(self, path: Path, parse: Callable[[bytes], _T]) -> None:
        self.path, self._parse = path, parse
        self._last: tuple[tuple[int, int, int], _T | None, Exception | None] | None = None

    def look(self) -> "_Look[_T]":
        """Its content, or why there is none: an OSError or a ValueError."""
        try:
            found = os.stat(self.path)  # before reading: what is written in between is then seen at the next look
        except OSError as error:
            return None, error
        key = (found.st_mtime_ns, found.st_size, found.st_ino)
        last = self._last
        if last is None or last[0] != key:
            try:
                last = key, self._parse(read_regular(self.path)), None
            except OSError as error:
                return None, error  # may have passed by the next look, without a change of the file
            except ValueError as error:  # pydantic's ValidationError is one
                _note(self.path, " ".join(str(error).split()))
                last = key, None, error
            self._last = last
        return last[1], last[2]


@lru_cache(maxsize=1000)
def _note(path: Path, details: str) -> None:
    """What a parser says about a corrupt file is for the log, once, however many look at it."""
    log.warning("%s can't be used: %s", path, details)


def _trouble(error: Exception) -> str:
    """What is wrong with a file of a run, and what to do, in the words of people."""
    if isinstance(error, OSError) and error.errno in NO_LOCKS:
        return system_reason(error)
    if isinstance(error, OSError) and not isinstance(error, FileNotFoundError):
        return f"{system_reason(error)}; check its permissions and the disk"
    first = error.errors()[0] if isinstance(error, ValidationError) else None
    if first and first["loc"]:
        what = f"this version can't use its entry {quote(str(first['loc'][0]))}"
    else:
        what = "file is missing" if isinstance(error, FileNotFoundError) else "file is corrupt"
    return f"{what}; restore it from a backup"


def _parse_config(content: bytes) -> tuple[TrainConfig, tuple[str, ...]]:
    """The settings, and the names of those that only a newer version knows. To show a run they may be ignored; to train
    it they may not: see `read_config`."""
    try:
        return TrainConfig.model_validate_json(content), ()
    except ValidationError as error:
        newer = tuple(str(each["loc"][0]) for each in error.errors() if each["type"] == "extra_forbidden")
        return TrainConfig.model_validate_json(content, extra="ignore"), newer


class _Folder:
    """One run, with its files as they were at the last look."""

    def __init__(self, paths: RunPaths) -> None:
        self.paths = paths
        self._liveness = Liveness(paths)
        self._status = _File(paths.status, RunStatus.model_validate_json)
        self._meta = _File(paths.meta, RunMeta.model_validate_json)
        self._config = _File(paths.config, _parse_config)
        self._summary = _File(paths.summary, Summary.model_validate_json)

    def look(self) -> _Look[RunStatus]:
        """Its status, as written."""
        return self._status.look()

    def read(self, look: _Look[RunStatus], answer: Answer | None) -> Run:
        """The run as it is now. Whatever is wrong with its files is told in `problem`, never raised.

        Args:
            look: what `look` has just returned.
            answer: what its engine says about it, if it has one.
        """
        paths, problems = self.paths, []
        try:
            status, state, problem = self._settle(look, answer)
        except RunError as error:
            status, state, problem = RunStatus(created_at=_changed_at(paths.folder)), RunState.DAMAGED, str(error)
        meta, meta_error = self._meta.look()
        settings, config_error = self._config.look()
        config, newer = settings or (None, ())
        summary, summary_error = self._summary.look()
        for file, wrong, may_miss in (
            (self._meta, meta_error, True),
            (self._config, config_error, False),
            (self._summary, summary_error, True),
        ):
            if wrong and not (may_miss and isinstance(wrong, FileNotFoundError)):
                problems.append(f"Can't use {file.path.name}: {_trouble(wrong)}.")
        if newer:
            names = ", ".join(map(quote, newer))
            problems.append(f"Made by a newer version: this one ignores the setting{'s' * (len(newer) > 1)} {names}.")
        problem = problem or " ".join(problems) or None
        return Run(paths, state, status, meta or RunMeta(), config, summary or Summary(), newer, problem)

    def _settle(self, look: _Look[RunStatus], answer: Answer | None) -> tuple[RunStatus, RunState, str | None]:
        """The status, the state it means, and what is wrong.

        Raises:
            RunError: it cannot be told, since a file is unreadable.
        """
        if os.path.islink(self.paths.folder):
            raise RunError(f"Run {self.paths.run_id!r} is a symbolic link. Move the folder itself here.")
        status = _readable(self.paths, look)
        while True:
            try:
                state, problem = self._liveness.judge(status, answer)
            except OSError as error:
                said = _trouble(error)
                raise RunError(f"Can't read alive.lock of run {self.paths.run_id!r}: {said}.") from error
            if state == status.state or state in _WITHOUT_DOUBT:
                return status, state, problem
            again = _readable(self.paths, self.look())  # it may have ended properly between the two looks
            if again == status:
                return status, state, problem
            status, answer = again, None  # what the engine has said may be of before


def _readable(paths: RunPaths, look: _Look[RunStatus]) -> RunStatus:
    status, error = look
    if status is None:
        assert error
        trouble = _trouble(error)
        raise RunError(f"Can't read status.json of run {paths.run_id!r}: {trouble}, or delete the run.") from None
    return status


def _changed_at(folder: Path) -> datetime:
    """When a folder last changed; the beginning of time for one that is gone."""
    try:
        return datetime.fromtimestamp(folder.lstat().st_mtime, UTC)
    except OSError:
        return datetime.fromtimestamp(0, UTC)
