"""Charts of results over settings, on the Compare page: data in, ECharts options out. No files, no Streamlit."""

from collections.abc import Mapping, Sequence
from typing import Any

from dashboard.ui.charts.style import colour_of


def scatter(
    points: Sequence[tuple[str, float | str, float, tuple[float, float] | None]], setting: str, result: str
) -> dict[str, Any]:
    """A result of each run over one of its settings, with its 95% interval where there is one.

    Args:
        points: name, value of the setting, result and its interval of each run; colours follow their order.
        setting: title of the x axis.
        result: title of the y axis, with its unit.

    Returns:
        An ECharts option.
    """
    words = any(isinstance(value, str) for _, value, _, _ in points)
    series: list[dict[str, Any]] = []
    for position, (name, value, height, interval) in enumerate(points):
        where = str(value) if words else value
        colour = colour_of(position)
        point = {"type": "scatter", "name": name, "data": [[where, height]], "symbolSize": 12, "color": colour}
        label = {"show": True, "formatter": "{a}", "position": "right"}
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
            **({"data": list(dict.fromkeys(str(value) for _, value, _, _ in points))} if words else {"scale": True}),
            "name": setting,
            "nameLocation": "middle",
            "nameGap": 28,
        },
        "yAxis": {"type": "value", "name": result, "nameLocation": "middle", "nameGap": 44, "scale": True},
        "series": series,
    }


def parallel(names: Sequence[str], columns: Mapping[str, Sequence[float | str]]) -> dict[str, Any]:
    """Each run as a line through its settings to its result.

    Args:
        names: of the runs; colours follow their order.
        columns: axis to one value per run, the result last; an axis with words has them in the order they come.

    Returns:
        An ECharts option.
    """
    axes: list[dict[str, Any]] = []
    for number, (title, values) in enumerate(columns.items()):
        axis: dict[str, Any] = {"dim": number, "name": title, "nameTextStyle": {"fontSize": 12}}
        if any(isinstance(value, str) for value in values):
            axis |= {"type": "category", "data": list(dict.fromkeys(str(value) for value in values))}
        else:
            axis |= {"type": "value", "scale": True}
        axes.append(axis)
    rows = zip(*columns.values(), strict=True)
    return {
        "animation": False,
        "parallel": {"left": 48, "right": 96, "top": 44, "bottom": 24},
        "parallelAxis": axes,
        "tooltip": {"trigger": "item"},
        "series": [
            {
                "type": "parallel",
                "name": name,
                "lineStyle": {"width": 2, "color": colour_of(position), "opacity": 0.9},
                "data": [[str(value) if axes[i]["type"] == "category" else value for i, value in enumerate(row)]],
            }
            for position, (name, row) in enumerate(zip(names, rows, strict=True))
        ],
    }
