"""Runs to compare."""

import pytest

from tests.dashboard.conftest import Writer
from tests.dashboard_fixtures import FakeRun


@pytest.fixture
def runs(write: Writer) -> list[FakeRun]:
    """Two seeds of one config, and another config."""
    return [
        write("finished", name="alpha", epochs=2, seed=0),
        write("finished", name="beta", epochs=2, seed=1),
        write("finished", name="gamma", epochs=3, seed=0),
    ]
