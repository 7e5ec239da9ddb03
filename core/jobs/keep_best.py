"""Keeping the weights of the best run of a group only: those of a large sweep fill a disk, and nobody uses most."""

import logging
from collections.abc import Sequence

from core.errors import FerError
from core.runs.ensembles import ensembles_with
from core.runs.group_changes import group_lock
from core.runs.groups import Group, best_member, group_listing, members_of
from core.runs.paths import RunPaths, is_shipped
from core.runs.reader import list_runs, read_meta
from core.runs.records import Run, RunState
from core.runs.removed import remove_files
from core.runs.selection import is_in_use

log = logging.getLogger(__name__)


def keep_best(paths: RunPaths) -> list[str]:
    """After the end of a run: if its group keeps the weights of its best only, remove weights and checkpoint of the
    finished others. Metrics, curves and predictions stay.

    The best is chosen by validation accuracy among the finished runs that have weights and that nobody has archived or
    rejected; where runs are on different data, for each of it. One that others need, or that somebody has marked, keeps
    its own: see `why_kept`. Imported runs take no part: nobody here has measured them.

    Returns:
        The ids of the runs that lost theirs.

    Raises:
        RunError: the groups are locked by another process, or the runs cannot be read.
    """
    root, group = paths.root, group_listing(paths, read_meta(paths).group)
    if group is None or group.record.keep != "best":
        return []
    with group_lock(root):
        runs_of_group = members_of(root, group).runs
        finished = [each for each in runs_of_group if each.state is RunState.FINISHED and not each.is_imported]
        runs, removed = list_runs(root), []
        for data in dict.fromkeys(each.data.content for each in finished):
            alike = [each for each in finished if each.data.content == data]
            best = best_member([each for each in alike if each.has_weights and is_in_use(each)])
            if best is not None:
                others = [each for each in alike if each.id != best.id and not why_kept(each, runs)]
                removed += [each.id for each in others if _thin_out(each, group, best)]
        return removed


def why_kept(run: Run, runs: Sequence[Run]) -> str | None:
    """Why the weights of a run must stay even though it is not the best of its group, as half a sentence; None if
    nothing needs them.

    Args:
        run: a finished run.
        runs: all runs there are.
    """
    if run.meta.starred:
        return "it is starred"
    if run.meta.review in ("approved", "in review"):
        return f"it is {run.meta.review}"
    if is_shipped(run.id):
        return "it is shipped with the project"
    if ensembles := ensembles_with(run.paths.root, run.id):
        return f"it is a member of the ensemble {ensembles[0]}"
    for other in runs:
        if other.config and run.id in other.config.teachers:
            return f"it is a teacher of {other.id}"
        if other.config and run.id in other.config.initial_weights:
            return f"{other.id} starts from its weights"
        if other.meta.reproduces == run.id:
            return f"it is reproduced by {other.id}"
    return None


def _thin_out(run: Run, group: Group, best: Run) -> bool:
    """Remove the large files of a run; whether there were any."""
    files = [file for file in (run.paths.weights, run.paths.checkpoint) if file.is_file()]
    if not files:
        return False
    reason = f"Weights removed: group “{group.title}” keeps only those of its best run, then {best.name}."
    try:
        remove_files(run.paths, files, reason)
    except OSError as error:  # deleted meanwhile, say: the others must not wait for it
        log.warning("the weights of %s can't be removed: %s", run.id, error)
        return False
    return True


def after_end(paths: RunPaths) -> None:
    """As `keep_best`, for a process whose run has just finished: what goes wrong is only logged."""
    try:
        for run_id in keep_best(paths):
            log.info("weights of %s removed: its group keeps those of the best only", run_id)
    except (FerError, OSError) as error:
        log.warning("the weights of the group can't be thinned out: %s", error)
