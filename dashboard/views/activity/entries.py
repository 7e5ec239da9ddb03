"""The acts that the filters let pass, as a table."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pandas as pd
import streamlit as st

from core.team.log import ActivityEntry, Filter
from core.team.rights import action_title
from dashboard.ui import pagination
from dashboard.ui.table import show_table

ENTRIES_PER_PAGE: Final = 50
"""Per page."""
ANYBODY: Final = "Anybody"
ANYTHING: Final = "Any action"
ANY_OUTCOME: Final = "Any outcome"
PERIODS: Final[dict[str, timedelta | None]] = {
    "Any time": None,
    "Last 24 hours": timedelta(days=1),
    "Last 7 days": timedelta(days=7),
    "Last 30 days": timedelta(days=30),
}
OUTCOME_LABELS: Final = {"allowed": "Done", "refused": "Refused", "failed": "Failed"}
SIGNS: Final = {"allowed": "✓", "refused": "⊘", "failed": "✗"}
"""Beside the words: a table cell has no icons."""


def filter_entries(entries: Sequence[ActivityEntry], names: Mapping[str, str]) -> list[ActivityEntry]:
    """The filters, each in the address, and what they let pass.

    Args:
        entries: newest first.
        names: id to display name of the runs there are.
    """
    row = st.grid(5, min_column_width=150)
    bound: dict[str, Any] = {"bind": "query-params"}
    text = row.text_input("Run or dataset", key="on", placeholder="Name or ID", type="search", **bound)
    who = row.selectbox("Who", [ANYBODY, *people(entries)], key="by-whom", **bound)
    titles = sorted({action_title(entry.action) for entry in entries})
    action = row.selectbox("Action", [ANYTHING, *titles], key="action", **bound)
    outcome = row.selectbox("Outcome", [ANY_OUTCOME, *OUTCOME_LABELS.values()], key="outcome", **bound)
    period = row.selectbox("Time", list(PERIODS), key="period", **bound)
    age = PERIODS[period]
    wanted = Filter(
        who="" if who == ANYBODY else who,
        outcome=next((key for key, label in OUTCOME_LABELS.items() if label == outcome), ""),
        since=datetime.now(UTC) - age if age else None,
    )
    return [
        entry
        for entry in wanted.matching(entries)
        if action in (ANYTHING, action_title(entry.action)) and is_about(entry, (text or "").strip(), names)
    ]


def people(entries: Sequence[ActivityEntry]) -> list[str]:
    """Who has done something, by email address where there is one: names can be the same."""
    return sorted({entry.email or entry.who for entry in entries} - {""}, key=str.casefold)


def is_about(entry: ActivityEntry, text: str, names: Mapping[str, str]) -> bool:
    """Whether an act is about what this text names: the beginning of an id, or a part of a run's display name."""
    shown = (names.get(entry.on, ""), names.get(entry.made, ""))
    return not text or entry.is_about(text) or any(text.casefold() in name.casefold() for name in shown)


def show(entries: Sequence[ActivityEntry], names: Mapping[str, str]) -> None:
    """One page of these acts; the time in full is in the table that can be downloaded, and on hover."""
    pages, of = -(-len(entries) // ENTRIES_PER_PAGE), f"{len(entries)} {entries[-1].id}"
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.caption(f"{len(entries):,} {'entry' if len(entries) == 1 else 'entries'}", width="content")
        page = pagination.choose_page(pages, of)
    frame = pd.DataFrame(
        [as_cells(entry, names) for entry in entries[(page - 1) * ENTRIES_PER_PAGE : page * ENTRIES_PER_PAGE]]
    )
    config = {
        "Time": st.column_config.DatetimeColumn(format="distance", width=115),
        "Who": st.column_config.TextColumn(width=130),
        "Action": st.column_config.TextColumn(width=175),
        "On": st.column_config.TextColumn(width=200),
        "Outcome": st.column_config.TextColumn(width=100),
        "Details": st.column_config.TextColumn(width=400),
        "Via": st.column_config.TextColumn(width=115),
    }
    show_table(frame, column_config=config, hide_index=True, height="content", placeholder="", key="activity")


def as_cells(entry: ActivityEntry, names: Mapping[str, str]) -> dict[str, Any]:
    """A row: the run that was made stands where there was none before."""
    on = entry.on or entry.made
    details = [
        entry.detail,
        f"made {names.get(entry.made, entry.made)}" if entry.made and entry.on else "",
        entry.reason,
    ]
    return {
        "Time": pd.Timestamp(entry.time),
        "Who": entry.who or entry.email or ("Server" if entry.way == "server" else "Unknown"),
        "Action": action_title(entry.action),
        "On": names.get(on, on),
        "Outcome": f"{SIGNS[entry.outcome]} {OUTCOME_LABELS[entry.outcome]}",
        "Details": " · ".join(filter(None, details)),
        "Via": entry.way.capitalize() if entry.way != "API" else entry.way,
        "ID": on,
        "Email": entry.email,
        "Role": entry.role,
    }
