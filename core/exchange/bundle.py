"""A run as one zip file, out and in. What comes in is judged as if somebody had made it to do harm."""

import hashlib
import io
import os
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import IO, Final, cast

from core.data.archives import DAMAGES, DamagedError, Entry, Fault, ZipReader, is_clutter
from core.errors import RunError, display_name, quote, system_reason
from core.exchange.bundle_contents import FileKind, check_contents, kind_of_file
from core.exchange.export import files_of
from core.exchange.settling import settle
from core.files import file_size, open_regular, sync_folder
from core.runs.create import drafted
from core.runs.history import HistoryWriter
from core.runs.paths import RunPaths, is_run_id, is_shipped

MOST_BUNDLE_FILES: Final = 200
MOST_BUNDLE_BYTES: Final = 4_000_000_000
"""Of all files of a run together. Each kind of file has a limit of its own, too."""
_PIECE: Final = 1 << 20


@dataclass(frozen=True)
class ImportedRun:
    """What an import has made."""

    run_id: str
    """Its id here."""
    original_id: str
    """Its id in the bundle."""
    notes: tuple[str, ...] = ()
    """What is different from the bundle beside whose run it is, in sentences; empty where nothing is."""


def write_zip(paths: RunPaths, file: IO[bytes], *, checkpoint: bool = False) -> None:
    """The run's folder as a zip, a piece at a time; unzipped in a runs folder it is a run again.

    Args:
        paths: the run.
        file: where the zip goes.
        checkpoint: whether to include `checkpoint.pt`, without which the run cannot be resumed.

    Raises:
        RunError: the folder cannot be read.
        OSError: a file in it cannot be read, or the disk is full.
    """
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for path in files_of(paths, checkpoint=checkpoint):
            # Weights and parquet do not get smaller, only slower.
            kind = zipfile.ZIP_STORED if path.suffix in (".pth", ".pt", ".parquet") else zipfile.ZIP_DEFLATED
            archive.write(path, f"{paths.run_id}/{path.name}", compress_type=kind)


def import_bundle(
    bundle: Path | IO[bytes],
    runs_root: Path,
    *,
    by: str,
    started_by: str = "",
    name: str = "",
    rename: bool = False,
    keep_review: bool = False,
) -> ImportedRun:
    """A run from a file that `write_zip` has written, here or elsewhere. All of it, or nothing.

    It becomes the run of whoever imports it; one that was queued or running is stopped. `imports.jsonl` says where it
    came from. But for that and for reviews (`keep_review`), its files are those of the bundle, byte by byte.

    Args:
        bundle: the zip file, as a path or open for reading and seeking.
        runs_root: the folder of all runs here.
        by: who imports it, as shown.
        started_by: whose run it becomes, see `RunMeta`; by default `by`.
        name: what the user calls the file; by default its own name.
        rename: give it a new id if there is a run of that id here, or the id is of runs shipped with the project.
        keep_review: trust the reviews it comes with. Otherwise it is unreviewed here, since an approved run would be
            used for predictions by default; and label reviews count by names, since nobody here has seen the logins.

    Raises:
        RunError: the file is no such bundle or anything in it is not as in a run folder; there is a run of that id; or
            the folder cannot be written. Nothing has changed.
    """
    name = name or (bundle.name if isinstance(bundle, Path) else "This file")
    started_by = started_by or by
    take = partial(_import, runs_root, by=by, started_by=started_by, name=name, rename=rename, keep_review=keep_review)
    if not isinstance(bundle, Path):
        return take(bundle)
    try:
        with open(bundle, "rb", opener=open_regular) as file:
            return take(file)
    except OSError as error:
        raise RunError(f"Can't read {quote(name)}: {system_reason(error)}.") from error


def _import(
    runs_root: Path, file: IO[bytes], *, by: str, started_by: str, name: str, rename: bool, keep_review: bool
) -> ImportedRun:
    try:
        archive = ZipReader(cast(io.RawIOBase, file))
        original, entries, left_out = _plan(archive.entries)
        paths = _place(runs_root, original, rename)
        notes = [f"Left out, as this version does not know them: {', '.join(left_out)}."] if left_out else []
        with drafted(paths) as draft:
            for file_name, (entry, _) in entries.items():
                _unpack(archive, entry, draft.folder / file_name)
            for file_name, (_, kind) in entries.items():
                check_contents(draft, file_name, kind)
            notes += settle(draft, by, started_by, keep_review=keep_review)
            _note_origin(draft, by, name, file, original)
            sync_folder(draft.folder)
    except DamagedError as error:
        raise RunError(f"{quote(name)} is not a zip file, or is corrupt. Export the run again.") from error
    except _RefusedError as error:
        raise RunError(f"Can't import {quote(name)}: {error}.") from error
    return ImportedRun(paths.run_id, original, tuple(notes))


