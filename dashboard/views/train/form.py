"""The form of the Train page, made from the fields of `TrainConfig`.

Numbers are text fields: a browser's own number field drops a decimal comma that is not of its language, without a word.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple, get_args, get_origin

import streamlit as st
from pydantic.fields import FieldInfo

from core.config import TrainConfig, field_applies, field_group, field_label, parse_config
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
        if fresh or _key(name) not in st.session_state:
            st.session_state[_key(name)] = _in_the_field(base.config, name)
    for name in FIELDS.keys() & (link or {}).keys():
        try:
            st.session_state[_key(name)] = _read_link(name, (link or {})[name])
        except ConfigError as error:
            st.error(escape(str(error)), icon=":material/error:")


def reset(base: Base) -> None:
    """Undo all changes."""
    for name in base.fields:
        st.session_state[_key(name)] = _in_the_field(base.config, name)


def _in_the_field(config: TrainConfig, name: str) -> Any:
    """The value of a setting as its field holds it."""
    value = getattr(config, name)
    return typed_number(value) if _is_number(FIELDS[name]) else value


def _is_number(field: FieldInfo) -> bool:
    return field.annotation in (int, float)


def _read_link(name: str, text: str) -> Any:
    """A setting of the address as its field holds it. What stands for a number is shown as it is, and refused below
    the form if it is none; what stands for a name is looked for by `_leave_open`.

    Raises:
        ConfigError: the field has no such choice.
    """
    if _is_number(FIELDS[name]):
        return text[:40]
    return getattr(parse_config({name: text}), name)


def chosen_dataset(datasets: Sequence[str]) -> str | None:
    """What the form will show, before it is drawn; None while it asks for a dataset that is not among these."""
    chosen = st.session_state.get(_key("dataset"), usual_dataset(datasets))
    return chosen if chosen in datasets else None


def usual_dataset(datasets: Sequence[str]) -> str:
    """What is selected at a first visit."""
    return _default(FIELDS["dataset"], datasets)


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
        if name in base.fields and value is not None and _differs(base, name, value)
    }


def _differs(base: Base, name: str, value: Any) -> bool:
    """Whether a field holds another value than the base; `0,10` is no other than `0.1`."""
    if value == _in_the_field(base.config, name):
        return False
    try:
        return bool(getattr(parse_config({name: value}), name) != getattr(base.config, name))
    except ConfigError:
        return True


def in_words(value: str) -> str:
    """The value of a setting as text for people."""
    return {"true": "on", "false": "off", "": "none"}.get(value, value)


def config_fields(base: Base, datasets: Mapping[str, str], corrections: Sequence[str]) -> dict[str, Any]:
    """The form, made from the fields of `TrainConfig`; its values. A field that does nothing beside the others is left
    out, and so are the correction sets where there are none.

    Args:
        base: what it starts from.
        datasets: names to select from, each with the title that is shown.
        corrections: names of correction sets.
    """
    choices: dict[str, Mapping[str, str]] = {
        "dataset": datasets,
        "corrections": {name: name or "None" for name in ("", *corrections)},
    }
    asked = corrections or st.session_state.get(_key("corrections"), "") != ""
    shown = {name: st.session_state.get(_key(name)) for name in FIELDS}
    groups = list(dict.fromkeys(field_group(field) for field in FIELDS.values()))
    values = {name: getattr(base.config, name) for name in FIELDS if not field_applies(name, shown)}
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
    field, key = FIELDS[name], _key(name)
    if get_origin(field.annotation) is Literal:
        choices = {str(option): str(option) or "None" for option in get_args(field.annotation)}
    common: dict[str, Any] = {"key": key, "persist_state": "session"}
    if choices:
        titles, options = dict(choices), list(choices)
        st.session_state.setdefault(key, _default(field, options))
        index = None if _leave_open(name, options) else 0
        common |= {"index": index, "placeholder": "Select", "format_func": lambda option: titles.get(option, option)}
        return st.selectbox(_label(base, name), options, **common)
    if field.annotation is bool:
        return st.toggle(_label(base, name), **common)
    return st.text_input(_label(base, name), autocomplete="off", **common)


def _label(base: Base, name: str) -> str:
    """The label of a field, with the base's value if the field holds another."""
    value = st.session_state.get(_key(name))
    if name not in base.fields or value is None or not _differs(base, name, value):
        return field_label(name)
    theirs = in_words(typed_setting(getattr(base.config, name)))
    return f"{field_label(name)} :blue[({base.word}: {escape(theirs)})]"


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


def _leave_open(name: str, options: Sequence[str]) -> bool:
    """Whether nothing is chosen, since what was to stand here is not among the options: nothing takes its place
    unasked. It does itself as soon as it is among them, as when another dataset was chosen."""
    key = _key(name)
    if st.session_state[key] is None and _wanted(name) in options:
        st.session_state[key] = _wanted(name)
    elif st.session_state[key] not in (None, *options):
        st.session_state[f"wanted-{name}"], st.session_state[key] = st.session_state[key], None
    return st.session_state[key] is None


def _wanted(name: str) -> str:
    """What was to stand in a field that was left open."""
    return str(st.session_state.get(f"wanted-{name}", ""))


def _default(field: FieldInfo, options: Sequence[str]) -> str:
    return str(field.default if field.default in options else options[0])


def _key(name: str) -> str:
    return f"field-{name}"
