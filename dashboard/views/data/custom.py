"""The way to add a custom dataset: class folders, from the server or uploaded."""

from contextlib import suppress
from functools import partial

import streamlit as st

from core.numbers import read_integer
from dashboard.state.actor import actor
from dashboard.state.import_roots import are_paths_on, path_to_import
from dashboard.ui.format import escape
from dashboard.ui.page import guarded
from dashboard.views.data.import_job import as_file, begin_import, from_own, from_upload
from dashboard.views.data.preview import show_found
from dashboard.views.data.server_path import where_paths_lead


def custom_dataset() -> None:
    """Class folders of your own images, from the server or uploaded as a zip."""
    st.caption(
        "A folder on the server, a zip or a tar with one subfolder per class (angry, disgust, fear, happy, neutral, "
        "sad, surprise), or images with a label file. One tightly cropped face per image, any size. Without "
        "train/validation/test folders, each class is split 80/10/10."
    )
    left, right = st.columns(2)
    text = ""
    if are_paths_on():
        text = left.text_input(
            "Folder or zip on the server",
            placeholder="/path/to/faces",
            key="own-path",
            persist_state="session",
            help=where_paths_lead().strip() or None,
        )
    upload = right.file_uploader("Or upload an archive", type=["zip", "tar", "tgz", "gz", "parquet"], key="own-zip")
    name = left.text_input(
        "Name",
        placeholder="mine",
        key="own-name",
        persist_state="session",
        help="1–64 characters: a–z, 0–9 and hyphens.",
    )
    mapping = left.text_input(
        "Class mapping",
        placeholder="happiness=happy, contempt=-",
        key="own-mapping",
        persist_state="session",
        help="Comma-separated folder=class or folder=split pairs; use folder=- to skip a folder.",
    )
    seed = chosen_seed(right.text_input("Split seed", "0", key="own-seed", persist_state="session", autocomplete="off"))
    skip = right.checkbox("Skip unreadable images", key="own-skip", persist_state="session")
    if (text or upload) and st.button("Preview", icon=":material/preview:", key="preview-own"):
        if upload is not None:
            with as_file(upload.getvalue()) as path:
                show_found(path, str(mapping))
        else:
            with guarded():
                show_found(path_to_import(str(text)), str(mapping))
    ready = bool(name) and bool(text or upload) and seed is not None
    if st.button("Import", type="primary", icon=":material/folder_open:", disabled=not ready, key="import-own"):
        work = partial(from_own, actor(), pairs=[str(mapping)], name=str(name), seed=seed, skip_unreadable=skip)
        if upload is not None:
            begin_import(partial(from_upload, upload.getvalue(), work))
        else:
            with guarded():
                begin_import(partial(work, path_to_import(str(text))))


def chosen_seed(text: str) -> int | None:
    """The seed that was typed; None, and a sentence about it, where it is none."""
    with suppress(ValueError):
        seed = read_integer(text)
        if 0 <= seed < 2**31:
            return seed
    st.error(
        escape(f"Split seed must be a whole number from 0 to {2**31 - 1:,} (got {text!r})."), icon=":material/error:"
    )
    return None
