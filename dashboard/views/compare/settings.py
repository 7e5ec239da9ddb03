"""What the Compare page shows of settings: those that differ, and how a result goes with them."""

from collections.abc import Sequence
from typing import Any, Final

import pandas as pd
import streamlit as st

from core.comparison.baseline import setting_differences
from core.runs.records import Run
from dashboard.ui.charts import comparison

ENOUGH_FOR_SCATTER: Final = 3
ENOUGH_FOR_PARALLEL: Final = 4
RESULTS: Final = {"accuracy": ("accuracy", "%"), "log loss": ("log_loss", "nats"), "macro F1": ("macro_f1", "%")}
"""What is called how, as it stands in the address: the figure in `summary.json`, and its unit."""
MOST_AXES: Final = 8


def config_differences(runs: Sequence[Run], labels: dict[str, str]) -> dict[str, list[Any]]:
    """Only the settings that differ; those, one value per run."""
    st.subheader("Settings that differ", anchor=False)
    differences = setting_differences(runs)
    if not differences:
        st.caption("None: these runs were made with the same settings.")
        return differences
    table = pd.DataFrame(
        [
            {"setting": field}
            | {labels[run.id]: "?" if value is None else str(value) for run, value in zip(runs, values, strict=True)}
            for field, values in differences.items()
        ]
    )
    config: dict[str, Any] = {label: st.column_config.TextColumn(width=150) for label in labels.values()}
    config["setting"] = st.column_config.TextColumn("Setting", pinned=True)
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
    """A setting against a result, and all settings that differ against it."""
    scored = [index for index, run in enumerate(runs) if _value(run, split, result) is not None]
    heights = [float(_value(runs[index], split, result) or 0) for index in scored]
    names = [labels[runs[index].id] for index in scored]
    title = f"{result} ({RESULTS[result][1]}) on {split}"
    if len(scored) < ENOUGH_FOR_SCATTER:
        st.caption(
            f"With {ENOUGH_FOR_SCATTER} runs scored on {split} this shows the result over the setting; "
            f"{len(scored)} of these {len(runs)} are."
        )
        return
    values = [_axis_value(differences[setting][index]) for index in scored]
    intervals = [_interval(runs[index], split, result) for index in scored]
    points = list(zip(names, values, heights, intervals, strict=True))
    st.echarts_chart(
        comparison.scatter(points, setting, title), height=320, key="scatter", alt=f"{title} over {setting}"
    )
    bars = "The bars are 95 % intervals. " if any(intervals) else ""
    st.caption(f"{bars}Settings that were changed together cannot be told apart here.")
    if len(scored) < ENOUGH_FOR_PARALLEL:
        st.caption(f"With {ENOUGH_FOR_PARALLEL} scored runs all settings that differ are drawn beside the result.")
        return
    fields = list(differences)[:MOST_AXES]
    columns = {field: [_axis_value(differences[field][index]) for index in scored] for field in fields}
    option = comparison.parallel(names, {**columns, title: heights})
    of = f" The first {MOST_AXES} of {len(differences)}." if len(differences) > MOST_AXES else ""
    st.markdown(f"**Each run through its settings to its {result}** :gray[{of}]")
    st.echarts_chart(option, height=320, key="parallel", alt=f"the settings that differ and {title}")


def controls(runs: Sequence[Run]) -> tuple[str, str] | None:
    """Which setting against which result; both stand in the address. None where no setting differs."""
    fields = sorted(setting_differences(runs), key="seed".__eq__)  # chance is the last thing to look at
    if not fields:
        return None
    left, right = st.columns(2, gap="medium")
    setting = left.selectbox("Setting", fields, key="setting", bind="query-params")
    result = right.selectbox("Result", list(RESULTS), key="result", bind="query-params")
    return setting or fields[0], result or "accuracy"


def _value(run: Run, split: str, result: str) -> float | None:
    figure, unit = RESULTS[result]
    value: float | None = getattr(run.metrics(split), figure, None)
    return None if value is None else value * (100 if unit == "%" else 1)


def _interval(run: Run, split: str, result: str) -> tuple[float, float] | None:
    metrics = run.metrics(split) if result == "accuracy" else None
    return (100 * metrics.interval[0], 100 * metrics.interval[1]) if metrics else None


def _axis_value(value: Any) -> float | str:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else str(value)
