"""Bar charts over the seven classes."""

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from core.labels import COLOURS, LABELS
from dashboard.ui.charts.style import colour_of, style


def bars_text(figure: go.Figure) -> str:
    """A bar chart of this module in words, for those who cannot see it: its title, and each class with its value."""
    told = []
    for bars in figure.data:
        labels = bars.y if bars.orientation == "h" else bars.x
        values = ", ".join(f"{label} {text}" for label, text in zip(labels, bars.text, strict=True))
        told.append(f"{bars.name}: {values}" if bars.name else values)
    return f"{figure.layout.title.text}: {'; '.join(told)}"


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
    figure.update_yaxes(title="images", rangemode="tozero", tickformat=",d")
    return figure


def probability_bars(*models: Sequence[float], names: Sequence[str] = ()) -> go.Figure:
    """The seven probabilities, the most likely class on top; those of several models side by side, in the order of the
    first.

    Args:
        models: probabilities of each model in the order of `LABELS`, 0..1.
        names: of several models; may hold anything.
    """
    order = _ranking(models[0])
    labels = [LABELS[index] for index in order]
    figure = go.Figure()
    for position, probabilities in enumerate(models):
        values = [100 * probabilities[index] for index in order]
        figure.add_bar(
            x=values,
            y=labels,
            name=_plain(names[position]) if names else None,
            orientation="h",
            text=[f"{value:.1f}%" for value in values],
            textposition="outside",
            cliponaxis=False,
            marker_color=colour_of(position) if names else [COLOURS[label] for label in labels],
            hovertemplate="%{y}: %{x:.2f}%<extra></extra>",
        )
    style(figure, "Class probabilities", height=400 if names else 250)
    ticks = (0, 25, 50, 75, 100)
    figure.update_xaxes(range=[0, 112], tickvals=ticks, ticktext=[f"{tick}%" for tick in ticks])
    figure.update_yaxes(autorange="reversed")
    if names:
        legend = {"orientation": "h", "x": 0, "xanchor": "left", "y": 1, "yanchor": "bottom"}
        figure.update_layout(showlegend=True, legend=legend, margin_t=72)
    return figure


def _ranking(probabilities: Sequence[float]) -> list[int]:
    """Class indices, the most likely first."""
    return sorted(range(len(LABELS)), key=lambda index: -probabilities[index])


def _plain(text: str) -> str:
    """Text for a Plotly legend, which would take some of it as HTML."""
    return text.replace("&", "&amp;").replace("<", "&lt;")
