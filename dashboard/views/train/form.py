"""The form of the Train page, made from the fields of `TrainConfig`.

Numbers are text fields: a browser's own number field drops a decimal comma that is not of its language, without a word.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args, get_origin

import streamlit as st

from core.config import field_group, field_label
from core.dependent import field_applies
from core.runs.naming import typed_setting
from dashboard.ui.format import escape
from dashboard.views.train.settings import (
    FIELDS,
    Base,
    default_choice,
    differs,
    field_key,
    in_words,
    is_list,
    leave_open,
)
from dashboard.views.train.varied import alternatives, varied, vary_if_several


def config_fields(
    base: Base,
    datasets: Mapping[str, str],
    corrections: Sequence[str],
    learnable: Mapping[str, Mapping[str, str]],
) -> dict[str, Any]:
    """The form, made from the fields of `TrainConfig`; its values. A field that does nothing beside the others is left
    out, and so are the correction sets where there are none. A field that a sweep varies is not for typing.

    Args:
        base: what it starts from.
        datasets: names to select from, each with the title that is shown.
        corrections: names of correction sets.
        learnable: for settings that list runs, ids of runs to select from, each with the title that is shown.
    """
    choices: dict[str, Mapping[str, str]] = {
        "dataset": datasets,
        "corrections": {name: name or "None" for name in ("", *corrections)},
        **learnable,
    }
    asked = corrections or st.session_state.get(field_key("corrections"), "") != ""
    shown = alternatives({name: st.session_state.get(field_key(name)) for name in FIELDS})
    groups = list(dict.fromkeys(field_group(field) for field in FIELDS.values()))
    values = {
        name: getattr(base.config, name) for name in FIELDS if not any(field_applies(name, each) for each in shown)
    }
    for group, tab in zip(groups, st.tabs(groups), strict=True):
        names = [
            name
            for name, field in FIELDS.items()
            if field_group(field) == group and name not in values and (name != "corrections" or asked)
        ]
        with tab:
            switches = [name for name in names if FIELDS[name].annotation is bool]
            grid = st.grid(3, min_column_width=190)
            for name in names:
                if name not in switches:
                    with grid.cell():
                        values[name] = widget(base, name, choices.get(name))
            with st.container(horizontal=True, gap="large"):
                for name in switches:
                    values[name] = widget(base, name)
            with st.expander("What these settings mean"):
                st.markdown("\n".join(f"- {_meaning(name)}" for name in names))
    return values


def widget(base: Base, name: str, choices: Mapping[str, str] | None = None) -> Any:
    """The input of one field: its kind from the type, its label marked where it differs from the base."""
    field, key = FIELDS[name], field_key(name)
    if get_origin(field.annotation) is Literal:
        choices = {str(option): str(option) or "None" for option in get_args(field.annotation)}
    common: dict[str, Any] = {"key": key, "persist_state": "session", "disabled": is_varied(name)}
    if is_list(field):
        titles = dict(choices or {})
        options = list(dict.fromkeys([*titles, *st.session_state.get(key, ())]))  # what a link names is shown, too
        common |= {"placeholder": "None", "format_func": lambda option: titles.get(option, option)}
        return st.multiselect(_label(base, name), options, **common)
    if choices:
        titles, options = dict(choices), list(choices)
        st.session_state.setdefault(key, default_choice(field, options))
        index = None if leave_open(name, options) else 0
        common |= {"index": index, "placeholder": "Select", "format_func": lambda option: titles.get(option, option)}
        return st.selectbox(_label(base, name), options, **common)
    if field.annotation is bool:
        return st.toggle(_label(base, name), **common)
    common |= {"on_change": vary_if_several, "args": (base, name)}
    return st.text_input(_label(base, name), autocomplete="off", **common)


def is_varied(name: str) -> bool:
    """Whether a sweep gives a setting its values."""
    swept = varied()
    return swept is not None and name in swept.fields


def _label(base: Base, name: str) -> str:
    """The label of a field, with the base's value if the field holds another. No colour: the signs that ask for
    one would be part of the name by which a screen reader calls the field."""
    if is_varied(name):
        return f"{field_label(name)} (sweep)"
    value = st.session_state.get(field_key(name))
    if name not in base.fields or value is None or not differs(base, name, value):
        return field_label(name)
    theirs = in_words(typed_setting(getattr(base.config, name)))
    return f"{field_label(name)} ({base.word}: {escape(theirs)})"


def _meaning(name: str) -> str:
    """A setting explained, with the range of a number."""
    field = FIELDS[name]
    signs = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
    limits = [
        f"{sign} {getattr(limit, bound):,}"
        for limit in field.metadata
        for bound, sign in signs.items()
        if getattr(limit, bound, None) is not None
    ]
    span = f" ({escape(', '.join(limits))})" if limits else ""
    return f"**{field_label(name)}**{span}: {escape(str(field.description))}"
