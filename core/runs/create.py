"""Making and changing run folders. Reading is in `reader.py`."""

import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

from pydantic import BaseModel

from core.config import TrainConfig
from core.errors import RunError, system_reason
from core.files import (
    how_to_write,
    make_folder,
    read_regular,
    share,
    staged,
    sweep_leftovers,
    sync_folder,
    write_json,
)
from core.runs.file_time import now_at
from core.runs.history import appended
from core.runs.locks import meta_lock
from core.runs.paths import QueuePaths, RunPaths, new_run_id
from core.runs.records import RunMeta, RunStatus, reason_of

ABANDONED_AFTER_SECONDS: Final = 3600
"""Age at which a half-made run folder counts as left behind by a process that was killed."""


class Membership(NamedTuple):
    """Where a new run belongs that is started with others."""

    group: str
    """The name of their group, see `core.runs.groups`."""
    run_id: str
    """What the group has listed it as."""
    queue_position: float
    tags: Sequence[str] = ()


def create_run(
    runs_root: Path,
    config: TrainConfig,
    *,
    name: str = "",
    author: str = "",
    started_by: str = "",
    parent: str | None = None,
    run_id: str | None = None,
    queue_position: float | None = None,
    data_root: Path | None = None,
    corrections: BaseModel | None = None,
    teaching: BaseModel | None = None,
    reproduces: str | None = None,
    group: str = "",
    tags: Sequence[str] = (),
    launcher: str = "local",
) -> RunPaths:
    """Make the folder of a new, queued run; by default at the end of the queue, by the clock.

    The folder appears under its name only when it is complete: nobody ever lists half a run. The correction set that
    its settings name is copied into it, and what it learns from is recorded there.

    Raises:
        RunError: a run of that id is there already, or the folder cannot be written.
    """
    paths = RunPaths(runs_root, run_id or new_run_id())
    now = datetime.now(UTC)
    status = RunStatus(
        created_at=now,
        queued_at=now,
        queue_position=time.time() if queue_position is None else queue_position,
        data_root=str(data_root) if data_root else None,
        launcher=launcher,
        epochs=config.epochs,
        activity="queued",
    )
    meta = RunMeta(
        name=name,
        author=author,
        started_by=started_by,
        tags=list(tags),
        parent=parent,
        reproduces=reproduces,
        group=group,
    )
    with drafted(paths) as draft:
        write_json(draft.config, config.model_dump(mode="json"))
        write_json(draft.status, status.model_dump(mode="json"))
        write_json(draft.meta, meta.model_dump(mode="json"))
        if corrections is not None:
            write_json(draft.corrections, corrections.model_dump(mode="json"))
        if teaching is not None:
            write_json(draft.teachers, teaching.model_dump(mode="json"))
    return paths


@contextmanager
def drafted(paths: RunPaths) -> Iterator[RunPaths]:
    """A folder to be filled, which becomes that of the run when the block ends. Where it ends with an error, nothing
    is left.

    Raises:
        RunError: a run of that id is there already, or the folder cannot be written.
    """
    root, drafts = paths.root, QueuePaths(paths.root).drafts
    try:
        make_folder(drafts, parents=True)
        with tempfile.TemporaryDirectory(dir=drafts, ignore_cleanup_errors=True) as own:
            draft = RunPaths(Path(own), paths.run_id)
            draft.folder.mkdir()
            share(draft.folder, root)
            yield draft
            if os.path.lexists(paths.folder):
                raise RunError(f"A run named “{paths.run_id}” already exists. Choose another name.")
            draft.folder.rename(paths.folder)
        sync_folder(root)
    except OSError as error:
        advice = how_to_write(root, error, "FER_RUNS_ROOT")
        raise RunError(f"Can't write a run folder under {root}: {system_reason(error)}.{advice}") from error


def sweep_drafts(runs_root: Path) -> None:
    """Delete half-made run folders whose makers were killed long ago."""
    now = now_at(runs_root)
    if now is None:
        return
    for draft in QueuePaths(runs_root).drafts.glob("*"):
        with suppress(OSError):  # its maker may have given it its name meanwhile
            if draft.lstat().st_mtime < now - ABANDONED_AFTER_SECONDS:
                shutil.rmtree(draft, ignore_errors=True)


def sweep_run(paths: RunPaths) -> None:
    """Delete half-written files in a run folder. Only for the worker that has taken the run: nobody else writes there
    then, but for people who change `meta.json`."""
    with meta_lock(paths):
        sweep_leftovers(paths.folder)


def write_status(
    paths: RunPaths, status: RunStatus, *, lasting: bool = True, check: Callable[[], object] = lambda: None
) -> None:
    """Replace `status.json` whole; `lasting=False` for the many small changes while a run trains. `check` as
    `core.files.write_whole` has it."""
    write_json(paths.status, status.model_dump(mode="json"), lasting=lasting, check=check)


def write_meta(
    paths: RunPaths,
    change: Callable[[RunMeta], RunMeta],
    rows: Callable[[RunMeta, RunMeta], list[dict[str, Any]]] = lambda old, new: [],
) -> RunMeta:
    """Change `meta.json`; concurrent changes of different fields are both kept, and so is what is not changed, such as
    fields of a newer version or text that is cut when it is read.

    Args:
        paths: the run.
        change: gives the new content from the old.
        rows: what the history says of it, from old and new. Both are written, or neither; should the power fail in
            between, what was said is at least in the history.

    Raises:
        RunError: the new values are not allowed, or the file is corrupt or cannot be written; it stays as it was.
    """
    try:
        with meta_lock(paths):
            kept, old = _read_meta(paths)
            new = RunMeta.model_validate(change(old).model_dump())
            before, after = old.model_dump(mode="json"), new.model_dump(mode="json")
            changed = {field: value for field, value in after.items() if value != before[field]}
            content = json.dumps({**kept, **changed}, indent=1, allow_nan=False).encode()
            said = rows(old, new)
            history = appended(paths.changes, said) if said else nullcontext()
            with staged(paths.meta, lambda file: file.write(content)) as put_in_place, history:
                put_in_place()
            sync_folder(paths.folder)
    except RunError:  # of `change`
        raise
    except (OSError, ValueError) as error:
        raise RunError(f"Can't change meta.json of run {paths.run_id!r}: {reason_of(error)}.") from error
    return new


def _read_meta(paths: RunPaths) -> tuple[dict[str, Any], RunMeta]:
    """All that the file holds, and what is understood of it."""
    try:
        content = read_regular(paths.meta)
    except FileNotFoundError:
        return RunMeta().model_dump(mode="json"), RunMeta()
    understood = RunMeta.model_validate_json(content)  # first: it explains what is no JSON
    return json.loads(content), understood
