"""Along what curves are drawn, and how: chosen above them, on every page that has some."""

import math
from typing import Final, NamedTuple

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.runs.records import Run
from dashboard.ui.charts.curves import RunCurve
from dashboard.ui.charts.lines import AxisKind, Plan

_AXES: Final[tuple[AxisKind, ...]] = ("epoch", "step", "time")


class CurveView(NamedTuple):
    """What was chosen."""

    axis: AxisKind
    smoothing: float
    """Weight of the past in the moving average, 0 (none) to below 1."""
    log: bool


def curve_controls(smoothing: float, prefix: str = "", *, log: bool = False) -> DeltaGenerator:
    """Axis, smoothing and scale; all of it is in the address. What is not drawn is removed from there, so it is drawn
    even while the curves are not.

    Args:
        smoothing: before anybody has chosen.
        prefix: of the parameters in the address, of which no two pages have the same.
        log: whether the scale is logarithmic before anybody has chosen.

    Returns:
        The container of the switches, for more of them.
    """
    axis, weight, switches = st.columns([3, 4, 5], vertical_alignment="center", gap="medium")
    axis.segmented_control(
        "Axis", _AXES, default="epoch", required=True, key=f"{prefix}axis", bind="query-params",
        label_visibility="collapsed",
    )  # fmt: skip
    weight.slider("Smoothing", 0.0, 0.99, smoothing, 0.01, key=f"{prefix}smoothing", bind="query-params")
    row = switches.container(horizontal=True, gap="medium", vertical_alignment="center")
    row.toggle(
        "Log scale", value=log, key=f"{prefix}log", bind="query-params", width="content",
        help="Logarithmic y axis for losses and learning rate",
    )  # fmt: skip
    return row


def curve_view(prefix: str = "") -> CurveView:
    """What is chosen in `curve_controls` of this prefix, once they are drawn."""
    axis, smoothing, log = (st.session_state[f"{prefix}{name}"] for name in CurveView._fields)
    return CurveView(axis or _AXES[0], smoothing, log)  # an address may name no axis


def length_of(run: Run, history: RunCurve) -> Plan:
    """How long the curve of a run is going to be; of one that has ended, how long it is."""
    rows = history.epochs
    known = rows[(rows["epoch"] > 0) & rows["elapsed_s"].notna()] if len(rows) else rows  # a file may have odd rows
    if not len(known):
        return Plan(0, 0, 0)
    last = known.iloc[-1]
    done, step = float(last["epoch"]), float(last.get("step", math.nan))
    batches = 0 if math.isnan(step) else round(step / done)
    epochs = float(run.status.epochs) if run.state.is_live else done
    return Plan(epochs, batches, float(last["elapsed_s"]) * epochs / done)
