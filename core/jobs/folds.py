"""Cross-validation runs: each holds out another fold, so that together they score every training image held out."""

import secrets
from pathlib import Path

from core.config import TrainConfig
from core.jobs.groups import NewGroup, start_group
from core.review.suspects import fold_settings
from core.runs.groups import Group


def queue_folds(
    runs_root: Path, data_root: Path, config: TrainConfig, folds: int, *, author: str, started_by: str = ""
) -> Group:
    """Queue one run per fold, all with the name of their group as a tag.

    Args:
        runs_root: where they go.
        data_root: where their dataset is.
        config: their settings, but for the fold.
        folds: 2 to 5.
        author: who is shown as having started them.
        started_by: whose runs they are, see `RunMeta`.

    Returns:
        Their group, in the order of the folds.

    Raises:
        RunError: so many folds are not supported, or as for `start_group`.
        DataError: as for `start_group`.
    """
    held_out = [each.hold_out for each in fold_settings(config, folds)]
    new = NewGroup(
        kind="folds",
        config=config,
        values=[{"hold_out": fold} for fold in held_out],
        fields={"hold_out": held_out},
        title=f"{folds} folds of {config.dataset}",
        name=f"folds-{secrets.token_hex(2)}",
    )
    return start_group(runs_root, data_root, new, author=author, started_by=started_by)
