"""Line charts that hold still while data arrive: tooltip, hidden lines and zoom stay as they are.

`st.echarts_chart` cannot do that, it gives ECharts each new option with `notMerge`, which forgets all of them. These
are drawn by uPlot (https://github.com/leeoniya/uPlot, MIT licence), with files of its npm package 1.6.32.
"""

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import streamlit as st

from dashboard.ui.charts.lines import Line, LineChart, XAxis, described

_FOLDER: Final = Path(__file__).parent / "line_charts"
_LIBRARY: Final = ("uplot/uPlot.iife.min.js", "text.js", "panel.js", "group.js")


def _read(*names: str) -> str:
    return "\n".join((_FOLDER / name).read_text() for name in names)


# What draws is large and never changes: an element of its own, which the browser gets once. Updates carry data only.
_library = st.components.v2.component("fer_chart_library", js=_read(*_LIBRARY))
_charts = st.components.v2.component(
    "fer_charts",
    html="<fer-charts></fer-charts>",
    css=_read("uplot/uPlot.min.css", "style.css"),
    js=_read("mount.js"),
)


def line_charts(charts: Sequence[LineChart], axis: XAxis, key: str) -> None:
    """Charts in a grid, with one crosshair, one zoom along the x axis and one legend for lines of the same name.

    Args:
        charts: each with a key of its own.
        axis: the x axis of all of them.
        key: of the component.
    """
    x = {"kind": axis.kind, "title": axis.title, "unit": axis.unit, "end": axis.end}
    with st.container(gap=None):  # the library is an element, too, and takes no room
        _library(key=f"{key}-library")
        _charts(data={"x": x, "charts": [_chart(chart, axis) for chart in charts]}, key=key)


def _chart(chart: LineChart, axis: XAxis) -> dict[str, Any]:
    return {
        "key": chart.key,
        "title": chart.title,
        "digits": chart.digits,
        "suffix": chart.suffix,
        "log": chart.log,
        "zero": chart.from_zero,
        "top": chart.top,
        "height": chart.height,
        "described": described(chart, axis),
        "lines": [_line(line.thinned()) for line in chart.lines],
    }


def _line(line: Line) -> dict[str, Any]:
    low, high = line.band or (None, None)
    return {
        "name": line.name,
        "colour": line.colour,
        "dash": list(line.dash),
        "width": line.width,
        "dots": line.dots,
        "x": packed(line.x),
        "y": packed(line.y),
        "raw": packed(line.raw),
        "low": packed(low),
        "high": packed(high),
    }


def packed(values: np.ndarray | None) -> str | None:
    """Numbers as base64 of little-endian float32: a third of their JSON, and quicker to write and to read."""
    if values is None:
        return None
    with np.errstate(over="ignore"):  # what is too large for one becomes a gap, as everything that is not finite
        return base64.b64encode(values.astype("<f4").tobytes()).decode()
