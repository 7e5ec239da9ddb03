"""The metrics of each class, one tab away."""

import json

import pytest

from core.files import read_json, write_json
from core.runs.reader import read_run
from tests.dashboard.conftest import Opener, Writer, words
from tests.dashboard_fixtures import FakeRun


def test_the_errors_of_each_class_are_at_hand(open_page: Opener, run: FakeRun) -> None:
    app = open_page("run", run=run.id, tab="Error analysis")
    assert "Per-class metrics (test, 42 images)" in words(app)
    assert app.dataframe[0].value["class"].tolist()[0] == "angry"


@pytest.mark.parametrize("split", ["test", "validation"])
def test_matrix_table_and_changes_are_of_one_split(open_page: Opener, write: Writer, split: str) -> None:
    parent, run = write("finished", name="first", epochs=1), write("finished", name="second", epochs=1, seed=3)
    write_json(run.paths.meta, read_json(run.paths.meta) | {"parent": parent.id})
    app = open_page("run", run=run.id, tab="Error analysis", **{"run-split": split})
    metrics = read_run(run.paths.root, run.id).metrics(split)
    assert metrics and metrics.confusion
    [matrix] = [each.proto for each in app.get("bidi_component") if each.proto.component_name == "fer_matrix"]
    counts = [
        [int(cell["title"].split(": ")[1].split()[0]) for cell in row] for row in json.loads(matrix.json)["cells"]
    ]
    assert counts == [list(row) for row in metrics.confusion]
    assert app.dataframe[0].value["support"].tolist() == [sum(row) for row in metrics.confusion]
    assert f"second vs first on {split}" in words(app).replace("*", "")
