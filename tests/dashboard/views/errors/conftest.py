"""A run for the error analysis to show, and what stands on the page."""

import json
from typing import Any

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from core.evaluation.predictions import read_predictions
from core.review.gallery import with_margin
from core.runs.reader import read_run
from dashboard.views.errors.shown import Shown
from tests.dashboard.conftest import Writer
from tests.dashboard_fixtures import FakeRun


@pytest.fixture
def run(write: Writer) -> FakeRun:
    return write("finished", name="my run", epochs=1)


def part(app: AppTest, name: str) -> dict[str, Any]:
    """What one of our own parts, `matrix` or `wall`, was given to show."""
    [found] = [each.proto for each in app.get("bidi_component") if each.proto.component_name == f"fer_{name}"]
    return json.loads(found.json)


def table_of(run: FakeRun, split: str = "validation") -> pd.DataFrame:
    return with_margin(read_predictions(run.paths.predictions(split)))


def shown(run: FakeRun, table: pd.DataFrame | None = None) -> Shown:
    found = read_run(run.paths.root, run.id)
    return Shown(found, "validation", table_of(run) if table is None else table, None)
