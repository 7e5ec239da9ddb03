"""Where a run is trained: on this machine or on a cluster. Nothing is asked where there is only this machine."""

import streamlit as st

from core.errors import FerError
from core.jobs.launchers import LOCAL, launcher_title, offered_launchers, preview_start
from dashboard.state.roots import data_root, runs_root
from dashboard.ui.format import escape


def choose_launcher() -> tuple[str, str | None]:
    """What starts the run, and why it can't do so now. One that can't stays selected: nobody who has selected a cluster
    wants the run to be trained here instead because the cluster is down for a moment."""
    offered = offered_launchers()
    if set(offered) == {LOCAL} and st.session_state.get("launcher", LOCAL) == LOCAL:
        return LOCAL, None
    options = list(dict.fromkeys([*offered, st.session_state.get("launcher", LOCAL)]))
    name = st.selectbox("Launcher", options, format_func=launcher_title, key="launcher", persist_state="session")
    for each, reason in offered.items():
        if reason and each != name:
            st.caption(f"{launcher_title(each)}: {escape(reason)}")
    refused = offered.get(name, f"{launcher_title(name)} is no longer available here.")
    if refused:
        st.error(escape(refused), icon=":material/error:")
    return name, refused


def launcher_preview(name: str) -> None:
    """What is given to the engine of a cluster, to read before."""
    if name == LOCAL:
        return
    with st.expander(f"Job for {launcher_title(name)}"):
        try:
            st.code(preview_start(name, runs_root(), data_root()), language="bash")
        except FerError as error:
            st.error(escape(str(error)), icon=":material/error:")
