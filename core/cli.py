"""What the commands share: options, and how results are printed."""

import csv
import json
import sys
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from core.config import TrainConfig
from core.errors import ConfigError, RunError
from core.machine import default_data_root, default_runs_root
from core.splits import ORIGINAL_TEST, current_split

if TYPE_CHECKING:
    from core.runs.records import Run
    from core.runs.summary import SubsetMetrics

RunsRoot = Annotated[
    Path,
    typer.Option(
        "--runs-root",
        help="Folder of the runs.",
        default_factory=default_runs_root,
        show_default="FER_RUNS_ROOT, else runs/",
    ),
]
DataRoot = Annotated[
    Path,
    typer.Option(
        "--data-root",
        help="Folder of the imported datasets.",
        default_factory=default_data_root,
        show_default="FER_DATA_ROOT, else data/",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
AsCsv = Annotated[bool, typer.Option("--csv", help="Print CSV.")]
RunName = Annotated[
    str, typer.Argument(metavar="RUN", help="Run id, an unambiguous prefix of it, or the path of the run folder.")
]
Settings = Annotated[
    list[str] | None, typer.Option("--set", metavar="FIELD=VALUE", help="Override one setting; repeatable.")
]


class Split(StrEnum):
    """The splits that figures are given for."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"
    ORIGINAL_TEST = ORIGINAL_TEST


def reported_split(name: str) -> Split:
    """The split of that name, present or old.

    Raises:
        ValueError: there is none; the message lists those there are.
    """
    try:
        return Split(current_split(name))
    except ValueError:
        raise ValueError(f"{name!r} is not one of {', '.join(Split)}.") from None


class Device(StrEnum):
    """What a network is computed on, as in `TrainConfig.device`."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


def pairs(settings: list[str] | None) -> dict[str, str]:
    """What `--set FIELD=VALUE` said.

    Raises:
        ConfigError: one has no value.
    """
    parts = [text.partition("=") for text in settings or []]
    for field, separator, _ in parts:
        if not separator:
            raise ConfigError(f"--set {field!r} has no value: write --set field=value, for instance --set epochs=5.")
    return {field.strip(): value.strip() for field, _, value in parts}


def find_runs(runs_root: Path, texts: Sequence[str]) -> "list[Run]":
    """The runs that ids, their beginnings or folders stand for, each once, in the order given.

    Raises:
        RunError: one of them stands for none or for several.
    """
    from core.runs.reader import find_run

    return list({run.id: run for run in (find_run(runs_root, text) for text in texts)}.values())


def config_of(run: "Run") -> TrainConfig:
    """The settings of a run.

    Raises:
        RunError: they cannot be read.
    """
    if run.config is None:
        raise RunError(f"Run {run.id} cannot be used: {run.problem}")
    return run.config


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


def percent(share: float | None) -> str:
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
