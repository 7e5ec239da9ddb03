"""The one door: who may not is refused, everything is written down, and only then something is done."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from core.errors import ActivityError, FerError, NotAllowedError
from core.runs.records import Run
from core.team import limits
from core.team.log import LONGEST_DETAIL, ActivityEntry, add_to, record
from core.team.people import Actor
from core.team.rights import STARTS, Action, why_not

RUNS_ROOT: Final = "FER_RUNS_ROOT"
DATA_ROOT: Final = "FER_DATA_ROOT"

log = logging.getLogger(__name__)


@dataclass
class Act:
    """Something that is being done."""

    made: str = ""
    """To be set to the id of the run, or the name of the dataset, that came of it."""


@contextmanager
def door(
    action: Action,
    actor: Actor,
    root: Path,
    on: str = "",
    *,
    run: Run | None = None,
    detail: str = "",
    variable: str = RUNS_ROOT,
    make_root: bool = False,
) -> Iterator[Act]:
    """What is inside is done only if the actor may, and after it has been written down.

    Args:
        action: what is done.
        actor: who does it.
        root: the folder of all runs, or of all datasets, that it is done in; the log is there.
        on: the id of the run, or the name of the dataset or correction set; of `run`, its id.
        run: the run, whose owner may do more with it than others.
        detail: in words, what else is worth knowing; no secret.
        variable: the environment variable that names another such root.
        make_root: whether to make the root if it is missing.

    Raises:
        NotAllowedError: the actor may not; that is written down, too.
        TooManyStartsError: the actor has started too many runs within a minute; written down as well.
        ActivityError: it cannot be written down; nothing was done.
    """
    entry = ActivityEntry(
        who=actor.name,
        email=actor.email,
        role=str(actor.role),
        way=actor.way,
        action=action.key,
        on=on or (run.id if run else ""),
        detail=detail[:LONGEST_DETAIL],
    )
    try:
        if reason := why_not(actor, action, run):
            raise NotAllowedError(reason)
        if action in STARTS:
            limits.starts.count(actor)
    except (NotAllowedError, limits.TooManyStartsError) as refusal:
        refused = entry.model_copy(update={"outcome": "refused", "reason": str(refusal)})
        with _noted("The refusal of an act"):
            record(root, refused, variable=variable)
        raise
    record(root, entry, variable=variable, make_root=make_root)
    act = Act()
    try:
        yield act
    except BaseException as error:
        why = str(error) if isinstance(error, FerError) else type(error).__name__
        with _noted("The failure of an act"):
            add_to(root, entry, variable=variable, outcome="failed", reason=why[:LONGEST_DETAIL])
        raise
    if act.made:
        with _noted("The run that an act has made"):
            add_to(root, entry, variable=variable, made=act.made)


@contextmanager
def _noted(what: str) -> Iterator[None]:
    """What cannot be added to the log any more must not change how an act has ended."""
    try:
        yield
    except ActivityError as error:
        log.warning("%s is not in the activity log: %s", what, error)
