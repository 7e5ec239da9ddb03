"""Which fields the files of a run folder have."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from core.evaluation.predictions import read_origin
from core.runs.history import read_rows
from core.runs.paths import RunPaths

TABLES = {"packages", "code"}
"""Fields whose keys are names of things, not of fields."""


def fields_of(paths: RunPaths) -> dict[str, set[str]]:
    """Name of each file to its fields that have a value, those of tables inside it with the names before them and a dot
    between; of histories and of predictions, too."""
    found = {
        path.name: set(_names(json.loads(path.read_text())))
        for path in (paths.config, paths.status, paths.meta, paths.environment, paths.summary)
    }
    for path in (paths.epochs, paths.steps, paths.system):
        found[path.name] = {name for row in read_rows(path)[0] for name in _names(row)}
    for split in ("validation", "test"):
        path = paths.predictions(split)
        found[path.name] = set(_names(read_origin(path)))
    return found


def _names(values: Mapping[str, Any], before: str = "") -> Iterator[str]:
    for name, value in values.items():
        if isinstance(value, dict) and name not in TABLES:
            yield from _names(value, f"{before}{name}.")
        elif value is not None:
            yield before + name
