"""Metrics of runs side by side: with the significance of each difference, and over several seeds of one config."""

from collections.abc import Sequence
from functools import partial
from typing import Any, Final

import pandas as pd
import streamlit as st

from core.comparison.baseline import ComparisonRow, SeedGroup
from core.data.identity import different_data
from core.numbers import signed
from core.runs.ensembles import Ensemble
from dashboard.ui.format import accuracy_in
from dashboard.ui.table import show_table

METRICS: Final = (
    ("macro_f1", "Macro F1 (%)", 100, 1, "Unweighted mean of per-class F1"),
    ("log_loss", "Loss", 1, 3, "Mean cross-entropy (NLL); lower is better"),
    ("calibration_error", "ECE (pp)", 100, 1, "Expected calibration error; lower is better"),
)


def metrics_table(rows: Sequence[ComparisonRow], labels: dict[str, str], split: str) -> None:
    """Each run's metrics with the difference to the baseline, and its significance."""
    st.header(f"Metrics ({split})", anchor=False)
    baseline = next(row for row in rows if row.is_baseline)
    table = [
        {
            "run": labels[row.run.id],
            "accuracy": accuracy_in(row.metrics),
            "delta": None if row.comparison is None else 100 * row.comparison.difference,
            "significance": row.words,
            "no_duplicates": accuracy_in(row.metrics and row.metrics.without_train_duplicates),
            **{key: _with_difference(row, baseline, key, scale, digits) for key, _, scale, digits, _ in METRICS},
        }
        for row in rows
    ]
    config: dict[str, Any] = {
        "run": st.column_config.TextColumn("Run", pinned=True),
        "accuracy": st.column_config.TextColumn("Accuracy (95% CI)"),
        "delta": st.column_config.NumberColumn("Δ accuracy (pp)", help="Accuracy minus the baseline's"),
        "significance": st.column_config.TextColumn("Significance", width=310),
        "no_duplicates": st.column_config.TextColumn(
            "No train dupes (95% CI)",
            help="Accuracy excluding images with a pixel-identical copy in the training set",
        ),
        **{key: st.column_config.TextColumn(title, help=text) for key, title, _, _, text in METRICS},
    }
    show_table(
        pd.DataFrame(table),
        hide_index=True,
        column_config=config,
        written={"delta": partial(signed, digits=1)},
        placeholder="",
        key="metrics",
        height="content",
    )
    compared = sum(row.comparison is not None for row in rows)
    several = f" p-values are Holm-adjusted for {compared} comparisons." if compared > 1 else ""
    selection = (
        " The checkpoint was selected on this split, so these numbers are optimistic."
        if split == "validation"
        else " Selecting the best of many runs on test overestimates it: select on validation, report test once."
    )
    averaged = (
        " Ensembles: the mean of the calibrated probabilities of their runs; loss and ECE of runs are uncalibrated."
        if any(isinstance(row.run, Ensemble) for row in rows)
        else ""
    )
    st.caption(
        "Exact McNemar test and paired bootstrap on the same images. They compare these two models; to compare "
        f"configs, train several seeds of each.{several}{averaged}{selection}"
    )


def _with_difference(row: ComparisonRow, baseline: ComparisonRow, key: str, scale: float, digits: int) -> str:
    """A metric, and how far it is from the baseline's where both are about the same data."""
    comparable = not row.is_baseline and not different_data(row.run.data, baseline.run.data)
    value = getattr(row.metrics, key, None)
    other = getattr(baseline.metrics, key, None) if comparable else None
    if value is None:
        return "–"
    shown = f"{scale * value:.{digits}f}"
    return shown if other is None else f"{shown} ({signed(scale * (value - other), digits)})"


def groups(found: Sequence[SeedGroup], labels: dict[str, str], split: str) -> None:
    """Configs with several seeds: mean and standard deviation."""
    if not found:
        return
    st.header("Seed variance", anchor=False)
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
    show_table(pd.DataFrame(table), hide_index=True, column_config=config, placeholder="", key="seed-groups")
