"""Colours and layout that all charts share."""

from typing import Final

import plotly.graph_objects as go

TRAIN_COLOUR: Final = "#8d93a1"
VALIDATION_COLOUR: Final = "#4f74e3"


CHART_CONFIG: Final = {"displayModeBar": False, "scrollZoom": False}


def style(figure: go.Figure, title: str, height: int) -> None:
    figure.update_layout(
        title={"text": title, "font": {"size": 15}, "x": 0, "xanchor": "left", "y": 0.98, "yanchor": "top"},
        height=height,
        margin={"l": 8, "r": 16, "t": 36, "b": 8},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"size": 13},
        bargap=0.3,
    )
    figure.update_xaxes(automargin=True)
    figure.update_yaxes(automargin=True)
