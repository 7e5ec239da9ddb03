"""The tabs of the Compare page, and what stands above all of them: whether the runs are comparable at all."""

from collections.abc import Sequence
from typing import Final

import streamlit as st

from core.comparison.baseline import against_baseline, seed_groups
from core.data.identity import different_data
from core.runs.ensembles import Candidate, Ensemble, runs_of
from core.runs.records import Run
from dashboard.state import cache
from dashboard.state.roots import runs_root
from dashboard.ui import fixed_broken
from dashboard.ui.charts.style import colour_of, dash_sign
from dashboard.ui.format import escape
from dashboard.ui.page import RUN_PAGE, guarded
from dashboard.views.compare import settings
from dashboard.views.compare.curves import overlaid_curves
from dashboard.views.compare.metrics import groups, metrics_table

TABS: Final = ("Curves", "Metrics", "Config diff", "Images")
NAMED_RUNS: Final = 4
"""So many runs on other data are named; the others are counted."""


def labels_of(runs: Sequence[Candidate]) -> dict[str, str]:
    """A name for each run or ensemble that no other of them has."""
    names = [run.name for run in runs]
    return {run.id: run.name if names.count(run.name) == 1 else f"{run.name} · {run.id[-4:]}" for run in runs}


def comparison(run_ids: Sequence[str], baseline_id: str, split: str) -> None:
    """The tabs, from the current files. Of those that are closed only the controls are drawn that stand in the address:
    Streamlit removes from there what is not drawn."""
    found = [cache.candidate(runs_root(), run_id) for run_id in run_ids]
    runs = [each for each in found if isinstance(each, Run)]
    chosen: list[Candidate] = [*runs, *(each for each in found if isinstance(each, Ensemble))]  # colours go by position
    baseline = next(each for each in chosen if each.id == baseline_id)
    labels = labels_of(chosen)
    warn_of_other_data(chosen, baseline, labels)
    curves, metrics, config_diff, images = st.tabs(list(TABS), key="section", bind="query-params")
    with curves, guarded():
        overlaid_curves(runs, baseline, labels, shown=bool(curves.open))
    if metrics.open:
        with metrics, guarded():
            chips(chosen, baseline, labels)
            metrics_table(against_baseline(chosen, baseline, split, cache.read_cached), labels, split)
            groups(seed_groups(runs, split), labels, split)
    with config_diff, guarded():
        if config_diff.open:
            chips(runs, baseline, labels)
        settings.config_diff(runs, labels, split, shown=bool(config_diff.open))
    if images.open:
        with images, guarded():
            fixed_broken.draw_against_baseline(baseline, chosen, split)


def warn_of_other_data(runs: Sequence[Candidate], baseline: Candidate, labels: dict[str, str]) -> None:
    """Say which runs were trained on other data than the baseline."""
    others = [run for run in runs if different_data(run.data, baseline.data)]
    if not others:
        return
    own = dataset_name(baseline)
    named = [
        f"{labels[run.id]} ({name if (name := dataset_name(run)) != own else f'another version of {own}'})"
        for run in others[:NAMED_RUNS]
    ]
    more = f" and {len(others) - NAMED_RUNS} more" if len(others) > NAMED_RUNS else ""
    said = (
        f"Different datasets: {', '.join(named)}{more}. The baseline {labels[baseline.id]} was trained on {own}. "
        "Metrics on different datasets aren't comparable."
    )
    st.warning(escape(said), icon=":material/warning:")


def dataset_name(candidate: Candidate) -> str:
    """The name of the dataset in its settings."""
    config = runs_of(candidate)[0].config
    return config.dataset if config else "unknown dataset"


def chips(runs: Sequence[Candidate], baseline: Candidate, labels: dict[str, str]) -> None:
    """The runs with the colours of their lines and points, each a link to its page, and the ensembles. Over the curves,
    their legend says the same."""
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        for position, run in enumerate(runs):
            if isinstance(run, Ensemble):
                pin = " :material/push_pin:" if run.id == baseline.id else ""
                members = ", ".join(each.name for each in run.runs)
                said = f":small[:material/join: {escape(labels[run.id])}{pin}]"
                st.markdown(said, help=f"Mean of {escape(members)}", width="content")
                continue
            marks = {
                "Baseline": ":material/push_pin:" if run.id == baseline.id else "",
                "Approved": ":material/verified:" if run.meta.review == "approved" else "",
            }
            line = f':color[{dash_sign(position)}]{{foreground="{colour_of(position)}"}}'
            st.page_link(
                RUN_PAGE,
                label=" ".join([line, escape(labels[run.id]), *filter(None, marks.values())]),
                query_params={"run": run.id},
                help=", ".join(word for word, icon in marks.items() if icon) or None,
                width="content",
            )
