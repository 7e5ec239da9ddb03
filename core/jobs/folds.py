"""Cross-validation runs: each holds out another fold, so that together they score every training image held out."""

import secrets
from pathlib import Path

from core.config import TrainConfig
from core.jobs.control import start
from core.review.runs import annotate
from core.review.suspects import fold_settings
from core.runs.paths import RunPaths


def queue_folds(
    runs_root: Path, data_root: Path, config: TrainConfig, folds: int, *, author: str, started_by: str = ""
) -> tuple[str, list[str]]:
    """Queue one run per fold, all with one new tag.

    Args:
        runs_root: where they go.
        data_root: where their dataset is.
        config: their settings, but for the fold.
        folds: 2 to 5.
        author: who is shown as having started them, not empty.
        started_by: whose runs they are, see `RunMeta`.

    Returns:
        The tag, and the ids in the order of the folds.

    Raises:
        RunError: so many folds are not supported, or a run folder cannot be written.
    """
    tag = f"folds-{secrets.token_hex(2)}"
    ids = []
    for each in fold_settings(config, folds):
        name = f"Fold {each.hold_out} of {tag}"
        run_id = start(runs_root, data_root, each, name=name, author=author, started_by=started_by)
        annotate(RunPaths(runs_root, run_id), author, tag=[tag])
        ids.append(run_id)
    return tag, ids
