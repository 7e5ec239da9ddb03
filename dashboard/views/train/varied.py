"""What the form of the Train page varies: settings with several values each, and which of their combinations become
runs. Nothing is drawn here."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import streamlit as st

from core.errors import ConfigError
from core.jobs.sweep import SWEEPABLE, Sweep, holds_several, parse_fields, parse_values
from core.numbers import read_integer
from dashboard.views.train.settings import FIELDS, Base, chosen_config, field_key, in_the_field

ON: Final = "sweep"
VARIED: Final = "sweep-fields"
HOW: Final = "sweep-how"
SAMPLE: Final = "sweep-sample"
KEEP_BEST: Final = "sweep-keep-best"
"""Keys of widgets; the last two are parameters of the address, too."""
ALL, SOME = "All combinations", "Random sample"
LONGEST: Final = 400
"""Characters that a link may bring for one field."""


def values_key(name: str) -> str:
    """Key of the widget that holds the values of a setting, and the parameter of the address that has them."""
    return f"sweep-{name}"


SWEEP_PARAMETERS: Final = frozenset({SAMPLE, KEEP_BEST, *map(values_key, SWEEPABLE)})
"""Of the address."""


@dataclass(frozen=True)
class Varied:
    """What the form varies, as it is typed."""

    texts: tuple[tuple[str, str], ...]
    """Fields, each with its values."""
    sample: str | None
    """How many combinations to draw; None: every combination is trained."""
    keep_best: bool
    """Whether only the best run keeps its weights."""

    @property
    def fields(self) -> list[str]:
        return [name for name, _ in self.texts]

    def address(self) -> dict[str, str]:
        """As parameters of the address."""
        found = {values_key(name): text for name, text in self.texts}
        if self.sample is not None:
            found[SAMPLE] = self.sample
        return found | ({KEEP_BEST: "1"} if self.keep_best else {})

    def sweep(self, values: Mapping[str, Any]) -> Sweep:
        """The sweep that this comes to.

        Args:
            values: of the form; what it holds for a setting that varies does not matter.

        Raises:
            ConfigError: something that was typed is not allowed; the sweep itself is checked by its `configs`.
        """
        fields = parse_fields(dict(self.texts))
        base = chosen_config({**values, **{name: different[0] for name, different in fields.items()}})
        if self.sample is None:
            return Sweep(base, fields)
        try:
            return Sweep(base, fields, how="random", sample=read_integer(self.sample))
        except ValueError as error:
            raise ConfigError(f"The number of runs to draw must {error} (got {self.sample!r}).") from None


def varied() -> Varied | None:
    """What the form varies, as it will be drawn; None where it starts one run."""
    state = st.session_state
    names = state.get(VARIED, []) if state.get(ON) else []
    if not names:
        return None
    texts = tuple((name, typed_values(name)) for name in names)
    sample = str(state.get(SAMPLE) or "").strip() if state.get(HOW) == SOME else None
    return Varied(texts, sample, bool(state.get(KEEP_BEST)))


def typed_values(name: str) -> str:
    """The values of a setting as one would type them all, without a comma that waits for the next one."""
    held = st.session_state.get(values_key(name)) or ""
    return held.strip().rstrip(",; ") if isinstance(held, str) else ", ".join(held)


def is_number(name: str) -> bool:
    """Whether the values of a setting are numbers, which are typed; those of others are selected."""
    return FIELDS[name].annotation in (int, float)


def fill_sweep(link: Mapping[str, str] | None) -> None:
    """Put the sweep of a link that was just followed into the form; one without a sweep varies nothing."""
    if link is None:
        return
    state = st.session_state
    by_key = {values_key(name): name for name in SWEEPABLE}
    names = [by_key[key] for key in link if key in by_key]  # in the order of the address, which is that of the runs
    state[ON], state[VARIED] = bool(names), names
    for name in names:
        text = link[values_key(name)][:LONGEST]
        state[values_key(name)] = (
            text if is_number(name) else [each.strip() for each in text.split(",") if each.strip()]
        )
    state[HOW], state[SAMPLE] = (SOME, link[SAMPLE][:LONGEST]) if SAMPLE in link else (ALL, "")
    state[KEEP_BEST] = link.get(KEEP_BEST) == "1"


def alternatives(values: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The values of the form, as they are and with each of those that a sweep has for a setting: what has an effect
    beside one of them is asked for."""
    found = [values]
    for name, text in asked.texts if (asked := varied()) else ():
        with suppress(ConfigError):  # said beside it
            found += [{**values, name: value} for value in parse_values(name, text)]
    return found


def vary_if_several(base: Base, name: str) -> None:
    """Where somebody has typed several values into the field of a setting, it varies over them, and the field has the
    value again that it started from."""
    state = st.session_state
    text = state[field_key(name)]
    if not holds_several(name, text):
        return
    state[field_key(name)] = in_the_field(base.config, name)
    state[ON], state[values_key(name)] = True, text
    state[VARIED] = list(dict.fromkeys([*state.get(VARIED, []), name]))
