"""What a line chart is made of: lines, an x axis, and the sentence that tells it. No files, no Streamlit."""

import bisect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import pandas as pd

MAX_POINTS: Final = 1000
"""Of one line: more points than pixels only slow the browser down."""
NAMED_LINES: Final = 8
"""More are counted, not named, in the text alternative of a chart."""

AxisKind = Literal["epoch", "step", "time"]

_ROUND_SECONDS: Final = (
    10, 15, 30, 60, 120, 180, 300, 600, 900, 1200, 1800, 2700, 3600, 5400, 7200, 10_800, 14_400, 21_600, 28_800, 43_200,
)  # fmt: skip
_DAY_SECONDS: Final = 86_400


@dataclass(frozen=True)
class Plan:
    """How long a run is going to be, or how long it became if it ended early."""

    epochs: float
    batches: int
    """Per epoch; 0 if not known."""
    seconds: float
    """Of training."""


@dataclass(frozen=True)
class XAxis:
    """What lines run along. Its end is planned, so that it holds still while points arrive."""

    kind: AxisKind
    end: float
    """0 to here is shown; 0 if not known. In epochs, in steps, or in `unit`."""
    unit: str = ""
    """Of time: s, min or h."""
    unit_seconds: float = 1

    @property
    def title(self) -> str:
        return f"Time ({self.unit})" if self.kind == "time" else self.kind.capitalize()

    def positions(self, rows: pd.DataFrame, batches: int = 0) -> np.ndarray:
        """Where rows of a history stand, float (N,).

        Args:
            rows: with `elapsed_s` (time), `step` or `epoch`.
            batches: steps per epoch: steps are spread evenly over their epoch; 0: all at its number.
        """
        if self.kind == "time":
            return rows["elapsed_s"].to_numpy(float) / self.unit_seconds
        if self.kind == "epoch" and batches and "step" in rows:
            return rows["step"].to_numpy(float) / batches
        return rows[self.kind].to_numpy(float)


def x_axis(kind: AxisKind, plans: Sequence[Plan], *, estimated: bool = False) -> XAxis:
    """The axis on which all of these runs fit.

    Args:
        kind: what it counts.
        plans: of the runs; none: the length is not known.
        estimated: the seconds are a guess that changes all the time: the axis ends at the next round time.
    """
    if kind == "time":
        seconds = max((plan.seconds for plan in plans), default=0)
        unit, size = ("s", 1) if seconds <= 180 else ("min", 60) if seconds <= 3 * 3600 else ("h", 3600)
        return XAxis(kind, (_round_up(seconds) if estimated else seconds) / size, unit, size)
    if kind == "step":
        return XAxis(kind, max((plan.epochs * plan.batches for plan in plans), default=0))
    return XAxis(kind, max((plan.epochs for plan in plans), default=0))


def _round_up(seconds: float) -> float:
    place = bisect.bisect_left(_ROUND_SECONDS, seconds)
    return _ROUND_SECONDS[place] if place < len(_ROUND_SECONDS) else -(-seconds // _DAY_SECONDS) * _DAY_SECONDS


@dataclass(frozen=True)
class Line:
    """One line of a chart. Whatever it is called, hiding the name hides all of it."""

    name: str
    x: np.ndarray
    """float (N,), ascending."""
    y: np.ndarray
    """float (N,); NaN where there is no value."""
    colour: str
    dash: tuple[int, ...] = ()
    """Lengths of strokes and gaps, in pixels; empty: solid."""
    width: float = 2
    dots: bool = False
    """Mark each point."""
    raw: np.ndarray | None = None
    """float (N,): the values before smoothing, drawn faintly behind it; the y axis does not stretch for them."""
    band: tuple[np.ndarray, np.ndarray] | None = None
    """float (N,) each: lower and upper end of the spread around it."""

    def thinned(self, limit: int = MAX_POINTS) -> "Line":
        """At most so many points, evenly spread, always with the last one; without those that have no place."""
        known = np.flatnonzero(np.isfinite(self.x))
        kept = known[thin(len(known), limit)]
        return Line(
            self.name,
            self.x[kept],
            self.y[kept],
            self.colour,
            self.dash,
            self.width,
            self.dots,
            None if self.raw is None else self.raw[kept],
            None if self.band is None else (self.band[0][kept], self.band[1][kept]),
        )


@dataclass(frozen=True)
class LineChart:
    """A chart of some lines. Charts that are drawn together share the x axis, the crosshair and the legend."""

    key: str
    title: str
    """What is drawn, with its unit."""
    lines: Sequence[Line]
    digits: int = 3
    """Behind the point, of the values shown."""
    suffix: str = ""
    """Behind the values shown, such as %."""
    log: bool = False
    from_zero: bool = False
    top: float | None = None
    """Where the y axis ends, unless a value is above."""
    height: int = 260
    """Of the plot, in pixels."""


def described(chart: LineChart, axis: XAxis) -> str:
    """The chart in a sentence: the last value of each line, for those who cannot see it."""
    known = [line for line in chart.lines if np.isfinite(line.y).any()]
    if not known:
        return f"{chart.title}: no values yet"
    said = [_last(line, chart, axis) for line in known[:NAMED_LINES]]
    more = len(known) - len(said)
    return f"{chart.title}: {'; '.join(said)}" + (f"; and {more} more" if more else "")


def _last(line: Line, chart: LineChart, axis: XAxis) -> str:
    index = int(np.flatnonzero(np.isfinite(line.y))[-1])
    x, y = float(line.x[index]), float(line.y[index])
    place = f"{x:.1f} {axis.unit}" if axis.kind == "time" else f"{axis.kind} {x:,.1f}".removesuffix(".0")
    return f"{line.name} last {value_text(y, chart.digits)}{chart.suffix} at {place}"


def value_text(value: float, digits: int) -> str:
    """A value as the charts show it: in scientific notation where the digits would not do."""
    if value and not 10.0**-digits <= abs(value) < 1e6:
        return f"{value:.2e}"
    return f"{value:,.{digits}f}"


def thin(count: int, limit: int = MAX_POINTS) -> np.ndarray:
    """Evenly spaced positions, at most `limit`, always with the last one."""
    return np.unique(np.linspace(0, count - 1, min(count, limit)).astype(int)) if count else np.empty(0, int)
