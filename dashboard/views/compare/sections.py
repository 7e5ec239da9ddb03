"""What the Compare page shows: chips, overlaid curves, metrics with significance, seed variance, config diff."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import pandas as pd
import streamlit as st

from core.comparison.baseline import ComparisonRow, SeedGroup, against_baseline, seed_groups
from core.errors import RunError
from core.runs.records import Run
from core.runs.summary import SplitMetrics
from dashboard.state import cache
from dashboard.state.roots import runs_root
from dashboard.ui import fixed_broken
from dashboard.ui.charts.comparison import Quantity, colour_of, overlay
from dashboard.ui.format import accuracy_in, escape
from dashboard.ui.page import RUN_PAGE
from dashboard.views.compare import settings

OVERLAY_HEIGHT: Final = 320
METRICS: Final = (
    ("macro_f1", "Macro F1 (%)", 100, 1, "Unweighted mean of per-class F1"),
    ("log_loss", "Loss", 1, 3, "Mean cross-entropy (NLL); lower is better"),
    ("calibration_error", "ECE (pp)", 100, 1, "Expected calibration error; lower is better"),
)


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
                st.markdown(f':color[●]{{foreground="{colour}"}} **{escape(labels[run.id])}**', width="content")
                if run.id == baseline.id:
                    st.badge("Baseline", icon=":material/push_pin:", color="gray")
                if run.meta.review == "approved":
                    st.badge("Approved", icon=":material/verified:", color="green")
                st.page_link(RUN_PAGE, label="Open", query_params={"run": run.id})


def overlaid_curves(runs: Sequence[Run], baseline: Run, labels: dict[str, str]) -> None:
    """Validation accuracy and loss per epoch."""
    histories = [(labels[run.id], cache.history(run.paths.epochs)) for run in runs]
    if not any(len(epochs) for _, epochs in histories):
        st.caption("Curves appear after the first epoch.")
        return
    position = next(i for i, run in enumerate(runs) if run.id == baseline.id)
    pair = st.grid(2, min_column_width=380)
    quantities: tuple[Quantity, ...] = ("accuracy", "loss")
    for quantity in quantities:
        option = overlay(histories, quantity, position)
        pair.echarts_chart(
            option, height=OVERLAY_HEIGHT, key=f"overlay-{quantity}", alt=f"Validation {quantity} of the selected runs"
        )


def metrics_table(rows: Sequence[ComparisonRow], baseline: Run, labels: dict[str, str], split: str) -> None:
    """Each run's metrics with the difference to the baseline, and its significance."""
    st.subheader(f"Metrics ({split})", anchor=False)
    base = next((row.metrics for row in rows if row.run.id == baseline.id), None)
    table = [
        {
            "run": labels[row.run.id],
            "accuracy": accuracy_in(row.metrics),
            "delta": None if row.comparison is None else 100 * row.comparison.difference,
            "significance": row.words,
            "no_duplicates": accuracy_in(row.metrics and row.metrics.without_train_duplicates),
            **{key: _with_difference(row, base, key, scale, digits) for key, _, scale, digits, _ in METRICS},
        }
        for row in rows
    ]
    config: dict[str, Any] = {
        "run": st.column_config.TextColumn("Run", pinned=True),
        "accuracy": st.column_config.TextColumn("Accuracy (95% CI)"),
        "delta": st.column_config.NumberColumn("Δ accuracy (pp)", format="%+.1f", help="Accuracy minus the baseline's"),
        "significance": st.column_config.TextColumn("Significance", width=310),
        "no_duplicates": st.column_config.TextColumn(
            "No train dupes (95% CI)",
            help="Accuracy excluding images with a pixel-identical copy in the training set",
        ),
        **{key: st.column_config.TextColumn(title, help=text) for key, title, _, _, text in METRICS},
    }
    st.dataframe(pd.DataFrame(table), hide_index=True, column_config=config, placeholder="", key="metrics")
    compared = sum(row.comparison is not None for row in rows)
    several = f" p-values are Holm-adjusted for {compared} comparisons." if compared > 1 else ""
    selection = (
        " The checkpoint was selected on this split, so these numbers are optimistic."
        if split == "validation"
        else " Selecting the best of many runs on test overestimates it: select on validation, report test once."
    )
    st.caption(
        "Exact McNemar test and paired bootstrap on the same images. They compare these two models; to compare "
        f"configs, train several seeds of each.{several}{selection}"
    )


def _with_difference(row: ComparisonRow, base: SplitMetrics | None, key: str, scale: float, digits: int) -> str:
    value, other = getattr(row.metrics, key, None), getattr(base, key, None)
    if value is None:
        return "–"
    shown = f"{scale * value:.{digits}f}"
    return shown if row.is_baseline or other is None else f"{shown} ({scale * (value - other):+.{digits}f})"


def groups(found: Sequence[SeedGroup], labels: dict[str, str], split: str) -> None:
    """Configs with several seeds: mean and standard deviation."""
    if not found:
        return
    st.subheader("Seed variance", anchor=False)
    table = []
    for group in found:
        mean, std = group.mean_and_std or (None, None)
        table.append(
            {
                "runs": ", ".join(labels[run.id] for run in group.runs),
                "seeds": ", ".join(str(run.config.seed) for run in group.runs if run.config),
                "n": len(group.accuracies),
                "mean": None if mean is None else 100 * mean,
                "std": None if std is None else 100 * std,
            }
        )
    config: dict[str, Any] = {
        "runs": st.column_config.TextColumn("Runs (same config, different seed)", width="large"),
        "seeds": st.column_config.TextColumn("Seeds"),
        "n": st.column_config.NumberColumn("n", help="Seeds with metrics on this split"),
        "mean": st.column_config.NumberColumn(f"Mean {split} accuracy", format="%.2f%%"),
        "std": st.column_config.NumberColumn("Std (pp)", format="%.2f", help="Sample standard deviation over seeds"),
    }
    st.dataframe(pd.DataFrame(table), hide_index=True, column_config=config, key="seed-groups")
