"""The reliability diagram: data in, figure out."""

import pandas as pd
import plotly.graph_objects as go

from dashboard.ui.charts.style import NEUTRAL_COLOUR, TRAIN_COLOUR


def reliability_chart(bins: pd.DataFrame, title: str) -> go.Figure:
    """Accuracy over confidence, with the diagonal of perfect calibration.

    Args:
        bins: as `core.evaluation.per_class.reliability` gives them.
        title: of the chart.
    """
    figure = go.Figure()
    figure.add_scatter(
        x=[0, 100],
        y=[0, 100],
        mode="lines",
        line={"color": NEUTRAL_COLOUR, "width": 1, "dash": "dash"},
        hoverinfo="skip",
        showlegend=False,
    )
    figure.add_scatter(
        x=100 * bins["confidence"],
        y=100 * bins["accuracy"],
        customdata=bins[["images", "low", "high"]],
        mode="lines+markers",
        line={"color": TRAIN_COLOUR, "width": 2},
        marker={"size": 8},
        error_y={
            "type": "data",
            "symmetric": False,
            "array": 100 * (bins["accuracy_high"] - bins["accuracy"]),
            "arrayminus": 100 * (bins["accuracy"] - bins["accuracy_low"]),
            "thickness": 1.2,
            "width": 3,
        },
        hovertemplate="%{customdata[0]:,} images<br>confidence %{x:.1f}%<br>accuracy %{y:.1f}%<extra></extra>",
        showlegend=False,
    )
    figure.update_layout(
        title={"text": title, "font": {"size": 15}, "x": 0, "xanchor": "left", "y": 0.98, "yanchor": "top"},
        height=320,
        margin={"l": 8, "r": 16, "t": 40, "b": 8},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"size": 13},
    )
    figure.update_xaxes(title="mean confidence (%)", range=[0, 102], automargin=True)
    figure.update_yaxes(title="accuracy (%)", range=[0, 102], automargin=True)
    return figure
