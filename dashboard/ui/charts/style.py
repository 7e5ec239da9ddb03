"""Colours and layout that all charts share."""

from typing import Final

import plotly.graph_objects as go

TRAIN_COLOUR: Final = "#4f74e3"
VALIDATION_COLOUR: Final = "#e08a1e"
NEUTRAL_COLOUR: Final = "#8d93a1"
"""Of what is only there to compare with."""

PALETTE: Final = (
    "#4f74e3", "#e08a1e", "#1f9d8a", "#c2529e", "#7a8b2c", "#8a5cd6", "#c9503c", "#3a9bc1", "#a0763a", "#6b7280",
)  # fmt: skip
"""Colours of runs, told apart on light and dark; none of them means a class or a state."""
DASHES: Final[tuple[tuple[int, ...], ...]] = ((), (7, 4), (2, 3), (9, 3, 2, 3))
"""Of the first ten runs, the second ten, ...: solid, dashed, dotted, dash-dotted."""
_DASH_SIGNS: Final = ("━━", "╍╍", "┅┅", "━┅")


CHART_CONFIG: Final = {"displayModeBar": False, "scrollZoom": False}


def colour_of(position: int) -> str:
    """The colour of the run at this position; after ten they repeat, with another dash."""
    return PALETTE[position % len(PALETTE)]


def dash_of(position: int) -> tuple[int, ...]:
    """The dash of the run at this position, as lengths of strokes and gaps in pixels; empty for a solid line."""
    return DASHES[position // len(PALETTE) % len(DASHES)]


def dash_sign(position: int) -> str:
    """A piece of the line of the run at this position, in characters."""
    return _DASH_SIGNS[position // len(PALETTE) % len(DASHES)]


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
