"""The tabs of the Run page: what each is called, and what draws it."""

from collections.abc import Callable
from typing import Final

from core.runs.records import Run
from dashboard.views.run import curves, downloads, environment, predictions, record, review

RUN_TABS: Final[dict[str, Callable[[Run], None]]] = {
    "Curves": curves.live_curves,
    "Predictions": predictions.sample_predictions,
    "Error analysis": predictions.errors,
    "System": record.system,
    "Log": record.log,
    "Config": record.config_tab,
    "Environment": environment.environment_tab,
    "Files": downloads.files,
    "Review": review.review_tab,
}
