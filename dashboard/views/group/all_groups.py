"""All groups of runs, where the address names none."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from core.config import field_label
from core.errors import RunError
from core.runs.groups import KIND_LABELS, Group, ReadRun, best_member, list_groups, members_of
from core.runs.records import Run
from dashboard.state import cache
from dashboard.state.roots import runs_root
from dashboard.ui.format import percent
from dashboard.ui.page import GROUP_PAGE, RUNS_PAGE, TRAIN_PAGE, empty_state, go_to, page_title
from dashboard.ui.table import rows_key, show_table

_COLUMN = st.column_config


def reader(runs: Sequence[Run]) -> ReadRun:
    """Gives the runs of a list by their ids, so that none is read a second time."""
    by_id = {run.id: run for run in runs}

    def read(run_id: str) -> Run:
        if run_id not in by_id:
            raise RunError(f"Run “{run_id}” not found.")
        return by_id[run_id]

    return read


def all_groups() -> None:
    """A table of all groups; the button at the left of each row opens its page."""
    groups = list_groups(runs_root())
    with page_title("Groups", "Runs that were started together: sweeps, seeds, folds and reproductions."):
        st.page_link(RUNS_PAGE, label="All runs", icon=":material/table_rows:")
    if not groups:
        empty_state(
            "No groups yet",
            "Turn on “Sweep over several values” on the Train page to start one run for each value of a setting.",
            TRAIN_PAGE,
            "Start a sweep",
            ":material/play_arrow:",
        )
        return
    read = reader(cache.runs(runs_root()))
    key = rows_key("all-groups", [group.name for group in groups])
    config: dict[str, Any] = {
        "open": _COLUMN.ButtonColumn(
            "", width=40, type="tertiary", key=f"{key}-open", help="Open this group", pinned=True
        ),
        "title": _COLUMN.TextColumn("Name", width=230, pinned=True),
        "kind": _COLUMN.TextColumn("Kind", width=96),
        "fields": _COLUMN.TextColumn("Varies", width=220),
        "runs": _COLUMN.NumberColumn("Runs", width=64),
        "states": _COLUMN.TextColumn("States", width=190),
        "best": _COLUMN.TextColumn("Val. accuracy (best)", width=146, alignment="right"),
        "created": _COLUMN.DatetimeColumn("Created", width=132, format="distance"),
        "author": _COLUMN.TextColumn("Author", width=100),
    }
    show_table(
        pd.DataFrame([_row(group, read) for group in groups]),
        column_config=config,
        column_order=list(config),
        hide_index=True,
        placeholder="",
        height="content",
        key=key,
        alt="Groups of runs",
    )
    if click := st.session_state.get(f"{key}-open"):
        go_to(GROUP_PAGE, name=groups[click["row"]].name)


def _row(group: Group, read: ReadRun) -> dict[str, Any]:
    record, found = group.record, members_of(runs_root(), group, read)
    counts = Counter(run.state.in_words() for run in found.runs)
    states = ", ".join(f"{count} {state}" for state, count in counts.items())
    best = best_member(found.runs)
    return {
        "open": ":material/open_in_new:",
        "title": group.title,
        "kind": "" if group.problem else KIND_LABELS[group.kind],
        "fields": ", ".join(map(field_label, record.fields)),
        "runs": None if group.problem else len(record.members),
        "states": group.problem or states,
        "best": percent(best.validation_accuracy) if best else "–",
        "created": None if group.problem else record.created_at,
        "author": record.author,
    }
