"""What a path holds, before it is imported."""

from pathlib import Path

import pandas as pd
import streamlit as st

from core.data.importers.auto import examine
from core.data.importers.mapping import parse_mapping
from core.errors import DataError
from dashboard.ui.format import escape
from dashboard.ui.table import show_table


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
