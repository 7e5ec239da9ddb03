"""The formats that a run can be exported in. A new one is a function here and a line in `EXPORTERS`."""

from collections.abc import Callable
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from core.errors import RunError, system_reason
from core.exchange.export import HISTORIES, write_curves, write_safetensors, write_table
from core.files import make_folder, read_regular, write_whole
from core.splits import HELD_OUT, TRAIN

if TYPE_CHECKING:
    from core.runs.records import Run


class Format(StrEnum):
    """What a run can be exported as."""

    CSV = "csv"
    PARQUET = "parquet"
    TENSORBOARD = "tensorboard"
    ONNX = "onnx"
    SAFETENSORS = "safetensors"
    MODEL_CARD = "model-card"
    BUNDLE = "bundle"
    ZIP = "zip"
    """The old name of `bundle`."""


def export_run(run: "Run", form: Format, folder: Path, *, checkpoint: bool = False) -> list[Path]:
    """Write a run in a format.

    Args:
        run: as read.
        form: the format.
        folder: where to; it must exist.
        checkpoint: of a bundle: whether to include the checkpoint, so that the run can be resumed elsewhere.

    Returns:
        The files that were written.

    Raises:
        RunError: the folder is missing, the run has nothing for this format, or a file cannot be read or written.
    """
    if not folder.is_dir():
        raise RunError(f"Folder not found: {folder}. Create it, or choose another.")
    if checkpoint and form not in (Format.BUNDLE, Format.ZIP):
        raise RunError("Only a bundle can include the checkpoint.")
    try:
        return _as_bundle(run, folder, checkpoint=True) if checkpoint else EXPORTERS[form](run, folder)
    except RunError:  # says it already, and is a ValueError
        raise
    except OSError as error:
        raise RunError(f"Can't export run {run.id}: {system_reason(error)}.") from error
    except ValueError as error:
        raise RunError(f"Can't export run {run.id}: one of its files is corrupt.") from error


def _as_csv(run: "Run", folder: Path) -> list[Path]:
    written = []
    for name, path in _histories(run).items():
        target = folder / f"{run.id}-{name}.csv"
        with target.open("w", encoding="utf-8", newline="") as text:
            write_curves(path, text)
        written.append(target)
    return written


def _as_parquet(run: "Run", folder: Path) -> list[Path]:
    """The curves, and a copy of each table of predictions."""
    written = []
    for name, path in _histories(run).items():
        target = folder / f"{run.id}-{name}.parquet"
        write_whole(target, partial(write_table, path))
        written.append(target)
    for split in ("validation", "test", HELD_OUT, TRAIN):
        if run.paths.has_predictions(split):
            target = folder / f"{run.id}-predictions-{split}.parquet"
            write_whole(target, partial(_copy, run.paths.predictions(split)))
            written.append(target)
    return written


def _copy(path: Path, file: IO[bytes]) -> None:
    file.write(read_regular(path))


def _histories(run: "Run") -> dict[str, Path]:
    histories = {name: path for name in HISTORIES if (path := getattr(run.paths, name)).exists()}
    if not histories:
        raise RunError(f"Run {run.id} has no metrics yet. They are logged from the first training step on.")
    return histories


def _as_tensorboard(run: "Run", folder: Path) -> list[Path]:
    """A folder of the run's own, as TensorBoard names runs by their folders."""
    from core.exchange.tensorboard import write_events

    target = folder / run.id / run.paths.events(1).name
    make_folder(target.parent)
    write_whole(target, partial(write_events, run.paths))
    return [target]


def _as_onnx(run: "Run", folder: Path) -> list[Path]:
    from core.models.onnx import write_onnx
    from core.models.state_dict import load_weights
    from core.runs.removed import require_weights

    if run.config is None:
        raise RunError(f"Can't use run {run.id}: {run.problem}")
    require_weights(run)
    target = folder / f"{run.id}.onnx"
    write_onnx(load_weights(run.paths.weights, run.config.model), target, run.temperature, run.id)
    return [target]


def _as_safetensors(run: "Run", folder: Path) -> list[Path]:
    target = folder / f"{run.id}.safetensors"
    write_safetensors(run, target)
    return [target]


def _as_model_card(run: "Run", folder: Path) -> list[Path]:
    from core.exchange.model_card import model_card

    target, content = folder / f"{run.id}-model-card.md", model_card(run).encode()
    write_whole(target, lambda file: file.write(content))
    return [target]


def _as_bundle(run: "Run", folder: Path, *, checkpoint: bool = False) -> list[Path]:
    from core.exchange.bundle import write_zip

    target = folder / f"{run.id}.zip"
    write_whole(target, partial(write_zip, run.paths, checkpoint=checkpoint))
    return [target]


EXPORTERS: Final[dict[Format, Callable[["Run", Path], list[Path]]]] = {
    Format.CSV: _as_csv,
    Format.PARQUET: _as_parquet,
    Format.TENSORBOARD: _as_tensorboard,
    Format.ONNX: _as_onnx,
    Format.SAFETENSORS: _as_safetensors,
    Format.MODEL_CARD: _as_model_card,
    Format.BUNDLE: _as_bundle,
    Format.ZIP: _as_bundle,
}
