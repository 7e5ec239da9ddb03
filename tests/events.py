"""Event files as TensorBoard itself reads them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader

from core.runs.paths import RunPaths


def values_in(path: Path) -> Iterator[tuple[int, Any]]:
    """Step and value of everything in an event file."""
    for event in LegacyEventFileLoader(str(path)).Load():
        for value in event.summary.value:
            yield event.step, value


def scalars_in(path: Path) -> dict[str, list[tuple[int, float]]]:
    """Tag to its steps and values, in the order of the file."""
    found: dict[str, list[tuple[int, float]]] = {}
    for step, value in values_in(path):
        if value.HasField("simple_value"):
            found.setdefault(value.tag, []).append((step, value.simple_value))
    return found


def newest_events(paths: RunPaths) -> Path:
    return paths.events(paths.event_numbers()[-1])


def expected(rows: list[dict[str, Any]], field: str, by: str = "epoch") -> list[tuple[int, float]]:
    """What an event file must say of a history: each row that has the field, in the precision of event files."""
    return [(row[by], float(np.float32(row[field]))) for row in rows if row.get(field) is not None]
