"""The sweep of the Train page: settings that take several values, so that every combination of them is trained."""

from collections.abc import Mapping
from typing import Final, Literal, get_args, get_origin

import streamlit as st

from core.config import field_label
from core.errors import ConfigError
from core.jobs.sweep import SWEEPABLE, parse_values
from core.numbers import typed_number
from dashboard.ui.format import escape
from dashboard.views.train.settings import FIELDS, field_key
from dashboard.views.train.varied import (
    ALL,
    HOW,
    KEEP_BEST,
    ON,
    SAMPLE,
    SOME,
    VARIED,
    is_number,
    typed_values,
    values_key,
)

_SWITCH: Final = {"true": "on", "false": "off"}


def sweep_section(choices: Mapping[str, Mapping[str, str]]) -> None:
    """Which settings vary, over which values, and how many of the combinations are trained.

    Args:
        choices: for settings whose values are names, the names that there are, each with the title that is shown.
    """
    with st.container(border=True, gap="small"):
        if not st.toggle("Sweep over several values", key=ON, persist_state="session"):
            st.caption("Starts one run for each combination of the values you enter, as one group.")
            return
        st.session_state.setdefault(VARIED, [])
        names = st.multiselect(
            "Settings to vary",
            SWEEPABLE,
            format_func=field_label,
            key=VARIED,
            persist_state="session",
            placeholder="Add a setting, such as Learning rate or Seed",
        )
        if not names:
            return
        grid = st.grid(3, min_column_width=190)
        for name in names:
            with grid.cell():
                _values_field(name, choices.get(name, {}))
        _which_runs()


def _values_field(name: str, choices: Mapping[str, str]) -> None:
    """The values of one setting, and what is wrong with them."""
    key, label = values_key(name), f"{field_label(name)} values"
    if is_number(name):
        if key not in st.session_state:  # begins with the value of the form, and waits for the next one
            value = st.session_state.get(field_key(name), typed_number(FIELDS[name].default))
            st.session_state[key] = f"{value}, "
        st.text_input(label, key=key, persist_state="session", autocomplete="off", placeholder="0.01, 0.02")
    else:
        titles = {value: title for value, title in (choices or _values_of(name)).items() if value}
        st.session_state.setdefault(key, list(titles) if titles == _SWITCH else [])
        options = list(dict.fromkeys([*titles, *st.session_state[key]]))  # what a link names is shown, too
        st.multiselect(
            label,
            options,
            key=key,
            persist_state="session",
            format_func=lambda value: titles.get(value, value),
            placeholder="Select two or more",
        )
    if problem := _problem(name):
        st.markdown(f":red[:small[{escape(problem)}]]")


def _values_of(name: str) -> dict[str, str]:
    """The values that a setting can have, as they are typed, each with the title that is shown."""
    annotation = FIELDS[name].annotation
    if annotation is bool:
        return _SWITCH
    options = get_args(annotation) if get_origin(annotation) is Literal else ()
    return {str(option): str(option) for option in options}


def _problem(name: str) -> str:
    """What is wrong with the values of a setting, in a sentence; empty where nothing is, or nothing is there yet."""
    text = typed_values(name)
    try:
        parse_values(name, text) if text else None
    except ConfigError as error:
        return str(error)
    return ""


def _which_runs() -> None:
    """All combinations or some of them, and whose weights are kept."""
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        st.session_state.setdefault(HOW, ALL)
        how = st.segmented_control(
            "Combinations",
            (ALL, SOME),
            key=HOW,
            persist_state="session",
            required=True,
            label_visibility="collapsed",
        )
        if how == SOME:
            st.text_input(
                "Runs to draw", key=SAMPLE, persist_state="session", autocomplete="off", placeholder="10", width=120
            )
        st.toggle(
            "Keep weights of the best only",
            key=KEEP_BEST,
            persist_state="session",
            width="content",
            help="Once a run has finished, the weights and the checkpoint of all finished runs but the best are "
            "removed. Metrics, curves and predictions are kept.",
        )
