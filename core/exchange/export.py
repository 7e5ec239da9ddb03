"""Export of a run: its metrics as CSV with every point, and the files of its folder."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Final

from core.errors import RunError, system_reason
from core.files import open_regular
from core.runs.paths import RunPaths

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
    fields = {field: None for row in _rows(path) for field in row}
    writer = csv.DictWriter(text, list(fields), restval="", lineterminator="\n")
    writer.writeheader()
    count = 0
    for row in _rows(path):
        writer.writerow(row)
        count += 1
    return count


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    """As `core.runs.history.read_rows`, but never the whole file at once."""
    with open(path, "rb", opener=open_regular) as file:
        for line in file:
            if not line.endswith(b"\n"):
                return  # still being written
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(row, dict):
                yield row


def files_of(paths: RunPaths) -> list[Path]:
    """The files of a run that are worth exporting: no locks, no partial files, no links out of the folder, and no
    checkpoint, which is three times the size of all the rest.

    Raises:
        RunError: the folder cannot be read.
    """
    try:
        return sorted(
            path
            for path in paths.folder.iterdir()
            if path.is_file()
            and not path.is_symlink()
            and path.suffix != ".lock"
            and not path.name.startswith(".")
            and path not in (paths.stop_request, paths.checkpoint)
        )
    except OSError as error:
        raise RunError(f"Can't read run {paths.run_id}: {system_reason(error)}.") from error
