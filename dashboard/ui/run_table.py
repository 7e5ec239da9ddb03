"""Runs as a table, its first columns in sight however far it is scrolled."""

import math
from collections.abc import Callable, Collection, Sequence
from typing import Any, Final

import pandas as pd
import streamlit as st

from core.runs.fields import RUN_FIELDS, SETTINGS, epochs_done, setting_text
from core.runs.records import Run, RunState
from dashboard.state import cache
from dashboard.ui.format import accuracy_in, compact, duration
from dashboard.ui.runs import LOOKS, open_run, state_cell, test_without_duplicates
from dashboard.ui.table import rows_key, show_table

_COLUMN = st.column_config
CURVE_STEP: Final = 5
"""Percentage points to which the scale of the curves is rounded."""


def run_table(runs: Sequence[Run], key: str, columns: Sequence[str]) -> None:
    """A table of runs; the button at the left of each row opens its page.

    Args:
        runs: one per row, in this order.
        key: of the widget; the runs are added to it, see `rows_key`.
        columns: keys of `run_columns`, or of settings.
    """
    key = rows_key(key, [run.id for run in runs])
    frame, look = _frame_and_look(runs, key, columns)
    show_table(frame, key=key, alt="Runs", **look)
    _open_clicked(runs, key)


def sortable_run_table(
    runs: Sequence[Run],
    key: str,
    columns: Sequence[str],
    *,
    ticked: Collection[str],
    on_select: Callable[[list[str], list[int], list[str]], None],
    sorted_by: tuple[str, bool],
) -> None:
    """The same with a box to tick in each row, and headers that can be clicked.

    Args:
        runs: one per row, in this order.
        key: of the widget; the runs are added to it, see `rows_key`.
        columns: keys of `run_columns`, or of settings.
        ticked: ids of runs, of these and of others.
        on_select: called before the page is drawn again with the ids shown, the ticked positions, and the column
            whose header was clicked, if one was.
        sorted_by: the column by which they are sorted, and whether from the largest down.
    """
    ids = [run.id for run in runs]
    key = rows_key(key, ids)
    rows = [row for row, run_id in enumerate(ids) if run_id in ticked]
    shown = st.session_state.get(key, {}).get("selection", {})
    if sorted(shown.get("rows", [])) != rows or shown.get("columns"):
        st.session_state[key] = {"selection": {"rows": rows, "columns": [], "cells": []}}

    def selected() -> None:
        chosen = st.session_state[key]["selection"]
        on_select(ids, list(chosen["rows"]), list(chosen["columns"]))

    frame, look = _frame_and_look(runs, key, columns, sorted_by)
    show_table(frame, key=key, alt="Runs", on_select=selected, selection_mode=["multi-row", "single-column"], **look)
    _open_clicked(runs, key)


def _frame_and_look(
    runs: Sequence[Run], key: str, columns: Sequence[str], sorted_by: tuple[str, bool] | None = None
) -> tuple[pd.DataFrame, dict[str, Any]]:
    frame = pd.DataFrame([_row(run, columns) for run in runs])
    config = run_columns(frame, sorted_by)
    config["open"] = _COLUMN.ButtonColumn(
        "", width=40, type="tertiary", key=f"{key}-open", help="Open this run", pinned=True
    )
    look = {
        "column_order": ["open", *columns],
        "column_config": {column: config[column] for column in ("open", *columns)},
        "hide_index": True,
        "placeholder": "",
        "height": "content",
    }
    return frame, look


def _open_clicked(runs: Sequence[Run], key: str) -> None:
    click = st.session_state.get(f"{key}-open")
    if click is not None:
        open_run(runs[click["row"]].id)


