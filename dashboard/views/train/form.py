"""The form of the Train page, made from the fields of `TrainConfig`."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args, get_origin

import streamlit as st
from pydantic.fields import FieldInfo

from core.config import TrainConfig, field_group, field_label, parse_config
from core.errors import ConfigError
from core.jobs.inputs import missing_inputs
from core.presets import Preset
from core.runs.records import Run
from dashboard.state.roots import data_root, runs_root

_INPUTS = ("dataset", "corrections")
"""Fields that name something a server may not have."""


def fill(preset: Preset) -> None:
    """Put a preset's values into the form when it was just selected, or at the first visit."""
    _fill(preset.name, preset.config.model_dump(exclude={"dataset"}))


def fill_from(run: Run, corrections: str | None = None) -> None:
    """Put a run's settings into the form when it was just opened for cloning, with another correction set if one is
    given."""
    if run.config:
        other = {} if corrections is None else {"corrections": corrections}
        _fill(f"{run.id} {corrections}", run.config.model_dump() | other)


def chosen_dataset(datasets: Sequence[str]) -> str | None:
    """What the form will show, before it is drawn; None while it asks for a dataset that is not among these."""
    chosen = st.session_state.get(_key("dataset"), _default(TrainConfig.model_fields["dataset"], datasets))
    return chosen if chosen in datasets else None


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


def _fill(source: str, values: Mapping[str, Any]) -> None:
    fresh = st.session_state.get("filled-with") != source
    st.session_state["filled-with"] = source
    for name, value in values.items():
        if fresh or _key(name) not in st.session_state:
            st.session_state[_key(name)] = value


def config_fields(datasets: Sequence[str], corrections: Sequence[str]) -> dict[str, Any]:
    """The form, made from the fields of `TrainConfig`; its values.

    Args:
        datasets: names to select from.
        corrections: names of correction sets; without any, the field is left out.
    """
    choices = {"dataset": datasets, "corrections": ["", *corrections]}
    asked = corrections or st.session_state.get(_key("corrections"), "") != ""
    fields = TrainConfig.model_fields
    groups = list(dict.fromkeys(field_group(field) for field in fields.values()))
    values: dict[str, Any] = {}
    for group, tab in zip(groups, st.tabs(groups), strict=True):
        with tab:
            grid = st.grid(3, min_column_width=190, vertical_alignment="bottom")
            for name, field in fields.items():
                if field_group(field) == group and (name != "corrections" or asked):
                    with grid.cell():
                        values[name] = widget(name, field, choices.get(name))
    return values


def widget(name: str, field: FieldInfo, options: Sequence[str] | None = None) -> Any:
    """The input of one field: its kind from the type, its limits from the metadata, its help from the description."""
    label, key = field_label(name), _key(name)
    common: dict[str, Any] = {"key": key, "help": field.description, "persist_state": "session"}
    if get_origin(field.annotation) is Literal:
        options = get_args(field.annotation)
    if options:
        st.session_state.setdefault(key, _default(field, options))
        return st.selectbox(
            label,
            options,
            index=None if _leave_open(name, options) else 0,
            placeholder="Select",
            format_func=lambda option: option or "None",
            **common,
        )
    if field.annotation is bool:
        return st.toggle(label, **common)
    if field.annotation is str:
        return st.text_input(label, **common)
    low, high = _limits(field)
    if field.annotation is int:
        return st.number_input(label, int(low), int(high), step=1, **common)
    return st.number_input(label, float(low), float(high), step=_step(field.default), format="%g", **common)


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


def _limits(field: FieldInfo) -> tuple[float, float]:
    """Smallest and largest value of the input. An open limit is let through: `parse_config` explains it in words."""
    low, high = 0.0, 1e9
    for limit in field.metadata:
        low = getattr(limit, "ge", getattr(limit, "gt", low))
        high = getattr(limit, "le", getattr(limit, "lt", high))
    return low, high


def _step(value: float) -> float:
    """A tenth of the default's magnitude; hundredths where the default is zero."""
    return 10.0 ** (math.floor(math.log10(value)) - 1) if value else 0.01
