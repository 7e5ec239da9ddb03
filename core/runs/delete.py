"""Deleting a run permanently."""

import shutil
import tempfile
from pathlib import Path
from typing import Final

from filelock import Timeout

from core.errors import RunError, system_reason
from core.files import file_size, make_folder, process_lock, sync_folder
from core.runs.ensembles import ensembles_with
from core.runs.groups import group_of
from core.runs.paths import QueuePaths, is_shipped
from core.runs.reader import read_run
from core.runs.records import Run, RunState

DELETE_LOCK_SECONDS: Final = 10.0


def what_is_lost(run: Run) -> str:
    """In words, what a deletion removes: files, size, and what people have added."""
    paths = run.paths
    try:
        sizes = [path.stat().st_size for path in paths.folder.iterdir() if path.is_file()]
    except OSError:
        sizes = []
    parts = [f"{len(sizes)} file{'' if len(sizes) == 1 else 's'} ({file_size(sum(sizes))})"]
    epochs = run.summary.epochs_done
    if epochs:
        parts.append(f"the curves of {epochs} epoch{'' if epochs == 1 else 's'}")
    if run.has_weights:
        parts.append("the trained weights")
    if run.meta.notes:
        parts.append("notes")
    if run.meta.review in ("approved", "rejected"):
        parts.append(f"the review ({run.meta.review})")
    if ensembles := ensembles_with(run.paths.root, run.id):
        parts.append(f"a member of the ensemble{'' if len(ensembles) == 1 else 's'} {', '.join(ensembles)}")
    if group := group_of(run):
        parts.append(f"a run of the group “{group.title}”")
    return ", ".join(parts)


def shipped_warning(run: Run) -> str:
    """The second confirmation before a shipped run (`is_shipped`) is deleted."""
    return (
        f"{run.name} ({run.id}) is shipped with the project. It makes predictions work without any training, and only "
        "a new copy of the project restores it."
    )


def force_stop_command(run_id: str) -> str:
    """What ends a run that nobody hears of, as typed in a terminal."""
    return f"python -m core runs stop {run_id} --now"


def why_not_deleted(run: Run) -> str | None:
    """Why a run cannot be deleted yet, and what to do first; None if it has ended."""
    if run.state is RunState.LOST:  # to a plain stop it may never answer
        return f"Run {run.id} is lost. Force-stop it before deleting: {force_stop_command(run.id)}"
    return f"Run {run.id} is {run.state.in_words()}. Stop it before deleting." if run.state.is_live else None


def delete_run(runs_root: Path, run_id: str, *, shipped: bool = False, queued: bool = False) -> None:
    """Delete a run's folder. It leaves the list in one step; nobody ever sees half of it.

    Args:
        runs_root: the folder of all runs.
        run_id: the run.
        shipped: delete it even if it came with the project; ask for a second confirmation first.
        queued: delete it although it is queued, since nobody will start it.

    Raises:
        RunError: it is queued or running, it is shipped, there is none of that id, or the folder cannot be moved.
    """
    run = read_run(runs_root, run_id)
    if is_shipped(run_id) and not shipped:
        raise RunError(f"Nothing was deleted: {shipped_warning(run)}")
    queue = QueuePaths(runs_root)
    try:
        make_folder(queue.drafts, parents=True)
        # Under the queue's lock a run can neither be queued nor be taken by a worker in the meantime.
        with process_lock(queue.lock, timeout=DELETE_LOCK_SECONDS):
            run = read_run(runs_root, run_id)
            reason = why_not_deleted(run)
            if reason and not (queued and run.status.state == "queued"):
                raise RunError(reason)
            if run.state is RunState.DAMAGED and run.paths.folder.is_symlink():
                raise RunError(f"Run {run_id} is a symbolic link. Remove it by hand.")
            trash = Path(tempfile.mkdtemp(prefix="deleted-", dir=queue.drafts))
            run.paths.folder.rename(trash / run_id)
        sync_folder(runs_root)
    except Timeout:
        raise RunError("The queue is busy. Try again in a moment.") from None
    except OSError as error:
        raise RunError(f"Can't delete run {run_id}: {system_reason(error)}.") from error
    shutil.rmtree(trash, ignore_errors=True)  # what cannot be deleted now, the runner sweeps later
