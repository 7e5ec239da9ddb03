"""A run for its page to show, and the charts that stand on it."""

import pytest
from streamlit.testing.v1 import AppTest

from tests.dashboard.conftest import Writer, line_charts
from tests.dashboard_fixtures import FakeRun


@pytest.fixture
def run(write: Writer) -> FakeRun:
    return write("finished", name="my run", epochs=2)


def titles(app: AppTest) -> list[str]:
    return [chart["title"] for chart in line_charts(app)]
