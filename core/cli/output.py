"""How the commands print results."""

import csv
import json
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from core.comparison.reproduction import Reproduction
    from core.runs.records import Run
    from core.runs.summary import SubsetMetrics


def print_json(value: Any) -> None:
    """Print a value as JSON."""
    print(json.dumps(value, indent=1))


def print_csv(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print rows that all have the same columns; a spreadsheet treats no text in them as a formula."""
    from core.runs.table import spreadsheet_safe

    writer = csv.DictWriter(sys.stdout, list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({key: spreadsheet_safe(v) if isinstance(v, str) else v for key, v in row.items()})


def as_percent(fraction: float | None) -> str:
    """A fraction in percent, with two decimals, or a dash."""
    return "-" if fraction is None else f"{100 * fraction:.2f}%"


def accuracy_text(metrics: "SubsetMetrics | None") -> str:
    """An accuracy ± the half-width of its 95% confidence interval, in percentage points, or a dash."""
    if metrics is None:
        return "-"
    return _with_interval(metrics.accuracy, metrics.interval)


def _with_interval(accuracy: float, interval: tuple[float, float]) -> str:
    low, high = interval
    return f"{100 * accuracy:.2f}% ± {50 * (high - low):.1f} pp"


def accuracy_on_validation(run: "Run") -> str:
    """A run's best validation accuracy so far, or a dash; without an interval where the number of images is unknown."""
    if run.validation_accuracy is None or run.validation_interval is None:
        return as_percent(run.validation_accuracy)
    return _with_interval(run.validation_accuracy, run.validation_interval)


def accuracy_on_test(run: "Run") -> str:
    """A run's test accuracy, or a dash."""
    return accuracy_text(run.metrics("test"))


def print_reproduction(result: "Reproduction") -> None:
    """Print the result of a reproduction: its words, then the checks."""
    print(f"reproduces    {result.reproduces}")
    print(result.words)
    for check in result.checks:
        outcome = "not recorded" if check.same is None else "same" if check.same else "differs"
        print(f"{check.what:13} {outcome:8} {check.words}" if check.same is not None else f"{check.what:13} {outcome}")
