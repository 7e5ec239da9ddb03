"""The validation curves of the runs of a group over each other."""

from typing import Final

import streamlit as st

from core.config import field_label
from core.runs.groups import Group, Members, best_member
from core.runs.selection import sort_runs
from dashboard.state import cache
from dashboard.ui.charts.curves import QUANTITIES, RunCurve, overlay
from dashboard.ui.charts.lines import x_axis
from dashboard.ui.components.charts import line_charts
from dashboard.ui.curves import curve_view, length_of
from dashboard.ui.format import escape
from dashboard.views.group.names import short_name

CURVES_PREFIX: Final = "group-"
"""Of the parameters in the address, of which no two pages have the same."""
MOST_LINES: Final = 20
"""Lines in one chart: of more, nobody can follow one."""
DRAWN: Final = ("Validation accuracy", "Validation loss")


def member_curves(group: Group, members: Members) -> None:
    """Validation accuracy and loss of all runs, of many the best; the best of all is drawn thicker."""
    known = [run for run in members.runs if len(cache.epochs(run))]
    if not known:
        st.caption("Curves appear after the first epoch.")
        return
    best = best_member(known)
    runs = known if len(known) <= MOST_LINES else sort_runs(known, "validation")[:MOST_LINES]
    lines = [RunCurve(short_name(group, run), cache.epochs(run), at) for at, run in enumerate(runs)]
    kind, smoothing, log = curve_view(CURVES_PREFIX)
    axis = x_axis(kind, [length_of(run, line) for run, line in zip(runs, lines, strict=True)])
    thick = next((at for at, run in enumerate(runs) if best and run.id == best.id), -1)
    charts = [overlay(lines, QUANTITIES[name], axis, baseline=thick, smoothing=smoothing, log=log) for name in DRAWN]
    line_charts(charts, axis, key="group-curves")
    of = f" The best {MOST_LINES} of {len(known)} runs." if len(known) > MOST_LINES else ""
    fields = " · ".join(map(field_label, group.record.fields))
    named = f" Named by {fields}." if fields else ""
    st.caption(escape(f"Drag to zoom. Thick: the best run.{of}{named}"))
