"""The dialog that deletes a dataset."""

import streamlit as st

from core.data.dataset import DatasetInfo
from core.runs.reader import list_runs
from core.team import actions
from dashboard.state import cache
from dashboard.state.actor import actor
from dashboard.state.roots import data_root, runs_root
from dashboard.ui.confirm import confirmed
from dashboard.ui.format import escape
from dashboard.ui.messages import say
from dashboard.ui.page import guarded


@st.dialog("Delete dataset?", icon=":material/delete:")
def confirm_deletion(info: DatasetInfo) -> None:
    """Say which runs need the dataset before it is deleted."""
    with guarded():
        st.write(f"This deletes **{escape(info.title)}** from this server.")
        users = [
            run
            for run in list_runs(runs_root())
            if run.state.is_live and run.config and run.config.dataset == info.name
        ]
        if users:
            names = ", ".join(escape(run.name) for run in users[:5]) + ("…" if len(users) > 5 else "")
            use = "1 queued or running run uses" if len(users) == 1 else f"{len(users)} queued or running runs use"
            st.warning(f"{use} this dataset and will fail: {names}.", icon=":material/warning:")
        st.caption("Runs trained on it are kept, but their images can't be shown until you import it again.")
        label = "Delete anyway" if users else "Delete dataset"
        if confirmed(label, f"delete-{info.name}", named=True):
            actions.delete_dataset(actor(), data_root(), info.name)
            cache.importer().forget()
            say(f"Deleted {info.title}.", ":material/delete:")
            st.rerun()
