"""Short messages about what was done, and about runs that have ended while one was looking at something else."""

from collections.abc import Sequence
from typing import Final

import streamlit as st
from streamlit.delta_generator_singletons import get_dg_singleton_instance

from core.errors import FerError
from core.jobs.notify.events import how_it_ended
from core.runs.records import Run
from dashboard.state import cache, visitor
from dashboard.state.roots import runs_root
from dashboard.ui.components.behaviour import notify
from dashboard.ui.format import escape
from dashboard.ui.runs import LOOKS

SAID: Final = "said"
"""In the session state: messages that are still to be shown."""
LIVE: Final = "live-runs"
"""In the session state: ids of the runs that were live when this visitor's pages last looked."""
POLL_SECONDS: Final = 5


def say(text: str, icon: str = ":material/check:") -> None:
    """Show a message once the page has been drawn again: Streamlit drops a toast where `st.rerun` or another page
    follows.

    Args:
        text: plain text, of people, too.
        icon: of the icon font.
    """
    st.session_state.setdefault(SAID, []).append((text, icon))


def show_said() -> None:
    """The messages so far; to be called when nothing can end the script run any more."""
    for text, icon in st.session_state.pop(SAID, []):
        st.toast(escape(text), icon=icon)


def watch_runs() -> None:
    """Look for runs that have ended, for as long as any is live. To be drawn before anything opens a dialog."""
    try:
        live = any(run.state.is_live for run in cache.runs(runs_root()))
    except FerError:  # the page says so
        return
    st.fragment(_look, run_every=POLL_SECONDS if live else None)()


def _look() -> None:
    try:
        ended = just_ended(cache.runs(runs_root()))
    except FerError:
        return
    if ended:
        text = "  \n".join(escape(how_it_ended(run)) for run in ended)
        st.toast(text, icon=LOOKS[ended[0].state].icon, duration="long")
    else:
        # Dialogs and toasts lie in one container, by order. A toast that a fragment adds later would take the place of
        # an open dialog: so this one, the first on every page, has a place of its own. Checked with Streamlit 1.67.
        get_dg_singleton_instance().event_dg.empty()
    notify(visitor.wants_notifications(), {run.id: how_it_ended(run) for run in ended})


def just_ended(runs: Sequence[Run]) -> list[Run]:
    """The runs that were live at the last look and are no longer: the visitor's own, those of nobody, and the one whose
    page is open."""
    before = st.session_state.get(LIVE, set())
    st.session_state[LIVE] = {run.id for run in runs if run.state.is_live}
    name, open_run = visitor.who(), st.query_params.get("run")
    return [
        run
        for run in runs
        if run.id in before and not run.state.is_live and (run.meta.author in ("", name) or run.id == open_run)
    ]
