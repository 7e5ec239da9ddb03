"""The ways to get a data set, on the Data page: each begins work in the background."""

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import streamlit as st

from core.data.dataset import DatasetInfo, ImportProgress
from core.data.importers import demo
from core.data.importers.fer2013 import import_dataset
from core.data.importers.ferplus import import_ferplus, looks_like_ferplus
from core.data.importers.own import import_own, parse_mapping
from dashboard.state import cache
from dashboard.state.background import Snapshot
from dashboard.state.roots import data_root
from dashboard.views.data import kaggle

Work = Callable[[ImportProgress], DatasetInfo]


def choices(state: Snapshot) -> None:
    """One tab per way."""
    ways = ["FER2013 from Kaggle", "From this server", "Upload", "Your own pictures", "Drawn demo set"]
    kaggle_tab, path_tab, upload_tab, own_tab, drawn_tab = st.tabs(ways, key="way")
    accept = bool(state.differences) and st.checkbox(
        "Use it anyway, with these numbers of images", key="accept", help="Scores will not compare with published ones."
    )
    with kaggle_tab:
        kaggle.credentials_choice()
    with path_tab:
        st.caption(
            "The zip of Kaggle's msambare/fer2013, the folder it unpacks to, fer2013.csv, icml_face_data.csv or "
            "fer2013.tar.gz, by its path on the server; or fer2013new.csv of FER+, other labels for the same images."
        )
        text = st.text_input("Path", placeholder="/path/to/fer2013.zip", key="path", persist_state="session")
        if st.button("Import", type="primary", icon=":material/download:", disabled=not text, key="import-path"):
            begin_import(partial(from_path, Path(str(text)).expanduser(), accept))
    with upload_tab:
        st.caption("The same files from your own computer: the zip has about 62 MB; give fer2013.csv packed, as .gz.")
        upload = st.file_uploader("File", type=["zip", "csv", "gz"], key="zip", label_visibility="collapsed")
        if st.button("Import", type="primary", icon=":material/upload:", disabled=upload is None, key="import-zip"):
            assert upload is not None
            begin_import(partial(from_upload, upload.getvalue(), partial(from_path, accept=accept)))
    with own_tab:
        own()
    with drawn_tab:
        st.caption(
            "No account, no download: simple faces drawn by a program in seconds, to try everything with. "
            "Scores on them say nothing about real faces."
        )
        if st.button("Make the drawn demo set", type="primary", icon=":material/draw:", key="import-demo"):
            begin_import(lambda progress: demo.import_demo(data_root(), progress=progress))


def own() -> None:
    """Class folders of the team's pictures, from the server or uploaded as a zip file."""
    st.caption(
        "A folder on the server, or a zip file, with one folder of pictures per class: angry, disgust, fear, happy, "
        "neutral, sad, surprise. Any size and format; each picture should show one face and little else. Without "
        "folders train, validation and test above them, each class is divided 80 / 10 / 10."
    )
    left, right = st.columns(2)
    text = left.text_input(
        "Folder or zip on the server", placeholder="/path/to/faces", key="own-path", persist_state="session"
    )
    upload = right.file_uploader("Or a zip file of yours", type="zip", key="own-zip")
    name = left.text_input(
        "Name", placeholder="mine", key="own-name", persist_state="session", help="1 to 64 of a-z, 0-9 and -."
    )
    mapping = left.text_input(
        "Folders with other names",
        placeholder="happiness=happy, contempt=-",
        key="own-mapping",
        persist_state="session",
        help="Folder=class, with commas between; - leaves a folder out.",
    )
    seed = right.number_input("Seed of the division", 0, 2**31 - 1, 0, key="own-seed", persist_state="session")
    skip = right.checkbox("Leave out pictures that cannot be read", key="own-skip", persist_state="session")
    ready = bool(name) and bool(text or upload)
    if st.button("Import", type="primary", icon=":material/folder_open:", disabled=not ready, key="import-own"):
        pairs = [part for part in str(mapping).split(",") if part.strip()]
        work = partial(from_own, pairs=pairs, name=str(name), seed=int(seed), skip_unreadable=skip)
        if upload is not None:
            begin_import(partial(from_upload, upload.getvalue(), work))
        else:
            begin_import(partial(work, Path(str(text)).expanduser()))


def from_path(path: Path, accept: bool, progress: ImportProgress) -> DatasetInfo:
    if looks_like_ferplus(path):
        return import_ferplus(path, data_root())
    return import_dataset(path, data_root(), accept_differences=accept, progress=progress)


def from_own(path: Path, progress: ImportProgress, pairs: list[str], **options: Any) -> DatasetInfo:
    return import_own(path, data_root(), mapping=parse_mapping(pairs), progress=progress, **options)


def from_upload(content: bytes, work: Callable[..., DatasetInfo], progress: ImportProgress) -> DatasetInfo:
    """The client's file name is never used: the content goes to a name of ours, and tells by itself what it is."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "upload")
        path.write_bytes(content)
        return work(path, progress=progress)


def begin_import(work: Work) -> None:
    cache.importer().start(work)
    st.rerun()
