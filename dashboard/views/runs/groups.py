"""The table of groups: one row per value of what the runs are grouped by, with mean and spread of their accuracies."""

from collections.abc import Callable, Collection, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from core.runs.fields import RUN_FIELDS, SETTINGS, setting_text
from core.runs.selection import RunGroup
from dashboard.ui.table import rows_key, show_table

_NUMBER = st.column_config.NumberColumn
_METRICS: dict[str, str] = {"validation": "Val. accuracy", "test": "Test accuracy"}


def group_table(
    groups: Sequence[RunGroup], chosen: Sequence[str], ticked: Collection[str], on_tick: Callable[[list[str]], None]
) -> None:
    """A row per group; ticking it ticks its runs.

    Args:
        groups: in the order of the rows.
        chosen: the fields that stay in sight; others that they were grouped by come after the metrics.
        ticked: ids of runs.
        on_tick: called before the page is drawn again with the ids of all runs that are ticked then.
    """
    members = [[run.id for run in group.runs] for group in groups]
    key = rows_key("groups", map(repr, members))
    rows = [row for row, ids in enumerate(members) if set(ids) <= set(ticked)]
    if sorted(st.session_state.get(key, {}).get("selection", {}).get("rows", [])) != rows:
        st.session_state[key] = {"selection": {"rows": rows, "columns": [], "cells": []}}

    def selected() -> None:
        on_tick(after_group_click(list(ticked), members, rows, list(st.session_state[key]["selection"]["rows"])))

    columns = group_columns(chosen, [key for key in groups[0].values if key not in chosen])
    frame = pd.DataFrame([group_row(group) for group in groups])
    show_table(
        frame,
        key=key,
        alt="Groups of runs",
        hide_index=True,
        placeholder="–",
        height="content" if len(groups) <= 12 else 460,
        column_config=columns,
        column_order=list(columns),
        on_select=selected,
        selection_mode="multi-row",
    )


def after_group_click(
    ticked: Sequence[str], members: Sequence[Sequence[str]], before: Sequence[int], now: Sequence[int]
) -> list[str]:
    """What is ticked after a click: the runs of a group that was ticked are added, those of one that was not are gone.

    Args:
        ticked: ids of all runs that were ticked.
        members: ids of the runs of each group.
        before: positions of the groups that were ticked.
        now: those that are.
    """
    gone = {run_id for row in before if row not in now for run_id in members[row]}
    added = [run_id for row in now if row not in before for run_id in members[row]]
    return list(dict.fromkeys([*(run_id for run_id in ticked if run_id not in gone), *added]))


def group_row(group: RunGroup) -> dict[str, Any]:
    """What a row shows; accuracies in percent, deviations in percentage points."""
    row: dict[str, Any] = {
        key: "–" if value is None else setting_text(value) if key in SETTINGS else str(value)
        for key, value in group.values.items()
    }
    row["name"], row["runs"] = group.runs[0].name, len(group.runs)
    for metric in _METRICS:
        row[f"{metric}-mean"], row[f"{metric}-deviation"] = group.spread(metric) or (None, None)
    best = [value for run in group.runs if (value := RUN_FIELDS["validation"].value(run)) is not None]
    row["best"] = max(best, default=None)
    return row


def group_columns(chosen: Sequence[str], others: Sequence[str]) -> dict[str, Any]:
    """The look of the columns, in their order."""
    text = st.column_config.TextColumn
    config: dict[str, Any] = {key: text(RUN_FIELDS[key].title, pinned=True) for key in chosen}
    config["name"] = text("First run", width=170, help="Name of the first of its runs, in the order chosen above")
    config["runs"] = _NUMBER("Runs", width=64)
    for metric, title in _METRICS.items():
        config[f"{metric}-mean"] = _NUMBER(f"{title} (mean)", format="%.1f%%", help="Mean over the runs of the group")
        config[f"{metric}-deviation"] = _NUMBER(
            "Std (pp)", width=80, format="%.2f", help="Sample standard deviation over the runs, in percentage points"
        )
    config["best"] = _NUMBER("Val. accuracy (best)", format="%.1f%%", help="Of the best run of the group")
    return config | {key: text(RUN_FIELDS[key].title) for key in others}
