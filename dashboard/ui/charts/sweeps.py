"""Charts of what settings do, on the page of a group of runs: data in, ECharts options out. No files, no Streamlit."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from core.runs.fields import setting_text
from dashboard.ui.charts.comparison import in_parallel
from dashboard.ui.charts.style import NEUTRAL_COLOUR, TRAIN_COLOUR, VALIDATION_COLOUR

LOW_TO_HIGH: Final = ("#3a6fd8", NEUTRAL_COLOUR, "#e06c10")
"""Blue to orange, which everybody tells apart, and none of it is lost on white or on black."""
MOST_TICKS: Final = 8
"""So many values of a setting each have a place of their own on an axis; of more, the axis is a scale."""
DECADE: Final = 10.0
"""Positive numbers that lie further apart are on a logarithmic scale."""
MARGIN: Final = 0.05
"""Of the span of an axis, left free at both ends."""
STEPS: Final = ((0, 1), (6, 2), (15, 5), (60, 10))
"""From which span on an axis begins and ends at multiples of what."""


class ScoredRun(NamedTuple):
    """One run in a chart of one setting."""

    name: str
    accuracy: float
    """In percent."""


class Tried(NamedTuple):
    """A value of a setting, and the runs that have it."""

    value: Any
    points: Sequence[ScoredRun]
    mean: float
    """In percent."""
    deviation: float | None
    """Sample standard deviation in percentage points; None of a single run."""


def parallel_settings(
    names: Sequence[str],
    columns: Mapping[str, Sequence[Any]],
    title: str,
    results: Sequence[float],
    *,
    best: int,
    dark: bool = False,
) -> dict[str, Any]:
    """Each run as a line through its settings to its result, which also gives its colour.

    Args:
        names: of the runs, at least one.
        columns: title of a setting to its value in each run.
        title: of the axis of results.
        results: one per run.
        best: position of the run whose line is thicker.
        dark: whether it is on a dark page: lines pass behind the labels, which have a rim in the colour of the page.

    Returns:
        An ECharts option.
    """
    ink, paper = ("#e6e8ee", "#12151c") if dark else ("#31333f", "#ffffff")
    rim = {"color": ink, "textBorderColor": paper, "textBorderWidth": 4}
    axes = {field: setting_axis(values) for field, values in columns.items()}
    axes[title] = {"type": "value", "scale": True}
    axes = {each: axis | {"z": 10, "axisLabel": rim} for each, axis in axes.items()}
    places = [
        [setting_text(value) for value in values] if axes[field]["type"] == "category" else list(values)
        for field, values in columns.items()
    ]
    data = [
        {"name": name, "value": list(row), "lineStyle": {"width": 5 if position == best else 2, "opacity": 0.8}}
        for position, (name, *row) in enumerate(zip(names, *places, results, strict=True))
    ]
    scale = {
        "type": "continuous",
        "show": False,  # the last axis says what a colour means
        "min": min(results),
        "max": max(results) if max(results) > min(results) else min(results) + 1,
        "dimension": len(columns),
        "inRange": {"color": list(LOW_TO_HIGH)},
    }
    return in_parallel(axes, {"visualMap": scale, "series": [{"type": "parallel", "data": data}]})


def setting_axis(values: Sequence[Any]) -> dict[str, Any]:
    """The axis of a setting: each value that was tried has a place of its own, in ascending order; many numbers are on
    a scale, a logarithmic one where they are decades apart."""
    different = in_order(values)
    numbers = [value for value in different if isinstance(value, int | float) and not isinstance(value, bool)]
    if len(numbers) < len(different) or len(different) <= MOST_TICKS:
        return {"type": "category", "data": [setting_text(value) for value in different]}
    if numbers[0] > 0 and numbers[-1] / numbers[0] >= DECADE:
        return {"type": "log", "min": numbers[0], "max": numbers[-1]}
    return {"type": "value", "scale": True}


def in_order(values: Sequence[Any]) -> list[Any]:
    """The different values of a setting: numbers in ascending order, words as they come."""
    different = list(dict.fromkeys(values))
    numeric = all(isinstance(value, int | float) for value in different)
    return sorted(different) if numeric else different


def effect_chart(tried: Sequence[Tried], setting: str, result: str, span: tuple[float, float]) -> dict[str, Any]:
    """Results over the values of one setting: a point per run, and mean ± standard deviation per value.

    Args:
        tried: the values, in the order of the axis.
        setting: title of the x axis.
        result: title of the y axis, with its unit.
        span: of all charts beside each other, see `span_of`.

    Returns:
        An ECharts option.
    """
    labels = [f"{setting_text(each.value)}\nn = {len(each.points)}" for each in tried]
    low, high = axis_span(*span)
    points = {
        "type": "scatter",
        "name": "Runs",
        "symbolSize": 9,
        "color": TRAIN_COLOUR,
        "itemStyle": {"opacity": 0.65},
        "tooltip": {"formatter": "{b}: {@[1]}%"},
        "data": [
            {"name": point.name, "value": [label, round(point.accuracy, 2)]}
            for label, each in zip(labels, tried, strict=True)
            for point in each.points
        ],
    }
    return {
        "animation": False,
        "grid": {"left": 12, "right": 12, "top": 16, "bottom": 12},
        "tooltip": {"trigger": "item"},
        "xAxis": {
            "type": "category",
            "data": labels,
            "name": setting,
            "nameLocation": "middle",
            "nameGap": 46,
            "axisLabel": {"interval": 0, "hideOverlap": True, "lineHeight": 16},
            "jitter": 40,
            "jitterOverlap": False,
        },
        "yAxis": {
            "type": "value",
            "name": result,
            "nameLocation": "middle",
            "nameGap": 40,
            "min": low,
            "max": high,
        },
        "series": [points, *filter(None, map(_mean_and_deviation, labels, tried))],
    }


def axis_span(low: float, high: float) -> tuple[float, float]:
    """From where to where an axis of percentages goes, at round numbers, so that no point lies on its end."""
    margin = max(MARGIN * (high - low), 0.5)
    step = max(step for least, step in STEPS if high - low >= least)
    low, high = math.floor((low - margin) / step) * step, math.ceil((high + margin) / step) * step
    return float(max(0, low)), float(min(100, high))


def span_of(effects: Sequence[Sequence[Tried]]) -> tuple[float, float]:
    """Least and largest of what `effect_chart` draws of these, in percent."""
    everything = [each for tried in effects for each in tried]
    ends = [each.mean + sign * (each.deviation or 0.0) for each in everything for sign in (-1, 1)]
    ends += [point.accuracy for each in everything for point in each.points]
    return min(ends), max(ends)


def _mean_and_deviation(label: str, tried: Tried) -> dict[str, Any] | None:
    """A broad stroke at the mean, and a line with ends from one deviation below to one above; nothing for one run."""
    if tried.deviation is None:
        return None
    ends = (tried.mean - tried.deviation, tried.mean, tried.mean + tried.deviation)
    return {
        "type": "line",
        "name": "Mean ± SD",
        "symbol": "rect",
        "silent": True,
        "color": VALIDATION_COLOUR,
        "lineStyle": {"width": 2},
        "z": 3,
        "data": [
            {"value": [label, end], "symbolSize": size}
            for end, size in zip(ends, ([12, 2], [30, 4], [12, 2]), strict=True)
        ],
    }
