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


def run_as_json(run: "Run") -> dict[str, Any]:
    """Everything about a run, as `--json` prints it."""
    return {
        "id": run.id,
        "name": run.name,
        "state": str(run.state),
        "problem": run.problem,
        "status": run.status.model_dump(mode="json"),
        "meta": run.meta.model_dump(mode="json"),
        "config": run.config and run.config.model_dump(mode="json"),
        "summary": run.summary.as_json(),
    }


def print_json(value: Any) -> None:
    """Print a value as JSON."""
    print(json.dumps(value, indent=1))


def print_csv(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print rows that all have the same columns; no text in them is taken for a formula."""
    from core.runs.table import spreadsheet_safe

    writer = csv.DictWriter(sys.stdout, list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({key: spreadsheet_safe(v) if isinstance(v, str) else v for key, v in row.items()})


def as_percent(share: float | None) -> str:
    """A share with two digits."""
    return "-" if share is None else f"{100 * share:.2f} %"


def figure(metrics: "SubsetMetrics | None") -> str:
    """An accuracy with half of its 95 % interval, or a dash."""
    if metrics is None:
        return "-"
    low, high = metrics.interval
    return f"{100 * metrics.accuracy:.2f} % ± {50 * (high - low):.1f}"


def figure_on_test(run: "Run") -> str:
    """A run's accuracy on test, or a dash."""
    return figure(run.metrics("test"))


def print_reproduction(verdict: "Reproduction") -> None:
    """Print the verdict on a reproduction: its words, then what was the same."""
    print(f"reproduces    {verdict.reproduces}")
    print(verdict.words)
    for check in verdict.checks:
        said = "not recorded" if check.same is None else "same" if check.same else "differs"
        print(f"{check.what:13} {said:8} {check.words}" if check.same is not None else f"{check.what:13} {said}")
