"""Charts of results over settings, on the Compare page: data in, ECharts options out. No files, no Streamlit."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from dashboard.ui.charts.style import colour_of

WIDE_TITLE: Final = 14
"""Characters of an axis title that fit beside others; longer ones go over several lines."""
NARROW: Final = 700
"""Pixels of width; in less, the titles of parallel axes are slanted."""


class RunPoint(NamedTuple):
    """A run in the scatter plot."""

    name: str
    position: int
    """Among all runs shown: gives the colour."""
    value: float | str
    """Of the setting."""
    result: float
    interval: tuple[float, float] | None
    """95% interval of the result, where there is one."""


def scatter(points: Sequence[RunPoint], setting: str, result: str) -> dict[str, Any]:
    """A result of each run over one of its settings, with its 95% interval where there is one.

    Args:
        points: the runs.
        setting: title of the x axis.
        result: title of the y axis, with its unit.

    Returns:
        An ECharts option.
    """
    words = any(isinstance(point.value, str) for point in points)
    series: list[dict[str, Any]] = []
    for (name, position, value, height, interval), side in zip(points, label_sides(points), strict=True):
        where = str(value) if words else value
        colour = colour_of(position)
        point = {"type": "scatter", "name": name, "data": [[where, height]], "symbolSize": 12, "color": colour}
        label = {"show": True, "formatter": "{a}", "position": side}
        series.append(point | {"label": label, "labelLayout": {"hideOverlap": True}})
        if interval:
            ends = [[where, interval[0]], [where, interval[1]]]
            series.append(
                {
                    "type": "line",
                    "data": ends,
                    "symbol": "none",
                    "silent": True,
                    "color": colour,
                    "lineStyle": {"width": 1.5},
                }
            )
    return {
        "animation": False,
        "grid": {"left": 12, "right": 24, "top": 20, "bottom": 12},
        "tooltip": {"trigger": "item"},
        "xAxis": {
            "type": "category" if words else "value",
            **({"data": categories([point.value for point in points])} if words else {"scale": True}),
            "name": setting,
            "nameLocation": "middle",
            "nameGap": 28,
        },
        "yAxis": {"type": "value", "name": result, "nameLocation": "middle", "nameGap": 44, "scale": True},
        "series": series,
    }


def label_sides(points: Sequence[RunPoint]) -> list[str]:
    """Names of points above each other stand to the right and to the left by turns, so that they do not meet."""
    sides = ["right"] * len(points)
    turns: dict[float | str, int] = {}
    for index in sorted(range(len(points)), key=lambda each: points[each].result):
        value = points[index].value
        turns[value] = turns.get(value, 0) + 1
        sides[index] = "right" if turns[value] % 2 else "left"
    return sides


def categories(values: Sequence[float | str]) -> list[str]:
    """The different values of an axis with words: numbers in ascending order, then words as they come. What has a word
    among numbers has no limit, such as `all` images, and is more than each of them."""
    different = list(dict.fromkeys(values))
    numbers = sorted(value for value in different if not isinstance(value, str))
    return [str(value) for value in (*numbers, *(value for value in different if isinstance(value, str)))]


def parallel(runs: Sequence[tuple[str, int]], columns: Mapping[str, Sequence[float | str]]) -> dict[str, Any]:
    """Each run as a line through its settings to its result.

    Args:
        runs: name, and position among all runs shown, which gives the colour.
        columns: axis to one value per run, the result last; an axis with words has its values as `categories` does.

    Returns:
        An ECharts option.
    """
    axes: list[dict[str, Any]] = []
    for values in columns.values():
        if any(isinstance(value, str) for value in values):
            axes.append({"type": "category", "data": categories(values)})
        else:
            axes.append({"type": "value", "scale": True})
    rows = zip(*columns.values(), strict=True)
    series = [
        {
            "type": "parallel",
            "name": name,
            "lineStyle": {"width": 2, "color": colour_of(position), "opacity": 0.75},
            "data": [[str(value) if axes[i]["type"] == "category" else value for i, value in enumerate(row)]],
        }
        for (name, position), row in zip(runs, rows, strict=True)
    ]
    return in_parallel(dict(zip(columns, axes, strict=True)), {"series": series})


def in_parallel(axes: Mapping[str, dict[str, Any]], drawn: dict[str, Any]) -> dict[str, Any]:
    """Parallel axes with room for their titles, also in a narrow window.

    Args:
        axes: title to the options of the axis, from left to right.
        drawn: the series, and what else the chart has.

    Returns:
        An ECharts option.
    """
    wide = {
        "animation": False,
        "parallel": {"left": 64, "right": 80, "top": 56, "bottom": 24},
        "parallelAxis": [
            {
                "dim": number,
                "name": in_lines(title),
                "nameTruncate": {"maxWidth": 240},
                "nameTextStyle": {"lineHeight": 14},
                **axis,
            }
            for number, (title, axis) in enumerate(axes.items())
        ],
        "tooltip": {"trigger": "item"},
        **drawn,
    }
    narrow = {
        "parallel": {"left": 24, "right": 96, "top": 120, "bottom": 24},
        "parallelAxis": [
            {"name": title, "nameRotate": 45, "axisLabel": {"fontSize": 10, "width": 34, "overflow": "truncate"}}
            for title in axes
        ],
    }
    return {"baseOption": wide, "media": [{"query": {"maxWidth": NARROW}, "option": narrow}]}


def in_lines(title: str) -> str:
    """A title over as many lines as it needs, broken between its words."""
    lines = [""]
    for word in re.findall(r"[^_ ]+[_ ]?", title):
        if lines[-1] and len(lines[-1] + word.rstrip()) > WIDE_TITLE:
            lines.append("")
        lines[-1] += word
    return "\n".join(line.rstrip() for line in lines)
