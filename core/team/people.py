"""Who acts, and what their role lets them do."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal

Way = Literal["page", "API", "command line", "server"]
"""How somebody reached the project; `server` is the server itself, as after a restart of the machine."""


class Role(StrEnum):
    """What somebody may do; each role may do what those before it may, too."""

    VIEWER = "viewer"
    """Sees everything, predicts, changes nothing."""
    MEMBER = "member"
    """Also starts runs, stops their own, and reviews."""
    ADMIN = "admin"
    """Also changes what belongs to others: their runs, the queue, data sets, credentials."""

    def includes(self, other: "Role") -> bool:
        """Whether this role may do what `other` may."""
        order = list(Role)
        return order.index(self) >= order.index(other)


@dataclass(frozen=True, slots=True)
class Actor:
    """Somebody who asks for something to be done: a visitor of a page, the owner of a token, the user of a terminal."""

    name: str
    """As it is written into the log and as the author of runs. Empty: unknown."""
    role: Role
    way: Way
    email: str = ""
    """From the login, in lower case; empty without one."""

    @property
    def identity(self) -> str:
        """What tells this person from others: the email address, which the login vouches for, or else the name."""
        return self.email or self.name


SERVER: Final = Actor(name="", role=Role.ADMIN, way="server")
"""Who does what nobody has asked for, as after a restart of the machine."""


def shown_author(actor: Actor, said: str | None) -> str:
    """Who is shown as the author of what somebody starts: only the command line, where everybody is an admin, may name
    somebody else."""
    return said if said is not None and actor.way == "command line" else actor.name
