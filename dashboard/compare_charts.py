"""Figures of the Compare page: data in, ECharts options out. No reading of files, no Streamlit."""

from collections.abc import Sequence
from typing import Any, Final, Literal

import pandas as pd

PALETTE: Final = (
    "#4f74e3", "#e08a1e", "#1f9d8a", "#c2529e", "#7a8b2c", "#8a5cd6", "#c9503c", "#3a9bc1", "#a0763a", "#6b7280",
)  # fmt: skip
"""Colours of runs, told apart on light and dark; none of them means a class or a state."""

Quantity = Literal["accuracy", "loss"]


def colour_of(position: int) -> str:
    """The colour of the run at this position; after ten they come again, then with dashed lines."""
    return PALETTE[position % len(PALETTE)]


def overlay(runs: Sequence[tuple[str, pd.DataFrame]], quantity: Quantity, baseline: int = -1) -> dict[str, Any]:
    """Validation accuracy or loss per epoch of several runs over each other.

    Args:
        runs: display name and rows of `epochs.jsonl` of each.
        quantity: which of the two.
        baseline: position of the run that is drawn thicker.

    Returns:
        An ECharts option.
    """
    column, scale = f"validation_{quantity}", 100 if quantity == "accuracy" else 1
    datasets, series = [], []
    for position, (name, epochs) in enumerate(runs):
        if column not in epochs:
            continue
        values = pd.DataFrame({"epoch": epochs["epoch"], "value": epochs[column].astype(float) * scale})
        datasets.append({"source": values})
        colour = colour_of(position)
        series.append(
            {
                "type": "line",
                "name": name,
                "datasetIndex": len(datasets) - 1,
                "encode": {"x": "epoch", "y": "value", "tooltip": ["value"]},
                "showSymbol": len(values) == 1,
                "symbol": "circle",
                "color": colour,
                "lineStyle": {
                    "width": 3 if position == baseline else 1.6,
                    "type": "dashed" if position >= len(PALETTE) else "solid",
                },
            }
        )
    unit = "accuracy (%)" if quantity == "accuracy" else "cross-entropy (nats)"
    return {
        "animation": False,
        "title": {
            "text": f"Validation {quantity}",
            "left": 0,
            "top": 10,
            "textStyle": {"fontSize": 15, "fontWeight": 600},
        },
        "grid": {"left": 12, "right": 16, "top": 50, "bottom": 12},
        "tooltip": {"trigger": "axis", "valueFormatter": "%.1f %%" if quantity == "accuracy" else "%.3f"},
        "xAxis": {"type": "value", "name": "epoch", "nameLocation": "middle", "nameGap": 28, "min": 0},
        "yAxis": {"type": "value", "name": unit, "nameLocation": "middle", "nameGap": 38, "scale": True},
        "dataset": datasets,
        "series": series,
    }
