"""The way to add a dataset that lies on the server: by its path."""

from functools import partial

import streamlit as st

from dashboard.state.actor import actor
from dashboard.state.import_roots import PATHS_OFF, are_paths_on, import_roots, path_to_import
from dashboard.ui.format import escape
from dashboard.ui.page import guarded
from dashboard.views.data.import_job import begin_import, from_path
from dashboard.views.data.preview import show_found


def on_server(accept: bool) -> None:
    """FER2013 in any of its forms, by its path."""
    if not are_paths_on():
        st.caption(PATHS_OFF)
        return
    st.caption(
        "Path on the server to FER2013: the Kaggle zip (msambare/fer2013) or its extracted folder, fer2013.csv, "
        "icml_face_data.csv, fer2013.tar.gz or Parquet from the Hugging Face Hub. FER+ labels (fer2013new.csv) "
        "work too." + where_paths_lead()
    )
    text = st.text_input("Path", placeholder="/path/to/fer2013.zip", key="path", persist_state="session")
    if text and st.button("Preview", icon=":material/preview:", key="preview-path"):
        with guarded():
            show_found(path_to_import(str(text)), "")
    if st.button("Import", type="primary", icon=":material/download:", disabled=not text, key="import-path"):
        with guarded():
            begin_import(partial(from_path, actor(), path_to_import(str(text)), accept))


def where_paths_lead() -> str:
    """A sentence on which folders may be named, to be added to a text in Markdown; empty where all of them may."""
    roots = import_roots()
    return f" It must be inside {escape(' or '.join(map(str, roots)))}." if roots else ""
