"""Runs to compare."""

import pytest

from core.files import read_json, write_json
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


def retrained_on_other_data(run: FakeRun, dataset: str = "demo") -> None:
    """As if the run had been trained on other images: its predictions have the ids and labels of before."""
    write_json(run.paths.summary, read_json(run.paths.summary) | {"dataset_fingerprint": "f" * 64})
    write_json(run.paths.config, read_json(run.paths.config) | {"dataset": dataset})
