"""The config diff of the Compare page, and results plotted against the settings that differ."""

from collections.abc import Sequence
from typing import Any, Final

import pandas as pd
import streamlit as st

from core.comparison.baseline import setting_differences
from core.runs.records import Run
from dashboard.ui.charts import comparison

ENOUGH_FOR_SCATTER: Final = 3
ENOUGH_FOR_PARALLEL: Final = 4
RESULTS: Final = {"Accuracy": ("accuracy", "%"), "Loss": ("log_loss", ""), "Macro F1": ("macro_f1", "%")}
"""The name, as it is in the address: the metric in `summary.json`, and its unit."""
MOST_AXES: Final = 8


def config_differences(runs: Sequence[Run], labels: dict[str, str]) -> dict[str, list[Any]]:
    """The settings that differ, one value per run."""
    st.subheader("Config diff", anchor=False)
    differences = setting_differences(runs)
    if not differences:
        st.caption("No differences: all runs use the same settings.")
        return differences
    table = pd.DataFrame(
        [
            {"setting": field}
            | {labels[run.id]: "?" if value is None else str(value) for run, value in zip(runs, values, strict=True)}
            for field, values in differences.items()
        ]
    )
    config: dict[str, Any] = {label: st.column_config.TextColumn(width=150) for label in labels.values()}
    config["setting"] = st.column_config.TextColumn("Parameter", pinned=True)
    st.dataframe(table, hide_index=True, column_config=config, key="differences")
    return differences


def against_result(
    runs: Sequence[Run],
    labels: dict[str, str],
    differences: dict[str, list[Any]],
    setting: str,
    result: str,
    split: str,
) -> None:
    """A setting plotted against a result, and all settings that differ in parallel coordinates."""
    scored = [index for index, run in enumerate(runs) if _value(run, split, result) is not None]
    heights = [float(_value(runs[index], split, result) or 0) for index in scored]
    names = [labels[runs[index].id] for index in scored]
    title = axis_title(result, split)
    if len(scored) < ENOUGH_FOR_SCATTER:
        st.caption(
            f"A plot of the result needs at least {ENOUGH_FOR_SCATTER} runs evaluated on {split} "
            f"(you have {len(scored)})."
        )
        return
    values = [_axis_value(differences[setting][index]) for index in scored]
    intervals = [_interval(runs[index], split, result) for index in scored]
    points = list(zip(names, values, heights, intervals, strict=True))
    told = "; ".join(f"{name} {value}, {height:.4g}" for name, value, height, _ in points)
    st.echarts_chart(
        comparison.scatter(points, setting, title),
        height=320,
        key="scatter",
        alt=f"{title} over {setting}: {told}",
    )
    bars = "Bars: 95% CI. " if any(intervals) else ""
    st.caption(f"{bars}Effects of settings that change together can't be separated.")
    if len(scored) < ENOUGH_FOR_PARALLEL:
        st.caption(f"A parallel-coordinates plot appears with {ENOUGH_FOR_PARALLEL} or more evaluated runs.")
        return
    fields = list(differences)[:MOST_AXES]
    columns = {field: [_axis_value(differences[field][index]) for index in scored] for field in fields}
    option = comparison.parallel(names, {**columns, title: heights})
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


def controls(runs: Sequence[Run]) -> tuple[str, str] | None:
    """The setting and the result to plot; both are in the address. None where no setting differs."""
    fields = sorted(setting_differences(runs), key="seed".__eq__)  # chance is the last thing to look at
    if not fields:
        return None
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
    return value if isinstance(value, int | float) and not isinstance(value, bool) else str(value)
