"""What is taken away from a run: its curves as tables, its weights, and the files of its folder."""

import csv
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

from core.errors import RunError, system_reason
from core.files import open_regular, write_whole
from core.labels import LABELS
from core.runs.history import read_all
from core.runs.paths import RunPaths
from core.text import writable

if TYPE_CHECKING:
    import pyarrow as pa

    from core.runs.records import Run

HISTORIES: Final = ("epochs", "steps", "system")
"""The histories of a run: one row per epoch, per optimizer step, and every few seconds of system metrics."""


def write_curves(path: Path, text: IO[str]) -> int:
    """A history as CSV, a row at a time, so that memory does not grow with it; the number of rows.

    Args:
        path: `epochs.jsonl`, `steps.jsonl` or `system.jsonl`.
        text: where the CSV goes; open it with `newline=""`.

    Raises:
        OSError: the history cannot be read.
    """
    # Later rows may have fields that earlier ones lack: a first pass finds all of them, in order of appearance.
    fields = {field: None for row, _ in stream_rows(path) for field in row}
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(map(_writable, fields))
    count = 0
    for row, _ in stream_rows(path):
        writer.writerow(_writable(row.get(field)) for field in fields)
        count += 1
    return count


def stream_rows(path: Path, offset: int = 0) -> Iterator[tuple[dict[str, Any], int]]:
    """As `core.runs.history.read_rows`, but never the whole file at once.

    Args:
        path: the history.
        offset: of the first row to read, in bytes.

    Yields:
        Each row and the offset of its end.

    Raises:
        OSError: it cannot be read.
    """
    with open(path, "rb", opener=open_regular) as file:
        file.seek(offset)
        for line in file:
            if not line.endswith(b"\n"):
                return  # still being written
            offset += len(line)
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(row, dict):
                yield row, offset


def write_table(path: Path, file: IO[bytes]) -> None:
    """A history as Parquet, with every point. A value that does not fit its column is left out.

    Args:
        path: `epochs.jsonl`, `steps.jsonl` or `system.jsonl`.
        file: where the table goes.

    Raises:
        RunError: the history cannot be read.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = read_all(path)
    fields = dict.fromkeys(field for row in rows for field in row)
    columns = {_writable(field): _column([_writable(row.get(field)) for row in rows]) for field in fields}
    pq.write_table(pa.table(columns), file)


def _writable(value: Any) -> Any:
    return writable(value) if isinstance(value, str) else value


def _column(values: list[Any]) -> "pa.Array":
    """Numbers, or texts where there are no numbers."""
    import pyarrow as pa

    if any(isinstance(value, str) for value in values) and not any(map(is_finite_number, values)):
        return pa.array([value if isinstance(value, str) else None for value in values], pa.string())
    numbers = [value if is_finite_number(value) else None for value in values]
    whole = all(value is None or isinstance(value, int) for value in numbers)
    return pa.array(numbers, pa.int64() if whole else pa.float64())


def is_finite_number(value: Any) -> bool:
    """Whether a value of a history is a number that tables and event files take: JSON may have integers of any length,
    and floating-point numbers hold only those below 2**53 exactly."""
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 53


def write_safetensors(run: "Run", target: Path) -> None:
    """The best weights of a run in the safetensors format, with what is needed to use them as metadata.

    Args:
        run: as read.
        target: the file to write.

    Raises:
        RunError: the run has no usable weights.
        OSError: the file cannot be written.
    """
    import safetensors.torch

    from core.models.state_dict import load_weights
    from core.runs.removed import require_weights

    if run.config is None:
        raise RunError(f"Can't use run {run.id}: {run.problem}")
    require_weights(run)
    state = load_weights(run.paths.weights, run.config.model).state_dict()
    facts = {"format": "pt", "model": run.config.model, "labels": ",".join(LABELS), "source": run.id}
    if run.temperature is not None:
        facts["temperature"] = str(run.temperature)
    content = safetensors.torch.save({name: value.contiguous() for name, value in state.items()}, facts)
    write_whole(target, lambda file: file.write(content))


def files_of(paths: RunPaths, *, checkpoint: bool = False) -> list[Path]:
    """The files of a run that are worth exporting: no locks, no partial files, no links out of the folder, and no
    checkpoint, which is three times the size of all the rest, unless it is asked for.

    Raises:
        RunError: the folder cannot be read.
    """
    left_out = {paths.stop_request} if checkpoint else {paths.stop_request, paths.checkpoint}
    try:
        return sorted(
            path
            for path in paths.folder.iterdir()
            if path.is_file()
            and not path.is_symlink()
            and path.suffix != ".lock"
            and not path.name.startswith(".")
            and path not in left_out
        )
    except OSError as error:
        raise RunError(f"Can't read run {paths.run_id}: {system_reason(error)}.") from error
