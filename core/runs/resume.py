"""What a resume must not do: start over, or go back behind what was recorded, in a folder that holds a result."""

import os
from typing import Any, Final

from core.errors import RunError
from core.runs.best import HASH, hash_of
from core.runs.history import read_all
from core.runs.paths import RunPaths

WAYS_ON: Final = "Restore it from a backup, or clone the run."


def require_checkpoint(paths: RunPaths) -> None:
    """Refuse to train from the start in the folder of a run that has already finished an epoch. Its checkpoint may be
    missing since an exported zip leaves it out, or since somebody made room on the disk.

    Raises:
        RunError: there is no checkpoint to resume from, but a result that training from the start would replace.
    """
    if os.path.isfile(paths.checkpoint):
        return
    if os.path.lexists(paths.checkpoint):
        raise RunError(f"{paths.checkpoint.name} of run {paths.run_id} is not a regular file. {WAYS_ON}")
    if _has_result(paths):
        raise RunError(
            f"Run {paths.run_id} has no {paths.checkpoint.name}: training would start over and replace its metrics and "
            f"weights. {WAYS_ON}"
        )


def can_continue(paths: RunPaths) -> bool:
    """Whether `require_checkpoint` lets this run be resumed."""
    try:
        require_checkpoint(paths)
    except RunError:
        return False
    return True


def require_newest(paths: RunPaths, step: int) -> None:
    """Refuse to resume from a checkpoint that is older than what the run has recorded, as one from a backup is.

    A crash leaves at most one epoch that its checkpoint does not count: its row comes first, its weights last.

    Args:
        paths: the run.
        step: the optimizer steps that its checkpoint counts as done.

    Raises:
        RunError: later epochs, or their weights, would be lost.
    """
    later = [row for row in read_all(paths.epochs) if _step(row) > step]
    kept = {row[HASH] for row in later if HASH in row}
    if len(later) > 1 or (kept and hash_of(paths.weights) in kept):
        raise RunError(
            f"{paths.checkpoint.name} of run {paths.run_id} is older than its metrics: resuming would discard "
            f"{len(later)} epoch{'s' if len(later) > 1 else ''}. Restore the newer one from a backup, or clone the run."
        )


def _has_result(paths: RunPaths) -> bool:
    """Whether an epoch has ended for good. The row of the first one alone proves nothing: a crash may come before its
    checkpoint, and all that follows is written after that."""
    results = (paths.weights, paths.summary, paths.predictions("validation"))
    return any(map(os.path.lexists, results)) or len(read_all(paths.epochs)) > 1


def _step(row: dict[str, Any]) -> float:
    step = row.get("step")
    return step if isinstance(step, int | float) else 0
