"""Data: which sets there are, and how to get one."""

import tempfile
from functools import partial
from pathlib import Path

import pandas as pd
import streamlit as st

from core.data.demo import import_demo
from core.data.fer2013 import DatasetInfo, list_datasets
from core.data.sources import import_dataset
from dashboard import cache, data_view, widgets
from dashboard.background import Progress, Snapshot
from dashboard.widgets import escape


def main() -> None:
    widgets.page_title("Data", "Import FER2013 once; it is checked, kept as arrays, and opened in milliseconds.")
    importer = cache.importer()
    state = importer.look()
    datasets = list_datasets(widgets.data_root())
    outcome(state)
    unfinished = state.running or bool(state.error)
    with st.expander("Get data", expanded=unfinished or not datasets, icon=":material/add:"):
        if state.running:
            widgets.live(show_progress, seconds=0.5)
        else:
            choices(state)
    if datasets:
        data_view.show(datasets)
    elif not state.running:
        st.caption("The counts per class, the class balance and sample faces of each data set will be here.")


def choices(state: Snapshot) -> None:
    """The ways to get a data set."""
    path_tab, upload_tab, drawn_tab = st.tabs(["From this server", "Upload a zip", "Drawn demo set"], key="way")
    accept = bool(state.differences) and st.checkbox(
        "Use it anyway, with these numbers of images", key="accept", help="Scores will not compare with published ones."
    )
    with path_tab:
        st.caption("The zip of Kaggle's msambare/fer2013, or the folder it unpacks to, by its path on the server.")
        text = st.text_input("Path", placeholder="/path/to/fer2013.zip", key="path", persist_state="session")
        if st.button("Import", type="primary", icon=":material/download:", disabled=not text, key="import-path"):
            begin(partial(from_path, Path(str(text)).expanduser(), accept))
    with upload_tab:
        st.caption("The same zip from your own computer; about 62 MB.")
        upload = st.file_uploader("Zip file", type="zip", key="zip", label_visibility="collapsed")
        if st.button("Import", type="primary", icon=":material/upload:", disabled=upload is None, key="import-zip"):
            assert upload is not None
            begin(partial(from_upload, upload.getvalue(), accept))
    with drawn_tab:
        st.caption(
            "No account, no download: simple faces drawn by a program in seconds, to try everything with. "
            "Scores on them say nothing about real faces."
        )
        if st.button("Make the drawn demo set", type="primary", icon=":material/draw:", key="import-demo"):
            begin(lambda progress: import_demo(widgets.data_root(), progress=progress))


def from_path(path: Path, accept: bool, progress: Progress) -> DatasetInfo:
    return import_dataset(path, widgets.data_root(), accept_differences=accept, progress=progress)


def from_upload(content: bytes, accept: bool, progress: Progress) -> DatasetInfo:
    """The client's file name is never used: the content goes to a name of ours."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "upload.zip")
        path.write_bytes(content)
        return from_path(path, accept, progress)


def begin(work) -> None:  # type: ignore[no-untyped-def]
    cache.importer().start(work)
    st.rerun()


def show_progress() -> None:
    """How far the import is. It goes on when this page is left."""
    state = cache.importer().look()
    if not state.running:
        st.rerun()
    left = f", {widgets.duration(state.seconds_left)} left" if state.seconds_left is not None else ""
    text = f"{state.done:,} of {state.total:,} images{left}" if state.total else "Opening and checking …"
    st.progress(state.done / state.total if state.total else 0.0, text)
    st.caption("You may leave this page: the import goes on.")


def outcome(state: Snapshot) -> None:
    """How the last import ended."""
    if state.result:
        ready = f"{escape(state.result.title)} is ready: {state.result.total:,} images."
        st.success(ready, icon=":material/check_circle:")
        with st.container(horizontal=True):
            if st.button("Start training on it", icon=":material/play_arrow:", type="primary"):
                cache.importer().forget()
                st.switch_page(widgets.TRAIN)
            if st.button("Close", icon=":material/close:"):
                cache.importer().forget()
                st.rerun()
    elif state.differences:
        st.warning(
            "The images are readable, but their numbers are not the published ones:", icon=":material/difference:"
        )
        table = pd.DataFrame(state.differences)
        table["difference"] = table["found"] - table["published"]
        st.dataframe(table, hide_index=True, width="content", key="differences")
    elif state.error:
        st.error(escape(state.error), icon=":material/error:")


main()
