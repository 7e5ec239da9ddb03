"""What the form of the Train page holds: where its values come from, what differs from what it started from, and the
settings that they come to. Nothing is drawn here."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import streamlit as st
from pydantic.fields import FieldInfo

from core.config import RunIds, TrainConfig, parse_config
from core.errors import ConfigError
from core.jobs.inputs import missing_inputs
from core.numbers import typed_number
from core.runs.naming import typed_setting
from dashboard.state.roots import data_root, runs_root
from dashboard.ui.format import escape

_INPUTS = ("dataset", "corrections")
"""Fields that name something a server may not have."""

FIELDS: Final = TrainConfig.model_fields


class Base(NamedTuple):
    """What the form starts from: a preset or a cloned run."""

    key: str
    """Tells it from every other."""
    word: str
    """What its values are called beside a changed field."""
    title: str
    config: TrainConfig
    fields: tuple[str, ...]
    """Those that it sets; a preset leaves the dataset as it was chosen."""


def fill(base: Base, link: Mapping[str, str] | None) -> None:
    """Put the settings of a preset or a run into the form when it was just selected, or at the first visit; then those
    of a link that was just followed."""
    fresh = link is not None or st.session_state.get("filled-with") != base.key
    st.session_state["filled-with"] = base.key
    for name in base.fields:
        if fresh or field_key(name) not in st.session_state:
            st.session_state[field_key(name)] = in_the_field(base.config, name)
    for name in FIELDS.keys() & (link or {}).keys():
        try:
            st.session_state[field_key(name)] = _read_link(name, (link or {})[name])
        except ConfigError as error:
            st.error(escape(str(error)), icon=":material/error:")


def reset(base: Base) -> None:
    """Undo all changes."""
    for name in base.fields:
        st.session_state[field_key(name)] = in_the_field(base.config, name)


def in_the_field(config: TrainConfig, name: str) -> Any:
    """The value of a setting as its field holds it."""
    value = getattr(config, name)
    if is_list(FIELDS[name]):
        return list(value)
    return typed_number(value) if _is_number(FIELDS[name]) else value


def is_list(field: FieldInfo) -> bool:
    """Whether a setting is a list of runs."""
    return field.annotation == RunIds


def _is_number(field: FieldInfo) -> bool:
    return field.annotation in (int, float)


def _read_link(name: str, text: str) -> Any:
    """A setting of the address as its field holds it. What stands for a number is shown as it is, and refused below
    the form if it is none; what stands for a name is looked for by `leave_open`.

    Raises:
        ConfigError: the field has no such choice.
    """
    if _is_number(FIELDS[name]):
        return text[:40]
    return in_the_field(parse_config({name: text}), name)


def chosen_dataset(datasets: Sequence[str]) -> str | None:
    """What the form will show, before it is drawn; None while it asks for a dataset that is not among these."""
    chosen = st.session_state.get(field_key("dataset"), usual_dataset(datasets))
    return chosen if chosen in datasets else None


def usual_dataset(datasets: Sequence[str]) -> str:
    """What is selected at a first visit."""
    return default_choice(FIELDS["dataset"], datasets)


def chosen_config(values: Mapping[str, Any]) -> TrainConfig:
    """The settings that the values of the form come to.

    Raises:
        ConfigError: a value is not allowed, or a dataset or list that was to stand here is not on this server, and
            nobody has chosen another yet.
    """
    if None not in values.values():
        return parse_config(values)
    chosen = {name: values.get(name, "") for name in _INPUTS}
    wanted = {name: _wanted(name) if value is None else value for name, value in chosen.items()}
    missing = missing_inputs(runs_root(), data_root(), **wanted)
    advice = {"dataset": "select another", "corrections": "select another or none"}
    raise ConfigError(" ".join(f"{clause[0].upper()}{clause[1:]}: {advice[name]}." for name, clause in missing.items()))


def changed_fields(base: Base, values: Mapping[str, Any]) -> dict[str, str]:
    """Field to what it holds, for those that differ from the base."""
    return {
        name: typed_setting(value)
        for name, value in values.items()
        if name in base.fields and value is not None and differs(base, name, value)
    }


def differs(base: Base, name: str, value: Any) -> bool:
    """Whether a field holds another value than the base; `0,10` is no other than `0.1`."""
    if value == in_the_field(base.config, name):
        return False
    try:
        return bool(getattr(parse_config({name: value}), name) != getattr(base.config, name))
    except ConfigError:
        return True


def in_words(value: str) -> str:
    """The value of a setting as text for people."""
    return {"true": "on", "false": "off", "": "none"}.get(value, value)


def leave_open(name: str, options: Sequence[str]) -> bool:
    """Whether nothing is chosen, since what was to stand here is not among the options: nothing takes its place
    unasked. It does itself as soon as it is among them, as when another dataset was chosen."""
    key = field_key(name)
    if st.session_state[key] is None and _wanted(name) in options:
        st.session_state[key] = _wanted(name)
    elif st.session_state[key] not in (None, *options):
        st.session_state[f"wanted-{name}"], st.session_state[key] = st.session_state[key], None
    return st.session_state[key] is None


def _wanted(name: str) -> str:
    """What was to stand in a field that was left open."""
    return str(st.session_state.get(f"wanted-{name}", ""))


def default_choice(field: FieldInfo, options: Sequence[str]) -> str:
    """What is selected at first: the default of the setting, or else the first option."""
    return str(field.default if field.default in options else options[0])


def field_key(name: str) -> str:
    """Key of the widget of a setting."""
    return f"field-{name}"
