"""Runs as JSON, and as flat rows for CSV and tables elsewhere."""

from collections.abc import Sequence
from typing import Any

from core.config import as_typed
from core.runs.records import Run


def run_as_json(run: Run) -> dict[str, Any]:
    """Everything about a run, as `--json` and the HTTP API have it."""
    return {
        "id": run.id,
        "name": run.name,
        "state": str(run.state),
        "problem": run.problem,
        "status": run.status.model_dump(mode="json"),
        "meta": run.meta.model_dump(mode="json"),
        "config": run.config and run.config.model_dump(mode="json"),
        "summary": run.summary.as_json(),
    }


def as_rows(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """One flat row per run: what it is, its metrics (fractions 0..1), what people added, every setting."""
    fields = sorted({field for run in runs if run.config for field in type(run.config).model_fields})
    return [
        _row(run) | {field: as_typed(getattr(run.config, field)) if run.config else "" for field in fields}
        for run in runs
    ]


def _row(run: Run) -> dict[str, Any]:
    best, test = run.best, run.metrics("test")
    low, high = test.interval if test else (None, None)
    return {
        "run": run.id,
        "name": spreadsheet_safe(run.meta.name),
        "state": str(run.state),
        "created_at": run.status.created_at.isoformat(),
        "author": spreadsheet_safe(run.meta.author),
        "epochs_done": run.summary.epochs_done,
        "best_epoch": best and best.epoch,
        "validation_accuracy": run.validation_accuracy,
        "validation_loss": best and best.validation_loss,
        "test_accuracy": test and test.accuracy,
        "test_low": low,
        "test_high": high,
        "elapsed_seconds": run.status.elapsed_seconds,
        "device_used": spreadsheet_safe(run.status.device or ""),  # `device` is the setting
        "review": run.meta.review,
        "reviewer": spreadsheet_safe(run.meta.reviewer),
        "tags": spreadsheet_safe(", ".join(run.meta.tags)),
        "starred": run.meta.starred,
        "archived": run.meta.archived,
        "notes": spreadsheet_safe(run.meta.notes),
        "problem": spreadsheet_safe(run.problem or ""),
    }


def spreadsheet_safe(text: str) -> str:
    """Text that a spreadsheet does not take for a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