def run_columns(frame: pd.DataFrame, sorted_by: tuple[str, bool] | None = None) -> dict[str, Any]:
    """How each column looks; the one that the table is sorted by has an arrow.

    Args:
        frame: rows of the table, for the scale of the curves.
        sorted_by: the column, and whether from the largest down.
    """

    def title(column: str, text: str) -> str:
        if sorted_by is None or sorted_by[0] != column:
            return text
        return f"{text} {'↓' if sorted_by[1] else '↑'}"

    low, high = curve_scale(frame["curve"].tolist() if "curve" in frame else [])
    return {
        "star": _COLUMN.TextColumn(title("star", "★"), width=40, help="Starred"),
        "name": _COLUMN.TextColumn(title("name", "Name"), width=190, pinned=True),
        "state": _COLUMN.MultiselectColumn(
            title("state", "State"),
            width=104,
            options=[state_cell(state) for state in RunState],
            color=[LOOKS[state].hex for state in RunState],
        ),
        "epochs": _COLUMN.TextColumn(
            title("epochs", "Progress"), width=84, alignment="right", help="Epochs done / planned"
        ),
        "validation": _COLUMN.ProgressColumn(
            title("validation", "Val. accuracy"),
            width=132,
            format="%.1f%%",
            min_value=0,
            max_value=100,
            help="Best validation accuracy",
        ),
        "test": _COLUMN.TextColumn(
            title("test", "Test acc. (95% CI)"),
            width=140,
            help="Test accuracy ± half-width of the 95% confidence interval",
        ),
        "unseen": _COLUMN.TextColumn(
            title("unseen", "Test acc., no train dupes"),
            width=180,
            help="Test accuracy (95% CI), excluding test images with a pixel-identical copy in the training set",
        ),
        "loss": _COLUMN.TextColumn(
            title("loss", "Val. loss"),
            width=84,
            alignment="right",
            help="Validation loss at the best epoch (cross-entropy)",
        ),
        "curve": _COLUMN.LineChartColumn(
            "Val. curve",
            width=110,
            y_min=low,
            y_max=high,
            help=f"Validation accuracy after each epoch; all rows from {low:.0f}% to {high:.0f}%",
        ),
        "created": _COLUMN.DatetimeColumn(title("created", "Created"), width=132, format="distance"),
        "duration": _COLUMN.TextColumn(title("duration", "Duration"), width=92, alignment="right"),
        "author": _COLUMN.TextColumn(title("author", "Author"), width=100),
        "review": _COLUMN.TextColumn(title("review", "Review"), width=90),
        "tags": _COLUMN.ListColumn("Tags", width=120),
        "group": _COLUMN.TextColumn(title("group", "Group"), width=140, help="The sweep or other group it belongs to"),
        "device": _COLUMN.TextColumn(title("device", "Device used"), width=130),
        "error": _COLUMN.TextColumn("Error", width="medium"),
        **{
            key: _COLUMN.TextColumn(title(key, field.title), width=_width(field.title), alignment="right")
            for key, field in SETTINGS.items()
        },
    }


def _width(title: str) -> int:
    """Room for a header and its arrow, in pixels."""
    return max(84, 48 + 7 * len(title))


def curve_scale(curves: Sequence[Sequence[float] | None]) -> tuple[float, float]:
    """One scale for all curves of a table, in percent: from 0 to 100 most of them would be flat lines."""
    values = [value for curve in curves if curve for value in curve]
    if not values:
        return 0.0, 100.0
    low, high = math.floor(min(values) / CURVE_STEP), math.ceil(max(values) / CURVE_STEP)
    return float(CURVE_STEP * low), float(CURVE_STEP * max(high, low + 1))


def _row(run: Run, columns: Sequence[str]) -> dict[str, Any]:
    settings = [column for column in columns if column in SETTINGS]
    values = {key: RUN_FIELDS[key].value(run) for key in settings}
    return {
        "open": ":material/open_in_new:",
        "star": "★" if run.meta.starred else "",
        "state": [state_cell(run.state)],
        "name": run.name,
        "validation": RUN_FIELDS["validation"].value(run),
        "test": accuracy_in(run.metrics("test")),
        "unseen": test_without_duplicates(run),
        "loss": compact(RUN_FIELDS["loss"].value(run)),
        "curve": cache.accuracy_curve(run) if "curve" in columns else None,
        "epochs": f"{epochs_done(run)}/{run.status.epochs}" if run.status.epochs else "–",
        "duration": duration(run.status.elapsed_seconds or None),
        "device": run.status.device or "–",
        "author": run.meta.author,
        "created": run.status.created_at,
        "error": run.problem or "",
        "review": "" if run.meta.review == "unreviewed" else run.meta.review,
        "tags": run.meta.tags,
        "group": run.meta.group,
        **{key: "" if value is None else setting_text(value) for key, value in values.items()},
    }
