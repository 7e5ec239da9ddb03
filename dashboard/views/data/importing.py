"""The ways to add a dataset, on the Data page: each starts a background import."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from core.data.dataset import DatasetInfo, ImportProgress
from core.data.importers import demo
from core.data.importers.auto import examine, import_data
from core.data.importers.mapping import parse_mapping
from core.errors import DataError, system_reason
from core.files import file_size
from core.machine import user_path
from core.numbers import read_integer
from dashboard.state import cache
from dashboard.state.browser import this_browser
from dashboard.state.roots import data_root
from dashboard.ui.format import escape
from dashboard.ui.table import show_table
from dashboard.views.data import kaggle

Work = Callable[[ImportProgress], DatasetInfo]


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
        st.caption(
            "Path on the server to FER2013: the Kaggle zip (msambare/fer2013) or its extracted folder, fer2013.csv, "
            "icml_face_data.csv, fer2013.tar.gz or Parquet from the Hugging Face Hub. FER+ labels (fer2013new.csv) "
            "work too."
        )
        text = st.text_input("Path", placeholder="/path/to/fer2013.zip", key="path", persist_state="session")
        if text and st.button("Preview", icon=":material/preview:", key="preview-path"):
            show_found(user_path(str(text)), "")
        if st.button("Import", type="primary", icon=":material/download:", disabled=not text, key="import-path"):
            begin_import(partial(from_path, user_path(str(text)), accept))
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
            begin_import(partial(from_upload, upload.getvalue(), partial(from_path, accept=accept)))
    with tabs["Custom dataset"]:
        own()
    with tabs["Synthetic demo"]:
        st.caption(
            "No account or download needed. Generates simple cartoon faces in seconds to try every feature. "
            "Scores don't transfer to real faces."
        )
        if st.button("Generate demo dataset", type="primary", icon=":material/draw:", key="import-demo"):
            begin_import(lambda progress: demo.import_demo(data_root(), progress=progress))


def own() -> None:
    """Class folders of your own images, from the server or uploaded as a zip."""
    st.caption(
        "A folder on the server, a zip or a tar with one subfolder per class (angry, disgust, fear, happy, neutral, "
        "sad, surprise), or images with a label file. One tightly cropped face per image, any size. Without "
        "train/validation/test folders, each class is split 80/10/10."
    )
    left, right = st.columns(2)
    text = left.text_input(
        "Folder or zip on the server", placeholder="/path/to/faces", key="own-path", persist_state="session"
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
            show_found(user_path(str(text)), str(mapping))
    ready = bool(name) and bool(text or upload) and seed is not None
    if st.button("Import", type="primary", icon=":material/folder_open:", disabled=not ready, key="import-own"):
        work = partial(from_own, pairs=[str(mapping)], name=str(name), seed=seed, skip_unreadable=skip)
        if upload is not None:
            begin_import(partial(from_upload, upload.getvalue(), work))
        else:
            begin_import(partial(work, user_path(str(text))))


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


def show_found(path: Path, mapping: str) -> None:
    """What a path holds and what would be imported, or what must be decided first."""
    try:
        found = examine(path, parse_mapping([mapping]))
    except DataError as error:
        st.error(escape(str(error)), icon=":material/error:")
        return
    st.markdown(escape(f"{path.name}: {found.summary}"))
    if rows := found.rows():
        show_table(pd.DataFrame(rows), hide_index=True, width="content", key="found")
    for note in found.notes():
        st.caption(escape(note))
    if found.layout.question:
        st.warning(escape(f"{path.name} {found.layout.question}"), icon=":material/help:")


def from_path(path: Path, accept: bool, progress: ImportProgress) -> DatasetInfo:
    return import_data(path, data_root(), accept_differences=accept, progress=progress)


def from_own(path: Path, progress: ImportProgress, pairs: list[str], **options: Any) -> DatasetInfo:
    return import_data(path, data_root(), mapping=parse_mapping(pairs), progress=progress, **options)


def from_upload(content: bytes, work: Callable[..., DatasetInfo], progress: ImportProgress) -> DatasetInfo:
    with as_file(content) as path:
        return work(path, progress=progress)


@contextmanager
def as_file(content: bytes) -> Iterator[Path]:
    """The client's file name is never used: the content gets a name of ours, and its type is detected from it."""
    with ExitStack() as stack:
        try:
            path = Path(stack.enter_context(tempfile.TemporaryDirectory()), "upload")
            path.write_bytes(content)
        except OSError as error:
            where = tempfile.tempdir or "/tmp"
            raise DataError(
                f"Can't keep the upload ({file_size(len(content))}) in the folder for temporary files, {where}: "
                f"{system_reason(error)}. Free space there, or set TMPDIR to another folder and restart the dashboard."
            ) from error
        yield path


def begin_import(work: Work) -> None:
    cache.importer().start(work, owner=this_browser())
    st.rerun()
