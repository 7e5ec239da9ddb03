"""Training curves: data in, chart out. No reading of files, no Streamlit.

Curves that grow are ECharts options, since Streamlit keeps such a chart and gives it the new points, while it rebuilds
a Plotly figure, with a flicker, whenever its data change. Backgrounds are transparent and text takes its colour from
the theme, so that each figure works on light and dark.
"""

from collections.abc import Mapping
from typing import Any, Final, Literal

import numpy as np
import pandas as pd

from dashboard.ui.charts.style import TRAIN_COLOUR, VALIDATION_COLOUR

MAX_POINTS: Final = 1500
"""More points than pixels only slow the browser down."""

Axis = Literal["step", "epoch", "time"]
_AXIS_TITLES: Final = {"step": "step", "epoch": "epoch", "time": "elapsed time (min)"}


def training_curves(
    epochs: pd.DataFrame,
    steps: pd.DataFrame,
    quantity: Literal["loss", "accuracy"],
    axis: Axis = "epoch",
    smoothing: float = 0.9,
    batches: int = 0,
) -> dict[str, Any]:
    """Training and validation over time: the raw training curve faintly behind its smoothed one.

    Args:
        epochs: rows of `epochs.jsonl`.
        steps: rows of `steps.jsonl`.
        quantity: which of the two.
        axis: the x axis.
        smoothing: weight of the past in the moving average, 0 (none) to below 1.
        batches: steps per epoch; 0 if not known.

    Returns:
        An ECharts option.
    """
    scale = 100 if quantity == "accuracy" else 1
    datasets, series = [], []
    if quantity in steps:
        raw = steps[quantity].astype(float) * scale
        columns = {axis: _positions(steps, axis, batches), "train": smoothed(raw, smoothing), "train (raw)": raw}
        datasets.append({"source": pd.DataFrame(columns).iloc[thin(len(steps))]})
        if smoothing > 0:
            series.append(_line("train (raw)", axis, 0, TRAIN_COLOUR, width=1, opacity=0.3, silent=True))
        series.append(_line("train", axis, 0, TRAIN_COLOUR))
    if f"validation_{quantity}" in epochs:
        values = epochs[f"validation_{quantity}"].astype(float) * scale
        datasets.append({"source": pd.DataFrame({axis: _positions(epochs, axis, batches), "validation": values})})
        series.append(_line("validation", axis, len(datasets) - 1, VALIDATION_COLOUR, symbols=True))
    return {
        "animation": False,
        "title": {"text": quantity.capitalize(), "left": 0, "top": 0, "textStyle": {"fontSize": 15, "fontWeight": 600}},
        "legend": {"top": 28, "left": 0, "data": ["train", "validation"]},
        "grid": {"left": 12, "right": 16, "top": 66, "bottom": 12},
        "tooltip": {"trigger": "axis", "valueFormatter": "%.1f%%" if quantity == "accuracy" else "%.3f"},
        "xAxis": _axis(_AXIS_TITLES[axis], gap=28, min=0),
        "yAxis": _axis("accuracy (%)" if quantity == "accuracy" else "loss", gap=38, scale=True),
        "dataset": datasets,
        "series": series,
    }


def over_time(
    rows: pd.DataFrame,
    lines: Mapping[str, str],
    title: str,
    unit: str,
    axis: Axis = "time",
    batches: int = 0,
    scale: float = 1.0,
    digits: int = 0,
) -> dict[str, Any] | None:
    """Some columns of a history as they were, from zero up.

    Args:
        rows: of `steps.jsonl` or `system.jsonl`.
        lines: column to the name of its line; columns that are missing or empty are left out.
        title: of the chart.
        unit: beside the vertical axis.
        axis: the x axis.
        batches: steps per epoch; 0 if not known.
        scale: what values are multiplied by.
        digits: behind the point, in the tooltip.

    Returns:
        An ECharts option; None if no column has a value.
    """
    known = {name: column for column, name in lines.items() if column in rows and rows[column].notna().any()}
    if not known:
        return None
    values = {name: rows[column].astype(float) * scale for name, column in known.items()}
    source = pd.DataFrame({axis: _positions(rows, axis, batches), **values}).iloc[thin(len(rows))]
    colours = (VALIDATION_COLOUR, TRAIN_COLOUR)
    several = len(known) > 1
    return {
        "animation": False,
        "title": {"text": title, "left": 0, "top": 10, "textStyle": {"fontSize": 15, "fontWeight": 600}},
        **({"legend": {"top": 36, "left": 0}} if several else {}),
        "grid": {"left": 12, "right": 16, "top": 72 if several else 50, "bottom": 12},
        "tooltip": {"trigger": "axis", "valueFormatter": f"%.{digits}f{'%%' if unit == '%' else f' {unit}'}"},
        "xAxis": _axis(_AXIS_TITLES[axis], gap=28, min=0),
        "yAxis": _axis(unit, gap=52 if digits > 2 else 38, min=0),
        "dataset": [{"source": source}],
        "series": [
            _line(name, axis, 0, colours[position], symbols=len(source) == 1) for position, name in enumerate(known)
        ],
    }


def _line(
    name: str,
    axis: Axis,
    dataset: int,
    colour: str,
    *,
    width: float = 2,
    opacity: float = 1.0,
    symbols: bool = False,
    silent: bool = False,
) -> dict[str, Any]:
    return {
        "type": "line",
        "name": name,
        "datasetIndex": dataset,
        "encode": {"x": axis, "y": name, "tooltip": [] if silent else [name]},
        "showSymbol": symbols,
        "symbol": "circle" if symbols else "none",
        "symbolSize": 6,
        "silent": silent,
        "color": colour,
        "lineStyle": {"width": width, "opacity": opacity},
        **({"tooltip": {"show": False}} if silent else {}),
    }


def _axis(name: str, gap: int, **more: Any) -> dict[str, Any]:
    return {"type": "value", "name": name, "nameLocation": "middle", "nameGap": gap, **more}


def smoothed(values: pd.Series, weight: float) -> pd.Series:
    """Exponential moving average without the pull towards zero at the beginning."""
    return values.ewm(alpha=1 - weight, adjust=True).mean() if weight > 0 else values


def thin(count: int, limit: int = MAX_POINTS) -> np.ndarray:
    """Evenly spaced positions, at most `limit`, always with the last one."""
    return np.unique(np.linspace(0, count - 1, min(count, limit)).astype(int)) if count else np.empty(0, int)


def _positions(frame: pd.DataFrame, axis: Axis, batches: int) -> pd.Series:
    if axis == "time":
        return frame["elapsed_s"] / 60
    if axis == "epoch":
        # Steps spread evenly over their epoch; without its length they stand where it begins.
        return frame["step"] / batches if batches else frame["epoch"]
    return frame["step"]
