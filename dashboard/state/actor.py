"""The visitor as somebody who acts."""

from core.team.people import Actor, Role
from dashboard.state.visitor import who


def actor() -> Actor:
    """Who acts on this page. Without a login the server answers this machine only, and everybody on it is an admin."""
    return Actor(name=who(), role=Role.ADMIN, way="page")
