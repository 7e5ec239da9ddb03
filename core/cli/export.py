"""`python -m core export RUN --format ...`: a run in another format. A new format is a function here and a line in
`EXPORTERS`."""

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from core.cli.options import RunName, RunsRoot
from core.errors import RunError, system_reason

if TYPE_CHECKING:
    from core.runs.records import Run


class Format(StrEnum):
    """What a run can be exported as."""

    CSV = "csv"
    ZIP = "zip"
    ONNX = "onnx"


def export(
    run: RunName,
    runs_root: RunsRoot,
    form: Annotated[
        Format,
        typer.Option(
            "--format",
            help="csv: curves with every point. zip: run folder without checkpoint. onnx: best weights.",
        ),
    ],
    output: Annotated[Path, typer.Option("--output", help="Folder to write to.")] = Path(),
) -> None:
    """Export a run and print the files written."""
    from core.runs.reader import find_run

    found = find_run(runs_root, run)
    if not output.is_dir():
        raise RunError(f"Folder not found: {output}. Create it, or choose another with --output.")
    try:
        written = EXPORTERS[form](found, output)
    except OSError as error:
        raise RunError(f"Can't export run {found.id}: {system_reason(error)}.") from error
    for path in written:
        print(path)


def _as_csv(run: "Run", folder: Path) -> list[Path]:
    from core.exchange.export import HISTORIES, write_curves

    histories = {name: path for name in HISTORIES if (path := getattr(run.paths, name)).exists()}
    if not histories:
        raise RunError(f"Run {run.id} has no metrics yet. They are logged from the first training step on.")
    written = []
    for name, path in histories.items():
        target = folder / f"{run.id}-{name}.csv"
        with target.open("w", encoding="utf-8", newline="") as text:
            write_curves(path, text)
        written.append(target)
    return written


def _as_zip(run: "Run", folder: Path) -> list[Path]:
    from core.exchange.bundle import write_zip
    from core.files import write_whole

    target = folder / f"{run.id}.zip"
    write_whole(target, lambda file: write_zip(run.paths, file))
    return [target]


def _as_onnx(run: "Run", folder: Path) -> list[Path]:
    from core.models.onnx import write_onnx
    from core.prediction.predictor import Predictor

    predictor = Predictor.of_run(run, flip=False)  # the file has one view
    target = folder / f"{run.id}.onnx"
    write_onnx(predictor.model, target, predictor.temperature, run.id)
    return [target]


EXPORTERS: Final[dict[Format, Callable[["Run", Path], list[Path]]]] = {
    Format.CSV: _as_csv,
    Format.ZIP: _as_zip,
    Format.ONNX: _as_onnx,
}
