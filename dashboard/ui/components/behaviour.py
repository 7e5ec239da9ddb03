"""How pages behave: one press of back per page, the keyboard stays in an open dialog, a double click acts once, "?"
lists the keys, the browser says when a run has ended, and keeps cookies."""

from collections.abc import Callable, Mapping

import streamlit as st

from dashboard.ui.components.register import _FOLDER


def _behaviour(name: str) -> Callable[..., object]:
    """A component that is nothing but a script."""
    return st.components.v2.component(f"fer_{name}", js=(_FOLDER / f"{name}.js").read_text("utf-8"))


_focus = _behaviour("focus")
_history = _behaviour("history")
_clicks = _behaviour("clicks")
_keys = _behaviour("keys")
_notify = _behaviour("notify")
_cookies = _behaviour("cookies")


def one_step_back() -> None:
    """One press of "back" goes one step back: see history.js."""
    _history(key="history", height=1)


def keep_focus() -> None:
    """The keyboard stays in an open dialog: see focus.js."""
    _focus(key="focus", height=1)


def ignore_double_clicks() -> None:
    """A second click within half a second does nothing, on any button of any page: see clicks.js."""
    _clicks(key="clicks", height=1)


def open_shortcuts_by_key() -> None:
    """ "?" opens the list of keyboard shortcuts: see keys.js."""
    _keys(key="keys", height=1)


def notify(wanted: bool, ended: Mapping[str, str]) -> None:
    """Notifications of the browser: see notify.js.

    Args:
        wanted: whether the visitor asked for them; the browser then asks for its permission.
        ended: id of a run to what is said about it; each is said once.
    """
    _notify(key="notifications", data={"wanted": wanted, "ended": dict(ended)}, height=1)


def keep_cookies(cookies: Mapping[str, str], seconds: int, key: str) -> None:
    """Have the browser keep cookies: see cookies.js.

    Args:
        cookies: name to text.
        seconds: for how long.
        key: of the element, one for each place.
    """
    _cookies(key=f"cookies-{key}", data={"cookies": dict(cookies), "seconds": seconds}, width=1, height=1)
