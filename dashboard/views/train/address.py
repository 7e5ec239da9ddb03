"""The form of the Train page in its address: what differs from the preset or the cloned run, so that a reload, a
bookmark and a link that is sent show the same form."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from core.config import TrainConfig
from core.runs.records import Run
from dashboard.views.train.varied import SWEEP_PARAMETERS

_WRITTEN = "train-addresses"
"""In the session state: what this form has written since a link was followed last."""
_REMEMBERED = 50
PARAMETERS = {"preset", "clone", "name", *TrainConfig.model_fields, *SWEEP_PARAMETERS}


def followed_link() -> dict[str, str] | None:
    """The parameters of the address if it was not this form that wrote them: after a reload, or from a link.

    A browser may send an address that the form has just replaced, when a second field is changed at once; such a one,
    too, is not followed: it would undo the change.
    """
    query = {name: text for name, text in st.query_params.to_dict().items() if name in PARAMETERS}
    if not query or query in st.session_state.get(_WRITTEN, ()):
        return None
    st.session_state[_WRITTEN] = [query]
    return query


def write(parameters: Mapping[str, str]) -> None:
    """Let the address say what the form shows; empty: what a newcomer sees at the plain address."""
    present = dict(parameters)
    written = st.session_state.setdefault(_WRITTEN, [])
    if present not in written:
        st.session_state[_WRITTEN] = [*written, present][-_REMEMBERED:]
    if st.query_params.to_dict() != present:
        st.query_params.from_dict(present)


def of_form(
    source: Run | str, changed: Mapping[str, str], values: Mapping[str, Any], usual: tuple[str, str]
) -> dict[str, str]:
    """The form as the parameters of its address: none as long as it is as a first visit shows it.

    Args:
        source: the run that is cloned, or the name of the preset.
        changed: fields that differ from it, each with what it holds.
        values: of all fields.
        usual: preset and dataset of a first visit.
    """
    given = dict(changed)
    if name := (st.session_state.get("run-name") or "").strip():
        given["name"] = name
    if isinstance(source, Run):
        return {"clone": source.id, **given}
    preset, dataset = usual
    if values["dataset"] not in (None, dataset):
        given["dataset"] = values["dataset"]
    return {"preset": source, **given} if given or source != preset else {}