class _RefusedError(Exception):
    """Why a bundle is not imported, as the end of a sentence."""


# --- before anything is unpacked


def _plan(found: Sequence[Entry]) -> tuple[str, dict[str, tuple[Entry, FileKind]], list[str]]:
    """The id of the run, its files by their names, and the names of others.

    Raises:
        _RefusedError: an entry is what `write_zip` never writes, or they are too many or too large.
    """
    if len(found) > MOST_BUNDLE_FILES:
        raise _RefusedError(f"it contains more than {MOST_BUNDLE_FILES} files")
    for entry in found:
        if entry.faults:
            shown = "an entry" if Fault.OUTSIDE in entry.faults else quote(display_name(entry.name))
            raise _RefusedError(f"{shown} {entry.faults[0]}")
    parts = [entry.name.split("/") for entry in found if not is_clutter(entry.name)]
    tops = {each[0] for each in parts}
    if len(tops) != 1 or any(len(each) != 2 for each in parts):
        raise _RefusedError("it must contain the folder of one run and nothing else")
    [run_id] = tops
    if not is_run_id(run_id):
        raise _RefusedError(f"{quote(display_name(run_id))} is not the id of a run")
    entries: dict[str, tuple[Entry, FileKind]] = {}
    left_out = []
    for entry in found:
        name = entry.name.removeprefix(f"{run_id}/")
        kind = kind_of_file(name)
        if kind is None:
            left_out.append(quote(display_name(name)))
        elif name in entries:
            raise _RefusedError(f"it contains {name} twice")
        elif entry.size > kind.most_bytes:
            raise _RefusedError(f"{name} is larger than {file_size(kind.most_bytes)}")
        else:
            entries[name] = entry, kind
    for needed in ("status.json", "config.json"):
        if needed not in entries:
            raise _RefusedError(f"it has no {needed}, so it is not a run")
    if sum(entry.size for entry, _ in entries.values()) > MOST_BUNDLE_BYTES:
        raise _RefusedError(f"it unpacks to more than {file_size(MOST_BUNDLE_BYTES)}")
    return run_id, entries, left_out


def _place(runs_root: Path, run_id: str, rename: bool) -> RunPaths:
    """Where the run goes.

    Raises:
        RunError: there is a run of that id, or it would pass for one that is shipped with the project.
    """
    taken = os.path.lexists(runs_root / run_id)
    if not taken and not is_shipped(run_id):
        return RunPaths(runs_root, run_id)
    if not rename:
        why = "There is a run {} here already." if taken else "{} is an id of runs that are shipped with the project."
        raise RunError(f"{why.format(quote(run_id))} Import this one under another ID (`--rename`).")
    stem = f"imported-{run_id}"[:60].rstrip("-")
    names = (stem, *(f"{stem}-{number}" for number in range(2, 1000)))
    return RunPaths(runs_root, next(each for each in names if not os.path.lexists(runs_root / each)))


# --- in the folder that becomes the run's


def _unpack(archive: ZipReader, entry: Entry, target: Path) -> None:
    """
    Raises:
        DamagedError: the entry is corrupt, or its size is another than its declared one.
        OSError: the disk is full.
    """
    left = entry.size
    with archive.open(entry) as source, open(target, "xb") as file:
        while left:
            try:
                piece = source.read(min(left, _PIECE))
            except DAMAGES as error:
                raise DamagedError from error
            if not piece:
                raise DamagedError
            left -= len(piece)
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())


def _note_origin(draft: RunPaths, by: str, name: str, file: IO[bytes], original: str) -> None:
    """Add to `imports.jsonl` what was imported, by whom and when."""
    file.seek(0)
    digest = hashlib.sha256()
    while piece := file.read(_PIECE):
        digest.update(piece)
    row = {
        "time": datetime.now(UTC).isoformat(),
        "by": by,
        "bundle": display_name(name),
        "bundle_sha256": digest.hexdigest(),
        "run": original,
    }
    with HistoryWriter(draft.imports) as history:
        history.append([row], lasting=True)
