"""What the Runs page is asked to show: filters, groups, order and columns, each kept in the address."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import streamlit as st

from core.review.runs import REVIEW_STATES
from core.runs.fields import RUN_FIELDS, SETTINGS, differing_settings, known_settings, setting_text
from core.runs.records import Run, RunState
from core.runs.selection import RunFilter
from dashboard.ui.runs import state_label
from dashboard.ui.table_clicks import Order
from dashboard.views.runs import order

COLUMNS: Final = {
    "name": "Name",
    "star": "Star",
    "state": "State",
    "epochs": "Progress",
    "validation": "Val. accuracy (best)",
    "test": "Test accuracy",
    "loss": "Val. loss",
    "curve": "Val. accuracy (sparkline)",
    "created": "Created",
    "duration": "Duration",
    "author": "Author",
    "review": "Review",
    "tags": "Tags",
    "group": "Group",
    "unseen": "Test acc. (no train duplicates)",
    "device": "Device",
    "error": "Error",
}
"""Column to its label, in the order of the table."""
USUAL_COLUMNS: Final = [column for column in COLUMNS if column not in ("group", "unseen", "device")]
FIRST_COLUMNS: Final = ("name", "star", "state", "epochs", "validation", "test", "loss", "curve")
"""Before the settings."""

SEARCH_HELP: Final = (
    "Words in name, ID, author, notes or error, and conditions on settings and metrics: `lr=0.01`, `optimizer=muon`, "
    "`batch_size>=128`, `test>65` (in %)."
)
MOST_VALUES: Final = 60
"""Of a setting, to be offered in a list; the search finds the others, as `seed=123`."""
SETTINGS_BUT_SEED: Final = "settings-but-seed"
"""To group by all settings that differ but the seed: what is left are the seeds of one configuration."""
GROUP_LABELS: Final = {
    SETTINGS_BUT_SEED: "Seed groups",
    **{key: RUN_FIELDS[key].title for key in ("state", "author", "review", "device", "group")},
    **{key: field.title for key, field in SETTINGS.items()},
}


@dataclass(frozen=True)
class View:
    """What the page shows."""

    wanted: RunFilter
    order: Order
    columns: list[str]
    group_by: list[str]
    """Keys of fields, or `SETTINGS_BUT_SEED`."""


def view(runs: Sequence[Run]) -> View:
    """Search, order and columns; below them the filters, each with its existing values: one without any is left out."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        text = st.text_input(
            "Search",
            type="search",
            live=True,
            placeholder="Name, ID, author, notes, error, or lr=0.01",
            help=SEARCH_HELP,
            key="q",
            bind="query-params",
            width="stretch",
            label_visibility="collapsed",
        )
        chosen_order = order.choose()
        with st.popover("Columns", icon=":material/view_column:"):
            columns = choose_columns(runs)
        archived = st.toggle("Show archived", key="archived", bind="query-params")
    named = sorted({run.meta.group for run in runs} - {""})
    with st.grid(7 if named else 6, min_column_width=120):
        states = filter_choice(
            "State", "state", [state for state in RunState if any(run.state is state for run in runs)], state_label
        )
        tags = filter_choice("Tag", "tag", sorted({tag for run in runs for tag in run.meta.tags}))
        authors = filter_choice("Author", "author", sorted({run.meta.author for run in runs} - {""}))
        present = {run.meta.review for run in runs}
        reviews = filter_choice(
            "Review", "review", [review for review in REVIEW_STATES if review in present], str.capitalize
        )
        groups = filter_choice("Group", "in-group", named)
        settings = setting_choice(runs)
        group_by = filter_choice("Group by", "group", list(GROUP_LABELS), GROUP_LABELS.__getitem__, "None")
    wanted = RunFilter((text or "").strip(), states, tags, authors, reviews, groups, archived, settings)
    return View(wanted, chosen_order, columns, group_by)


def filter_choice(
    label: str, key: str, options: Iterable[str], label_of: Callable[[str], str] = str, nothing: str = "Any"
) -> list[str]:
    """A choice of some properties; `label_of` gives the label of an option, `nothing` stands where none is chosen."""
    values = [str(option) for option in options]
    if not values:
        return []
    return st.multiselect(label, values, format_func=label_of, key=key, bind="query-params", placeholder=nothing)


def setting_choice(runs: Sequence[Run]) -> dict[str, list[Any]]:
    """A filter by settings that differ: two values of one setting widen it, values of two settings narrow it."""
    values = {
        f"{SETTINGS[key].title}: {setting_text(value)}": (key, value)
        for key, known in known_settings(runs).items()
        if 1 < len(known) <= MOST_VALUES
        for value in known
    }
    wanted: dict[str, list[Any]] = {}
    for label in filter_choice("Settings", "config", values):
        key, value = values[label]
        wanted.setdefault(key, []).append(value)
    return wanted


def choose_columns(runs: Sequence[Run]) -> list[str]:
    """The columns, those of settings after the metrics."""
    chosen = st.pills(
        "Columns",
        list(COLUMNS),
        selection_mode="multi",
        default=USUAL_COLUMNS,
        format_func=COLUMNS.__getitem__,
        key="columns",
        bind="query-params",
        wrap=True,
    )
    settings = st.multiselect(
        "Settings",
        list(SETTINGS),
        format_func=lambda key: SETTINGS[key].title,
        key="config-columns",
        bind="query-params",
        placeholder="None",
    )

    def add_differing() -> None:
        differing = differing_settings([run for run in runs if not run.meta.archived])
        st.session_state["config-columns"] = list(dict.fromkeys([*settings, *differing]))

    st.button("Add settings that differ", icon=":material/difference:", key="add-settings", on_click=add_differing)
    first = [column for column in FIRST_COLUMNS if column in chosen]
    return [*first, *settings, *(column for column in COLUMNS if column in chosen and column not in FIRST_COLUMNS)]


def grouped_fields(view: View, runs: Sequence[Run]) -> tuple[list[str], list[str]]:
    """The fields to group by: those that were chosen, and those that `SETTINGS_BUT_SEED` means for these runs."""
    chosen = [key for key in view.group_by if key != SETTINGS_BUT_SEED]
    if SETTINGS_BUT_SEED not in view.group_by:
        return chosen, []
    return chosen, [key for key in differing_settings(runs) if key not in ("config.seed", *chosen)]
