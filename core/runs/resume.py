"""What a resume must not do: start over, or go back behind what was recorded, in a folder that holds a result."""

import os
from typing import Any, Final

from core.errors import RunError
from core.files import read_regular
from core.runs.best import HASH, hash_of
from core.runs.history import read_all
from core.runs.paths import RunPaths
from core.runs.summary import Summary

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

    A crash leaves rows of epochs that its checkpoint does not count, but neither their weights nor a summary that knows
    a later checkpoint.

    Args:
        paths: the run.
        step: the optimizer steps that its checkpoint counts as done.

    Raises:
        RunError: later epochs, or their weights, would be lost.
    """
    later = [row for row in read_all(paths.epochs) if _step(row) > step]
    kept = {row[HASH] for row in later if HASH in row}
    counted = _counted_steps(paths)
    # Older versions wrote a checkpoint after every epoch, so that at most one epoch could be missing in it.
    is_older = len(later) > 1 if counted is None else counted > step
    if is_older or (kept and hash_of(paths.weights) in kept):
        lost = f"{len(later)} epoch{'s' if len(later) > 1 else ''}" if later else "steps"
        raise RunError(
            f"{paths.checkpoint.name} of run {paths.run_id} is older than its metrics: resuming would discard "
            f"{lost}. Restore the newer one from a backup, or clone the run."
        )


def _counted_steps(paths: RunPaths) -> int | None:
    """The steps that a checkpoint counted when the summary was written; None where that is not recorded."""
    try:
        return Summary.model_validate_json(read_regular(paths.summary)).checkpoint_step
    except (OSError, ValueError):
        return None


def _has_result(paths: RunPaths) -> bool:
    """Whether an epoch has ended for good. The row of the first one alone proves nothing: a crash may come before its
    checkpoint, and all that follows is written after that."""
    results = (paths.weights, paths.summary, paths.predictions("validation"))
    return any(map(os.path.lexists, results)) or len(read_all(paths.epochs)) > 1


def _step(row: dict[str, Any]) -> float:
    step = row.get("step")
    return step if isinstance(step, int | float) else 0
