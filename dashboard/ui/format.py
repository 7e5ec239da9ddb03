"""Values as text: percentages, durations, times, class names; user text made safe for Markdown."""

import re
from datetime import UTC, datetime
from typing import Any, Final, Literal

import pandas as pd

from core.labels import COLOURS, LABELS
from core.runs.summary import SubsetMetrics
from core.runs.table import spreadsheet_safe

Colour = Literal["gray", "blue", "green", "orange", "red", "violet"]


# --- text

_PUNCTUATION: Final = re.compile(r"([!-/:-@\[-`{-~])")
_JOINER: Final = "\u2060"
"""A character of no width."""
_PATTERNS: Final = re.compile(r":(?=[\w+/-])|www(?=\.)|@|[-<>~](?=[-=>])", re.IGNORECASE)
"""Backslashes stop Markdown, but emoji and icon codes, bare addresses and arrows are looked for in the finished text:
the joiner breaks them without being seen. Run ids and most names hold none of these and can be copied as they are."""


def escape(text: str) -> str:
    """User text for an element that renders Markdown: shows exactly the same characters, on one line."""
    flat = " ".join(text.split())
    broken = _PATTERNS.sub(lambda match: match.group() + _JOINER, flat)
    return _PUNCTUATION.sub(r"\\\1", broken)


def plain_cells(table: pd.DataFrame) -> pd.DataFrame:
    """A table whose own download no spreadsheet reads as formulas: text that would be one begins with a character of no
    width, in headers, in the index and in lists, too."""
    return table.map(plain_cell).rename(columns=plain_cell, index=plain_cell)


def plain_cell(value: Any) -> Any:
    """One cell as `plain_cells` makes it."""
    if isinstance(value, list):
        return [plain_cell(each) for each in value]
    return _JOINER + value if isinstance(value, str) and spreadsheet_safe(value) != value else value


def percent(fraction: float | None, digits: int = 1) -> str:
    """`0.7041` as `70.4%`; a dash for None."""
    return "–" if fraction is None else f"{100 * fraction:.{digits}f}%"


def with_interval(accuracy: float | None, interval: tuple[float, float]) -> str:
    """Accuracy and half-width of its interval, as in `70.4% ± 1.5 pp`; a dash for None. That the interval is the 95% CI
    is said by the label or the help beside it."""
    low, high = interval
    return "–" if accuracy is None else f"{percent(accuracy)} ± {100 * (high - low) / 2:.1f} pp"


def accuracy_in(metrics: SubsetMetrics | None) -> str:
    """The accuracy on a split or a part of one, as `with_interval` writes it; a dash before it was evaluated."""
    return "–" if metrics is None else with_interval(metrics.accuracy, metrics.interval)


EXPLODED: Final = 1000
"""A loss from here on tells nothing but that training has diverged; guessing among seven classes costs 1.95."""


def compact(value: float | None) -> str:
    """A loss: `0.907`, or `5.98e+12` where it has exploded; a dash for None."""
    if value is None:
        return "–"
    return f"{value:.3f}" if abs(value) < EXPLODED else f"{value:.2e}"


def duration(seconds: float | None) -> str:
    """Seconds in the two largest units that matter."""
    if seconds is None:
        return "–"
    whole = max(0, round(seconds))
    for unit, length, part, smaller in (("d", 86_400, "h", 3600), ("h", 3600, "min", 60), ("min", 60, "s", 1)):
        if whole >= length:
            rest = whole % length // smaller
            exactly = rest and (unit != "min" or whole < 600)  # seconds do not matter after ten minutes
            return f"{whole // length} {unit} {rest} {part}" if exactly else f"{whole // length} {unit}"
    return f"{whole} s"


def energy(joules: float) -> str:
    """Joules in watt-hours or kilowatt-hours, the unit of electricity meters."""
    hours = joules / 3600
    return f"{hours / 1000:.3g} kWh" if hours >= 1000 else f"{hours:.3g} Wh"


def ago(moment: datetime | None) -> str:
    """A time relative to now, such as `3 days ago` or `37 min ago`."""
    if moment is None:
        return "–"
    seconds = (datetime.now(UTC) - moment).total_seconds()
    for unit, length in _UNITS:
        if seconds >= length:
            count = int(seconds // length)
            return f"{count} {unit}{'' if count == 1 or unit == 'min' else 's'} ago"
    return "just now"


_UNITS: Final = (("year", 365 * 86_400), ("month", 30 * 86_400), ("day", 86_400), ("hour", 3600), ("min", 60))
"""Unit and its length in seconds."""


def exact(moment: datetime | None) -> str:
    """The same time in full, for a tooltip."""
    return "" if moment is None else f"{moment.astimezone():%Y-%m-%d %H:%M:%S %Z}"


CLASS_COLOURS: Final = {label: [COLOURS[label], "#ffffff" if label == "sad" else "#15181e"] for label in LABELS}
"""Class to background and text of its chip; dark text reads on all but one."""


def class_chip(label: str) -> str:
    """A class name on its colour, as Markdown."""
    background, text = CLASS_COLOURS[label]
    return f':color[\u00a0{label}\u00a0]{{foreground="{text}" background="{background}"}}'
