"""Where somebody is told about their own runs."""

from pathlib import Path

from core.jobs.notify import people
from core.runs.paths import PeoplePaths
from core.team.door import door
from core.team.people import Actor
from core.team.rights import Action


def save_addresses(actor: Actor, runs_root: Path, *, webhook: str = "", email: str = "") -> None:
    """Save where the actor wants to be told, or with neither that they do not. As
    `core.jobs.notify.people.save_addresses`; neither of the two is written into the log."""
    kinds = [kind for kind, address in (("webhook", webhook), ("e-mail", email)) if address]
    detail = " and ".join(kinds) or "removed"
    paths = PeoplePaths(runs_root)
    with door(Action.SET_NOTIFICATIONS, actor, runs_root, on=actor.identity, detail=detail, make_root=True):
        people.save_addresses(paths, actor.identity, webhook=webhook, email=email)
