"""The sections of the Compare page in their order, and the first of them: the runs as chips."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import streamlit as st

from core.comparison.baseline import against_baseline, seed_groups
from core.errors import RunError
from core.runs.records import Run
from dashboard.state import cache
from dashboard.state.roots import runs_root
from dashboard.ui import fixed_broken
from dashboard.ui.charts.style import colour_of, dash_sign
from dashboard.ui.format import escape
from dashboard.ui.page import RUN_PAGE
from dashboard.views.compare import settings
from dashboard.views.compare.curves import overlaid_curves
from dashboard.views.compare.metrics import groups, metrics_table


def labels_of(runs: Sequence[Run]) -> dict[str, str]:
    """A name for each run that no other of them has."""
    names = [run.name for run in runs]
    return {run.id: run.name if names.count(run.name) == 1 else f"{run.name} · {run.id[-4:]}" for run in runs}


def comparison(run_ids: Sequence[str], baseline_id: str, split: str) -> None:
    """All sections, from the current files."""
    runs = [cache.run(runs_root(), run_id) for run_id in run_ids]
    baseline = next(run for run in runs if run.id == baseline_id)
    labels = labels_of(runs)
    chips(runs, baseline, labels)
    overlaid_curves(runs, baseline, labels)
    rows = against_baseline(runs, baseline, split, cached_predictions)
    metrics_table(rows, baseline, labels, split)
    fixed_broken.draw_against_baseline(baseline, runs, split)
    groups(seed_groups(runs, split), labels, split)
    differences = settings.config_differences(runs, labels)
    chosen = settings.controls(runs)
    if chosen:
        settings.against_result(runs, labels, differences, *chosen, split)


def cached_predictions(path: Path) -> pd.DataFrame:
    """A table of predictions, cached."""
    table = cache.predictions(path)
    if table is None:
        raise RunError(f"No predictions on {path.stem.removeprefix('predictions-')} yet")
    return table


def chips(runs: Sequence[Run], baseline: Run, labels: dict[str, str]) -> None:
    """The runs with the colours of their curves, each a link to its page."""
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        for position, run in enumerate(runs):
            colour = colour_of(position)
            with st.container(horizontal=True, width="content", gap="xsmall", vertical_alignment="center", border=True):
                line = f':color[{dash_sign(position)}]{{foreground="{colour}"}}'
                st.markdown(f"{line} **{escape(labels[run.id])}**", width="content")
                if run.id == baseline.id:
                    st.badge("Baseline", icon=":material/push_pin:", color="gray")
                if run.meta.review == "approved":
                    st.badge("Approved", icon=":material/verified:", color="green")
                st.page_link(RUN_PAGE, label="Open", query_params={"run": run.id})
