"""The visitors to whom pages are shown now, each with the login that they were let in with."""

from collections.abc import Mapping
from typing import Any

from streamlit.runtime.scriptrunner import get_script_run_ctx

_claims: dict[str, Mapping[str, Any]] = {}
"""By session."""


def let_in(claims: Mapping[str, Any]) -> None:
    """The visitor of this script run is shown a page."""
    _claims[_session()] = claims


def turn_away() -> None:
    """They are shown the way to log in instead."""
    _claims.pop(_session(), None)


def _session() -> str:
    context = get_script_run_ctx()
    assert context is not None
    return context.session_id


def admitted_sessions() -> dict[str, Mapping[str, Any]]:
    """All of them, by session, with the claims of their login."""
    return dict(_claims)


def forget_session(session: str) -> None:
    """A session shows nothing any more."""
    _claims.pop(session, None)
