"""A run folder as one zip file."""

import zipfile
from typing import IO

from core.exchange.export import files_of
from core.runs.paths import RunPaths


def write_zip(paths: RunPaths, file: IO[bytes]) -> None:
    """The run's folder as a zip, a piece at a time; unzipped in a runs folder it is a run again.

    Args:
        paths: the run.
        file: where the zip goes.

    Raises:
        RunError: the folder cannot be read.
        OSError: a file in it cannot be read, or the disk is full.
    """
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for path in files_of(paths):
            # Weights and parquet do not get smaller, only slower.
            kind = zipfile.ZIP_STORED if path.suffix in (".pth", ".pt", ".parquet") else zipfile.ZIP_DEFLATED
            archive.write(path, f"{paths.run_id}/{path.name}", compress_type=kind)
