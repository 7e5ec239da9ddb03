"""The address of the page that is open, which the browser and the server write independently of each other.

Streamlit 1.67 puts parameters that the server sends behind whatever page the browser shows when they arrive. What a
page sends last may come after the click that leaves it, and would then stand behind the page that is opened. And what a
page remembers of an earlier visit is sent widget by widget while it is drawn, so that a click meanwhile would be undone
in the address. Therefore the server says the whole address of a page as it is opened, before its first widget.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

_ADDRESSES = "addresses"
"""In the session state."""


@dataclass
class _Addresses:
    """Of one visitor."""

    page: str | None = None
    """The one that is open."""
    left: dict[str, dict[str, tuple[list[str], Any]]] = field(default_factory=dict)
    """Page to the parameters that its widgets write: what the address said last, and the value of the widget."""


@contextmanager
def whole_address(page: str) -> Iterator[None]:
    """While a page is drawn inside: where it was just opened, its address in the browser is the one that this run was
    asked with, and has what its widgets remember, from the first widget on.

    Args:
        page: its path, such as `runs`.
    """
    addresses: _Addresses = st.session_state.setdefault(_ADDRESSES, _Addresses())
    context = get_script_run_ctx()
    assert context is not None
    before, addresses.page = addresses.page, page
    with context.session_state.query_params() as query:
        if context.is_history_navigation:
            query.update()  # sends it; what one goes back to is whole already
        elif before not in (None, page):
            query.update(
                (name, text)
                for name, (text, value) in addresses.left.get(page, {}).items()
                if not (name in query or query.is_bound(name)) and st.session_state.get(name) == value
            )
    yield
    with context.session_state.query_params() as query:
        texts = {name: query.get_all(name) for name in query if query.is_bound(name)}
    addresses.left[page] = {name: (text, st.session_state[name]) for name, text in texts.items()}
