"""The visitor as somebody who acts."""

import streamlit as st

from core.team.people import Actor, Role
from dashboard.state.login import admit
from dashboard.state.login_settings import login_settings
from dashboard.state.visitor import who


def actor() -> Actor:
    """Who acts on this page, looked up anew each time. Without a login everybody who reaches the server is an admin,
    under the name they give.

    Raises:
        NotAdmittedError: there is a login, and the visitor's has ended, or they are not on the list any more.
    """
    settings = login_settings()
    if settings is None:
        return Actor(name=who(), role=Role.ADMIN, way="page")
    person = admit(st.user.to_dict(), settings)
    return Actor(name=person.name, role=person.role, way="page", email=person.email)
