"""A run from another machine, imported on the Runs page."""

import io

import streamlit as st

from core.team import actions
from core.team.rights import Action, may
from dashboard.state import visitor
from dashboard.state.actor import actor
from dashboard.state.roots import runs_root
from dashboard.ui.messages import say
from dashboard.ui.page import guarded
from dashboard.ui.runs import open_run


def import_button() -> None:
    """Opens the dialog, for those who may import."""
    if may(actor(), Action.IMPORT_RUN) and st.button("Import…", icon=":material/upload:", key="import-run"):
        import_dialog()


@st.dialog("Import a run", icon=":material/upload:")
def import_dialog() -> None:
    """Takes a bundle, and shows the run or why it is refused."""
    with guarded():
        st.caption("The zip from the Files tab of a run, or from `python -m core export RUN --format bundle`.")
        upload = st.file_uploader("Run bundle", type=["zip"], key="bundle")
        rename = st.checkbox("If there is a run with its ID, import it under another ID", key="bundle-rename")
        me = actor()
        if not me.name:
            st.caption(f"{visitor.ENTER_NAME} first.")
        off = upload is None or not me.name
        if st.button("Import", type="primary", icon=":material/upload:", disabled=off, key="bundle-import"):
            assert upload is not None
            content = io.BytesIO(upload.getvalue())
            made = actions.import_run(me, runs_root(), content, name=upload.name, rename=rename)
            say(" ".join([f"Imported {made.original_id}.", *made.notes]))
            open_run(made.run_id)
