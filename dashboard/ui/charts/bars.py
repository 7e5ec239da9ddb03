"""Bar charts over the seven classes."""

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from core.labels import COLOURS, LABELS
from dashboard.ui.charts.style import style


def bars_text(figure: go.Figure) -> str:
    """A bar chart of this module in words, for those who cannot see it: its title, and each class with its value."""
    [bars] = figure.data
    labels = bars.y if bars.orientation == "h" else bars.x
    values = ", ".join(f"{label} {text}" for label, text in zip(labels, bars.text, strict=True))
    return f"{figure.layout.title.text}: {values}"


def class_balance(counts: Mapping[str, int], split: str) -> go.Figure:
    """Images per class of one split."""
    figure = go.Figure(
        go.Bar(
            x=list(LABELS),
            y=[counts.get(label, 0) for label in LABELS],
            text=[f"{counts.get(label, 0):,}" for label in LABELS],
            textposition="outside",
            cliponaxis=False,
            marker_color=[COLOURS[label] for label in LABELS],
            hovertemplate="%{x}: %{y:,} images<extra></extra>",
        )
    )
    style(figure, f"Class distribution ({split})", height=300)
    figure.update_yaxes(title="images", rangemode="tozero")
    return figure


def probability_bars(probabilities: Sequence[float]) -> go.Figure:
    """The seven probabilities in class order, the first class on top."""
    values = [100 * value for value in probabilities]
    figure = go.Figure(
        go.Bar(
            x=values,
            y=list(LABELS),
            orientation="h",
            text=[f"{value:.1f}%" for value in values],
            textposition="outside",
            cliponaxis=False,
            marker_color=[COLOURS[label] for label in LABELS],
            hovertemplate="%{y}: %{x:.2f}%<extra></extra>",
        )
    )
    style(figure, "Class probabilities", height=250)
    figure.update_xaxes(range=[0, 112], tickvals=[0, 25, 50, 75, 100], ticksuffix="%")
    figure.update_yaxes(autorange="reversed")
    return figure
