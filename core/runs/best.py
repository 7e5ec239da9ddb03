"""Which epoch the weights and the validation predictions in a run folder are of.

They are two files, and a crash may come between. So the row of an epoch whose weights are kept has the SHA-256 of the
weights file, and predictions carry that of the weights that made them. The row is on disk before the weights are.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from core.files import open_regular, read_regular
from core.runs.history import Row, read_rows
from core.runs.paths import RunPaths
from core.runs.summary import Summary

HASH: Final = "weights_sha256"


def hash_of(path: Path) -> str | None:
    """SHA-256 of a file as 64 hex digits; None if it cannot be read."""
    try:
        with open(path, "rb", opener=open_regular) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


def weights_origin(paths: RunPaths) -> dict[str, Any]:
    """`epoch` and `weights_sha256` of a run's weights file; empty if there is none.

    The epoch is None where no epoch of the run left this file: somebody else put it there. Runs of older versions
    recorded no hash: there it is the best epoch of the summary.
    """
    digest = hash_of(paths.weights)
    if digest is None:
        return {}
    best = _best(paths)
    rows = [*_rows(paths), best]
    if not any(HASH in row for row in rows):
        return {"epoch": best.get("epoch"), HASH: digest}
    return {"epoch": next((row.get("epoch") for row in rows if row.get(HASH) == digest), None), HASH: digest}


def describe_mismatch(paths: RunPaths) -> str | None:
    """One sentence if weights, validation predictions and summary are of different epochs; None if they are of one, or
    if an older version recorded too little to tell."""
    from core.evaluation.predictions import read_origin

    best, weights, predictions = _best(paths), weights_origin(paths), read_origin(paths.predictions("validation"))
    if HASH not in best or not weights or not predictions:
        return None
    if best[HASH] == weights[HASH] == predictions.get(HASH):
        return None
    return (
        f"Weights ({_epoch(weights)}), validation predictions ({_epoch(predictions)}) and summary ({_epoch(best)}) are "
        "from different epochs. Resume the run to make them match."
    )


def _rows(paths: RunPaths) -> list[Row]:
    try:
        return read_rows(paths.epochs)[0]
    except OSError:  # as if there were none: the pages say elsewhere what is wrong with it
        return []


def _epoch(origin: Mapping[str, Any]) -> str:
    epoch = origin.get("epoch")
    return "another run" if epoch is None else f"epoch {epoch}"


def _best(paths: RunPaths) -> dict[str, Any]:
    try:
        best = Summary.model_validate_json(read_regular(paths.summary)).best
    except (OSError, ValueError):
        return {}
    return best.as_json() if best else {}
