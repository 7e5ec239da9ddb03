"""Imports that run in the background: of a path on the server, or of an upload."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import streamlit as st

from core.data.dataset import DatasetInfo, ImportProgress
from core.data.importers.mapping import parse_mapping
from core.errors import DataError, system_reason
from core.files import file_size
from core.team import actions
from core.team.people import Actor
from dashboard.state import cache
from dashboard.state.browser import this_browser
from dashboard.state.roots import data_root

Work = Callable[[ImportProgress], DatasetInfo]


def begin_import(work: Work) -> None:
    """Start it and show its progress."""
    cache.importer().start(work, owner=this_browser())
    st.rerun()


def from_path(me: Actor, path: Path, accept: bool, progress: ImportProgress) -> DatasetInfo:
    """Import FER2013 in any of its forms; with `accept`, whatever its numbers of images are."""
    return actions.import_data(me, data_root(), path, accept_differences=accept, progress=progress)


def from_own(me: Actor, path: Path, progress: ImportProgress, pairs: list[str], **options: Any) -> DatasetInfo:
    """Import a custom dataset; `pairs` as `parse_mapping` takes them, `options` as `import_data` does."""
    return actions.import_data(me, data_root(), path, mapping=parse_mapping(pairs), progress=progress, **options)


def from_upload(content: bytes, work: Callable[..., DatasetInfo], progress: ImportProgress) -> DatasetInfo:
    """Import what was uploaded as `work` imports a path."""
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
