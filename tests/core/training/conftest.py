"""A list of corrections for a data set."""

from pathlib import Path
from typing import Any

from core.review.corrections import Correction, Corrections


def corrections_for(data_root: Path, *entries: dict[str, Any]) -> Corrections:
    from core.data.dataset import read_info

    return Corrections.model_validate(
        {
            "name": "list",
            "dataset": "demo",
            "data_fingerprint": read_info(data_root, "demo").fingerprint,
            "created_at": "2026-11-22T12:00:00Z",
            "entries": [Correction.model_validate(entry) for entry in entries],
        }
    )
