"""The confusion matrix as a chart."""

import numpy as np
import plotly.graph_objects as go

from core.labels import LABELS
from dashboard.ui.charts.style import style


def confusion_chart(
    matrix: np.ndarray, title: str = "Confusion matrix, row-normalized, %", height: int = 400, dark: bool = False
) -> go.Figure:
    """Rows are true classes, columns predicted ones; shade and number are the percentage of the row.

    Args:
        matrix: (7, 7) counts, row = true class.
        title: of the chart.
        height: in pixels.
        dark: whether the page is; the theme's own gray is too faint on the shades.
    """
    total = matrix.sum(axis=1, keepdims=True)
    percentages = np.divide(matrix * 100.0, total, out=np.zeros(matrix.shape), where=total > 0)
    figure = go.Figure(
        go.Heatmap(
            z=percentages,
            x=LABELS,
            y=LABELS,
            customdata=matrix,
            # From nothing to a half covering accent: both light and dark text stay readable on it.
            colorscale=[[0, "rgba(79,116,227,0)"], [1, "rgba(79,116,227,0.6)"]],
            zmin=0,
            zmax=100,
            showscale=False,
            xgap=2,
            ygap=2,
            hovertemplate="true %{y}, predicted %{x}<br>%{customdata} images, %{z:.1f}% of true %{y}<extra></extra>",
        )
    )
    # Text as a trace of its own: the heatmap would choose black or white by the shade alone and miss the theme.
    rows, columns = np.indices(percentages.shape)
    figure.add_scatter(
        x=[LABELS[i] for i in columns.ravel()],
        y=[LABELS[i] for i in rows.ravel()],
        text=[f"{value:.0f}" for value in percentages.ravel()],
        mode="text",
        textfont={"size": 13, "weight": 600, "color": "#eceff6" if dark else "#1f2530"},
        hoverinfo="skip",
        showlegend=False,
    )
    style(figure, title, height)
    figure.update_xaxes(title="predicted", showgrid=False)
    figure.update_yaxes(title="true", autorange="reversed", showgrid=False)
    return figure
