"""The Files tab of the Run page: what can be downloaded of a run."""

import io
from functools import partial
from pathlib import Path
from typing import Any, Final

import pandas as pd
import streamlit as st

from core.exchange.bundle import write_zip
from core.exchange.export import HISTORIES, files_of, write_curves
from core.exchange.model_card import model_card
from core.files import file_size
from core.runs.records import Run
from core.runs.removed import why_removed
from dashboard.ui.downloads import spreadsheet_csv
from dashboard.ui.format import escape
from dashboard.ui.page import download_file
from dashboard.ui.table import rows_key, show_table

MOST_BYTES: Final = 300_000_000
"""A larger zip is left to the command line: what a browser takes goes through this server's memory."""
HISTORY_TITLES: Final = {"epochs": "Epoch metrics", "steps": "Step metrics", "system": "System metrics"}


def files(run: Run) -> None:
    """What can be downloaded."""
    if run.has_weights:
        download_file(run, run.paths.weights, "Download weights", primary=True)
        st.caption("Best checkpoint as a PyTorch state_dict (load with `weights_only=True`).")
    elif why := why_removed(run.paths.weights):
        st.info(escape(why), icon=":material/auto_delete:")
    else:
        st.info("Weights will be available after epoch 1.", icon=":material/hourglass_empty:")
    with st.container(horizontal=True):
        for name in HISTORIES:
            path = getattr(run.paths, name)
            if path.exists():
                label = f"{HISTORY_TITLES[name]} (CSV)"
                download(label, partial(curves_as_csv, path), f"{run.id}-{name}.csv", "text/csv")
        if run.summary.evaluation:
            download("Model card", lambda: model_card(run).encode(), f"{run.id}-model-card.md", "text/markdown")
        size = sum(path.stat().st_size for path in files_of(run.paths))
        if size <= MOST_BYTES:
            download(
                "Run archive, without checkpoint (zip)", partial(run_as_zip, run), f"{run.id}.zip", "application/zip"
            )
    if size > MOST_BYTES:
        st.caption("Too large to download here. On the server, run:")
        st.code(f"python -m core export {run.id} --format bundle", language="sh")
    each_file(run)


def each_file(run: Run) -> None:
    """All files of the folder, each of which can be downloaded by itself."""
    present = files_of(run.paths, checkpoint=True)
    rows = [{"file": path.name, "size": path.stat().st_size} for path in present]
    key = rows_key("files", [run.id, *(path.name for path in present)])
    config: dict[str, Any] = {"file": "File", "size": st.column_config.NumberColumn("Size")}
    table = show_table(
        pd.DataFrame(rows),
        written={"size": file_size},
        hide_index=True,
        column_config=config,
        width=560,
        height="content",
        on_select="rerun",
        selection_mode="single-row",
        key=key,
    )
    selected = [present[row] for row in table.selection.rows]
    if not selected:
        st.caption("Select a file to download it.")
    elif selected[0].stat().st_size > MOST_BYTES:
        st.caption("This file is too large to download here. Copy it from the run folder on the server:")
        st.code(str(selected[0]), language=None)
    else:
        download_file(run, selected[0], f"Download {escape(selected[0].name)}", of="selected")


def download(label: str, make: Any, name: str, mime: str) -> None:
    """A button whose file is made when it is clicked."""
    st.download_button(label, make, name, mime, icon=":material/download:", on_click="ignore", key=f"download-{name}")


def curves_as_csv(path: Path) -> bytes:
    """All rows of a history."""
    text = io.StringIO(newline="")
    write_curves(path, text)
    return spreadsheet_csv(text.getvalue())


def run_as_zip(run: Run) -> bytes:
    """The run's folder; put together in memory, where the whole of it ends anyway: a temporary folder may be small."""
    file = io.BytesIO()
    write_zip(run.paths, file)
    return file.getvalue()
