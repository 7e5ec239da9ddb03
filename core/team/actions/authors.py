"""Who is shown as the author of what somebody starts."""

from core.team.people import Actor


def shown_author(actor: Actor, said: str | None) -> str:
    """Only the command line, where everybody is an admin, may show somebody else as the author of a run."""
    return said if said is not None and actor.way == "command line" else actor.name
