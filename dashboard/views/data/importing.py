"""The ways to add a dataset, on the Data page: each starts a background import."""

from functools import partial

import streamlit as st

from core.team import actions
from dashboard.state.actor import actor
from dashboard.state.roots import data_root
from dashboard.views.data import kaggle
from dashboard.views.data.custom import custom_dataset
from dashboard.views.data.import_job import begin_import, from_path, from_upload
from dashboard.views.data.server_path import on_server


def choices(differences: bool, newcomer: bool) -> None:
    """One tab per way.

    Args:
        differences: whether the last import was refused for its numbers of images.
        newcomer: whether there is no dataset yet: then what works at once comes first.
    """
    ways = ["FER2013 from Kaggle", "Server path", "Upload", "Custom dataset"]
    ways.insert(0 if newcomer else len(ways), "Synthetic demo")
    tabs = dict(zip(ways, st.tabs(ways, key="way"), strict=True))
    accept = differences and st.checkbox(
        "Import anyway with these counts", key="accept", help="Results won't be comparable with published ones."
    )
    with tabs["FER2013 from Kaggle"]:
        kaggle.credentials_choice()
    with tabs["Server path"]:
        on_server(accept)
    with tabs["Upload"]:
        st.caption(
            "Upload the same files from your computer (the zip is about 62 MB). Compress fer2013.csv to .gz first."
        )
        upload = st.file_uploader(
            "File",
            type=["zip", "csv", "gz", "tar", "tgz", "bz2", "xz", "parquet"],
            key="zip",
            label_visibility="collapsed",
        )
        if st.button("Import", type="primary", icon=":material/upload:", disabled=upload is None, key="import-zip"):
            assert upload is not None
            begin_import(partial(from_upload, upload.getvalue(), partial(from_path, actor(), accept=accept)))
    with tabs["Custom dataset"]:
        custom_dataset()
    with tabs["Synthetic demo"]:
        st.caption(
            "No account or download needed. Generates simple cartoon faces in seconds to try every feature. "
            "Scores don't transfer to real faces."
        )
        if st.button("Generate demo dataset", type="primary", icon=":material/draw:", key="import-demo"):
            me, root = actor(), data_root()
            begin_import(lambda progress: actions.import_demo(me, root, progress=progress))
