"""A sweep to look at."""

from collections.abc import Callable
from pathlib import Path

import pytest

from core.runs.groups import Group
from tests.dashboard.conftest import Writer
from tests.dashboard_fixtures import FakeRun, write_group

RATES = (0.001, 0.01)
SIZES = (32, 64)

Sweeper = Callable[..., tuple[Group, list[FakeRun]]]


@pytest.fixture
def write_sweep(write: Writer, runs_root: Path) -> Sweeper:
    """Write a sweep of learning rate and batch size, one run per state given, in the order of its grid."""

    def writer(*states: str, name: str = "a-sweep", **record: object) -> tuple[Group, list[FakeRun]]:
        grid = [{"learning_rate": rate, "batch_size": size} for rate in RATES for size in SIZES]
        runs = [
            write(state, name=f"run {number}", epochs=3, done=2, seed=number, settings=grid[number])
            for number, state in enumerate(states)
        ]
        return write_group(runs, grid[: len(states)], name=name, **record), runs

    return writer
