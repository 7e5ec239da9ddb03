"""The config diff of the Compare page, and results plotted against the settings that differ."""

from collections.abc import Sequence
from typing import Any, Final

import pandas as pd
import streamlit as st

from core.comparison.baseline import setting_differences
from core.runs.records import Run
from dashboard.ui.charts import comparison
from dashboard.ui.table import show_table

ENOUGH_FOR_SCATTER: Final = 3
ENOUGH_FOR_PARALLEL: Final = 4
RESULTS: Final = {"Accuracy": ("accuracy", "%"), "Loss": ("log_loss", ""), "Macro F1": ("macro_f1", "%")}
"""The name, as it is in the address: the metric in `summary.json`, and its unit."""
MOST_AXES: Final = 8
UNLIMITED: Final = {"images_per_epoch": "all", "threads": "all", "gradient_clip": "off", "early_stopping": "off"}
"""Settings in which 0 means no limit, so more than any other value, and the word for it."""


def config_diff(runs: Sequence[Run], labels: dict[str, str], split: str, *, shown: bool) -> None:
    """The settings that differ, and results plotted against them; only the controls where it is not `shown`."""
    differences = {
        field: [limit_in_words(field, value) for value in values] for field, values in setting_differences(runs).items()
    }
    if not differences:
        if shown:
            st.caption("No differences: all runs use the same settings.")
        return
    if shown:
        differences_table(runs, labels, differences)
    setting, result = controls(differences)
    if shown:
        against_result(runs, labels, differences, setting, result, split)


def limit_in_words(field: str, value: Any) -> Any:
    """The value of a setting, with 0 in words where it means no limit."""
    return UNLIMITED[field] if field in UNLIMITED and value == 0 else value


def differences_table(runs: Sequence[Run], labels: dict[str, str], differences: dict[str, list[Any]]) -> None:
    """One value per run."""
    table = pd.DataFrame(
        [
            {"setting": field}
            | {labels[run.id]: "?" if value is None else str(value) for run, value in zip(runs, values, strict=True)}
            for field, values in differences.items()
        ]
    )
    config: dict[str, Any] = {label: st.column_config.TextColumn(width=150) for label in labels.values()}
    config["setting"] = st.column_config.TextColumn("Parameter", pinned=True)
    show_table(table, hide_index=True, column_config=config, key="differences", height="content")


def against_result(
    runs: Sequence[Run],
    labels: dict[str, str],
    differences: dict[str, list[Any]],
    setting: str,
    result: str,
    split: str,
) -> None:
    """A setting plotted against a result, and all settings that differ in parallel coordinates."""
    scored = [(at, run, value) for at, run in enumerate(runs) if (value := _value(run, split, result)) is not None]
    title = axis_title(result, split)
    if len(scored) < ENOUGH_FOR_SCATTER:
        st.caption(
            f"A plot of the result needs at least {ENOUGH_FOR_SCATTER} runs evaluated on {split} "
            f"(you have {len(scored)})."
        )
        return
    points = [
        comparison.RunPoint(
            labels[run.id], at, _axis_value(differences[setting][at]), value, _interval(run, split, result)
        )
        for at, run, value in scored
    ]
    told = "; ".join(f"{point.name} {point.value}, {point.result:.4g}" for point in points)
    st.echarts_chart(
        comparison.scatter(points, setting, title),
        height=320,
        key="scatter",
        alt=f"{title} over {setting}: {told}",
    )
    bars = "Bars: 95% CI. " if any(point.interval for point in points) else ""
    st.caption(f"{bars}Effects of settings that change together can't be separated.")
    if len(scored) < ENOUGH_FOR_PARALLEL:
        st.caption(f"A parallel-coordinates plot appears with {ENOUGH_FOR_PARALLEL} or more evaluated runs.")
        return
    fields = list(differences)[:MOST_AXES]
    columns = {field: [_axis_value(differences[field][at]) for at, _, _ in scored] for field in fields}
    option = comparison.parallel(
        [(point.name, point.position) for point in points], {**columns, title: [point.result for point in points]}
    )
    of = f"Showing {MOST_AXES} of {len(differences)} settings." if len(differences) > MOST_AXES else ""
    st.markdown(f"**Parallel coordinates** :gray[{of}]")
    st.echarts_chart(
        option, height=320, key="parallel", alt=f"Parallel coordinates of the settings that differ and {title}"
    )


def axis_title(result: str, split: str) -> str:
    """Such as `Test accuracy (%)`."""
    unit = RESULTS[result][1]
    name = result if result == "Macro F1" else result.lower()
    return f"{split.capitalize()} {name}" + (f" ({unit})" if unit else "")


def controls(differences: dict[str, list[Any]]) -> tuple[str, str]:
    """The setting and the result to plot; both are in the address."""
    fields = sorted(differences, key="seed".__eq__)  # chance is the last thing to look at
    left, right = st.columns(2, gap="medium")
    setting = left.selectbox("X axis", fields, key="setting", bind="query-params")
    result = right.selectbox("Y axis", list(RESULTS), key="result", bind="query-params")
    return setting or fields[0], result or "Accuracy"


def _value(run: Run, split: str, result: str) -> float | None:
    metric, unit = RESULTS[result]
    value: float | None = getattr(run.metrics(split), metric, None)
    return None if value is None else value * (100 if unit == "%" else 1)


def _interval(run: Run, split: str, result: str) -> tuple[float, float] | None:
    metrics = run.metrics(split) if result == "Accuracy" else None
    return (100 * metrics.interval[0], 100 * metrics.interval[1]) if metrics else None


def _axis_value(value: Any) -> float | str:
    if value is None:
        return "?"
    return value if isinstance(value, int | float) and not isinstance(value, bool) else str(value)
