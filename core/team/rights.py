"""What people do to the project, and what it takes: a role, and for some acts that the run is one's own."""

import os
from enum import Enum
from typing import Final

from core.errors import ConfigError
from core.runs.records import Run
from core.team.people import Actor, Role

APPROVE_OWN: Final = "FER_APPROVE_OWN_RUNS"
"""The environment variable that says whether people may approve runs they have started: `1`, the default, or `0`."""


class Action(Enum):
    """Everything that changes something: its name for people, the role that it needs, and the one that it needs where
    it is about a run of somebody else (left out: the same)."""

    START = "Start run", Role.MEMBER
    CLONE = "Clone run", Role.MEMBER
    RETRY = "Run again", Role.MEMBER
    REPRODUCE = "Reproduce run", Role.MEMBER
    START_FOLDS = "Start cross-validation", Role.MEMBER
    START_SWEEP = "Start sweep", Role.MEMBER
    STOP_GROUP = "Stop group", Role.MEMBER, Role.ADMIN
    RESUME_GROUP = "Resume group", Role.MEMBER, Role.ADMIN
    DELETE_GROUP = "Delete group", Role.ADMIN
    IMPORT_RUN = "Import run", Role.MEMBER
    IMPORT_REVIEWED_RUN = "Import run with its review", Role.ADMIN
    STOP = "Stop run", Role.MEMBER, Role.ADMIN
    FORCE_STOP = "Force-stop run", Role.MEMBER, Role.ADMIN
    RESUME = "Resume run", Role.MEMBER, Role.ADMIN
    RECOVER = "Requeue interrupted runs", Role.ADMIN
    MOVE = "Move in queue", Role.ADMIN
    DELETE = "Delete run", Role.ADMIN
    ARCHIVE = "Archive run", Role.MEMBER, Role.ADMIN
    UNARCHIVE = "Unarchive run", Role.MEMBER, Role.ADMIN
    SCORE = "Score run", Role.MEMBER
    CREATE_ENSEMBLE = "Create ensemble", Role.MEMBER
    DELETE_ENSEMBLE = "Delete ensemble", Role.ADMIN

    ANNOTATE = "Edit run", Role.MEMBER
    START_REVIEW = "Start review", Role.MEMBER
    APPROVE = "Approve run", Role.ADMIN
    REJECT = "Reject run", Role.ADMIN
    WITHDRAW_REVIEW = "Reset review", Role.ADMIN
    REVIEW_LABELS = "Review labels", Role.MEMBER
    REMOVE_LABEL_REVIEWS = "Remove label reviews", Role.MEMBER
    CREATE_CORRECTIONS = "Create correction set", Role.MEMBER

    IMPORT = "Import dataset", Role.ADMIN
    GENERATE_DEMO = "Generate demo dataset", Role.ADMIN
    DELETE_DATASET = "Delete dataset", Role.ADMIN
    DOWNLOAD = "Download FER2013", Role.ADMIN
    CANCEL_DOWNLOAD = "Cancel download", Role.ADMIN
    CLEAR_DOWNLOAD = "Clear download", Role.ADMIN
    SAVE_TOKEN = "Save Kaggle token", Role.ADMIN
    REMOVE_TOKEN = "Remove Kaggle token", Role.ADMIN

    SET_NOTIFICATIONS = "Set own notifications", Role.VIEWER
    CREATE_API_TOKEN = "Create API token", Role.VIEWER
    CREATE_API_TOKEN_FOR_OTHERS = "Create API token for somebody else", Role.ADMIN
    REVOKE_API_TOKEN = "Revoke API token", Role.VIEWER
    REVOKE_API_TOKEN_OF_OTHERS = "Revoke API token of somebody else", Role.ADMIN

    def __init__(self, title: str, needs: Role, of_others: Role | None = None) -> None:
        self.title = title
        self.needs = needs
        self.of_others = of_others or needs

    @property
    def key(self) -> str:
        """As the log has it."""
        return self.name.lower()


STARTS: Final = frozenset(
    {Action.START, Action.CLONE, Action.RETRY, Action.REPRODUCE, Action.START_FOLDS, Action.START_SWEEP}
)
"""Actions that queue new runs, which one person may do so many times a minute only."""


def action_title(key: str) -> str:
    """The name of an action for people, from its key in the log; of one that only a newer version has, its key."""
    return Action[key.upper()].title if key.upper() in Action.__members__ else key


def may(actor: Actor, action: Action, run: Run | None = None) -> bool:
    """Whether somebody may do something; a page asks before it draws a button. Reads no file.

    Args:
        actor: who.
        action: what.
        run: the run it is about; None: none, or none in particular.

    Raises:
        ConfigError: `FER_APPROVE_OWN_RUNS` makes no sense.
    """
    return why_not(actor, action, run) is None


def why_not(actor: Actor, action: Action, run: Run | None = None) -> str | None:
    """Why somebody may not do something, in a sentence; None if they may. As `may`."""
    is_own = run is None or owns(actor, run)
    needed = action.needs if is_own else action.of_others
    if not actor.role.includes(needed):
        whose = "" if is_own or action.of_others is action.needs else " for a run that somebody else has started"
        return f"“{action.title}” needs the role {needed}{whose}. Your role is {actor.role}."
    if action is Action.APPROVE and run and has_started(actor, run) and not may_approve_own_runs():
        return "You have started this run. On this server somebody else has to approve it."
    return None


def owns(actor: Actor, run: Run) -> bool:
    """Whether a run is somebody's own. Who has logged in owns what was started under that email address; a name, which
    anybody can type, is only asked for where there is no login."""
    if actor.email:
        return run.meta.started_by == actor.email
    return bool(actor.name) and actor.name == (run.meta.started_by or run.meta.author)


def has_started(actor: Actor, run: Run) -> bool:
    """Whether somebody may have started a run, under whatever of their names: who judges it should be somebody else."""
    return bool({actor.email, actor.name} & ({run.meta.started_by, run.meta.author} - {""}))


def may_approve_own_runs() -> bool:
    """Whether this server lets people approve runs that they have started.

    Raises:
        ConfigError: the environment variable is neither 0 nor 1.
    """
    said = os.environ.get(APPROVE_OWN) or "1"
    if said not in ("0", "1"):
        raise ConfigError(f"{APPROVE_OWN} must be 0 or 1 (got {said!r}).")
    return said == "1"
