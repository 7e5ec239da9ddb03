"""`removed.json`: which files of a run were removed to make room, and why, so that nobody looks for what is missing."""

from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from core.errors import RunError
from core.files import read_regular, write_json
from core.runs.paths import RunPaths
from core.runs.records import Run
from core.runs.values import Moment, Name, OneLine


class RemovedFiles(BaseModel):
    """The content of `removed.json`."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)

    files: list[Name]
    removed_at: Moment
    reason: OneLine
    """In one sentence."""


def remove_files(paths: RunPaths, files: list[Path], reason: str) -> None:
    """Remove files of a run that has ended. The note is written first: nothing ever goes without a word.

    Raises:
        OSError: the folder is gone or cannot be written.
    """
    note = RemovedFiles(files=[file.name for file in files], removed_at=datetime.now(UTC), reason=reason)
    write_json(paths.removed, note.model_dump(mode="json"))
    for file in files:
        file.unlink(missing_ok=True)


def why_removed(path: Path) -> str | None:
    """Why a file of a run is not there, in a sentence; None if it is there, or if nobody has said so.

    Args:
        path: of the file, in a run folder.
    """
    with suppress(OSError, ValueError):  # usually there is no note
        note = RemovedFiles.model_validate_json(read_regular(RunPaths(path.parent.parent, path.parent.name).removed))
        if path.name in note.files and not path.exists():
            return note.reason
    return None


def require_weights(run: Run) -> None:
    """Refuse what takes the weights of a run if they were removed; whatever else is wrong with them, their reader says.

    Raises:
        RunError: the message says why they are not there, and what to do.
    """
    if reason := why_removed(run.paths.weights):
        raise RunError(f"Run {run.id} has no weights. {reason} Clone the run to train it again.")
