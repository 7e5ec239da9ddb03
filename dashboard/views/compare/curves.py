"""The curves of the Compare page: runs over each other, or the mean of the seeds of each config."""

from collections.abc import Sequence
from typing import Final

import streamlit as st

from core.comparison.baseline import reseed_key
from core.runs.ensembles import Candidate
from core.runs.records import Run
from dashboard.state import cache
from dashboard.ui.charts.curves import QUANTITIES, Quantity, RunCurve, overlay, seed_bands
from dashboard.ui.charts.lines import LineChart, x_axis
from dashboard.ui.components.charts import line_charts
from dashboard.ui.curves import curve_controls, curve_view, length_of

PREFIX: Final = "compare-"
"""Of the parameters in the address that the Run page has, too."""
USUAL: Final = ("Validation accuracy", "Validation loss")


def overlaid_curves(runs: Sequence[Run], baseline: Candidate, labels: dict[str, str], *, shown: bool) -> None:
    """The metrics that are selected, each as a chart of all runs; only the controls where they are not `shown`.
    Ensembles are not trained and have no curves."""
    by_config = seed_groups_of(runs)
    chosen, averaged = curve_selection(has_seeds=any(len(members) > 1 for members in by_config))
    if not shown:
        return
    histories = [RunCurve(labels[run.id], cache.epochs(run), at) for at, run in enumerate(runs)]
    if not any(len(each.epochs) for each in histories):
        st.caption("Curves appear after the first epoch.")
        return
    kind, smoothing, log = curve_view(PREFIX)
    axis = x_axis(kind, [length_of(run, each) for run, each in zip(runs, histories, strict=True)])
    position = next((at for at, run in enumerate(runs) if run.id == baseline.id), -1)

    def chart(quantity: Quantity) -> LineChart:
        if averaged:
            frames = [
                (group_name(members, histories), [histories[at].epochs for at in members], members[0])
                for members in by_config
            ]
            return seed_bands(frames, quantity, axis, smoothing=smoothing, log=log)
        return overlay(histories, quantity, axis, baseline=position, smoothing=smoothing, log=log)

    line_charts([chart(QUANTITIES[name]) for name in chosen], axis, key="overlays")
    st.caption("Lines: mean over seeds. Bands: ± 1 sample standard deviation." if averaged else "Drag to zoom.")


def curve_selection(has_seeds: bool) -> tuple[Sequence[str], bool]:
    """What to draw: names of quantities, and whether seeds are averaged."""
    chosen = st.pills(
        "Curves", list(QUANTITIES), selection_mode="multi", default=list(USUAL), key="metric", bind="query-params",
        label_visibility="collapsed",
    )  # fmt: skip
    switches = curve_controls(0.0, PREFIX)
    averaged = has_seeds and switches.toggle(
        "Average seeds", key="seeds", bind="query-params", width="content",
        help="One line per config: the mean over its seeds, with ± 1 standard deviation",
    )  # fmt: skip
    return chosen or USUAL, averaged


def seed_groups_of(runs: Sequence[Run]) -> list[list[int]]:
    """The positions of the runs by config: those of one list differ in nothing but the seed."""
    groups: dict[str, list[int]] = {}
    for position, run in enumerate(runs):
        groups.setdefault(reseed_key(run) or run.id, []).append(position)
    return list(groups.values())


def group_name(members: Sequence[int], histories: Sequence[RunCurve]) -> str:
    """The name of the first of the seeds, and how many there are."""
    return histories[members[0]].name + (f" (n = {len(members)})" if len(members) > 1 else "")
