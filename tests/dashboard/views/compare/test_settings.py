"""A setting against a result."""

import json

from tests.dashboard.conftest import Opener, Writer, words
from tests.dashboard_fixtures import FakeRun


def test_a_setting_is_shown_against_a_result_once_there_are_enough_runs(
    open_page: Opener, write: Writer, runs: list[FakeRun]
) -> None:
    ids = [run.id for run in runs]
    app = open_page("compare", runs=",".join(ids[:2]))
    assert "needs at least 3 runs evaluated on validation (you have 2)" in words(app)
    app = open_page(
        "compare", runs=",".join(ids), setting="seed", result="log loss", split="test"
    )  # as older links have it
    assert [app.selectbox(key=key).value for key in ("setting", "result")] == ["seed", "Loss"]
    assert "with 4 or more evaluated runs" in words(app)
    scatter = json.loads(app.get("echarts_chart")[-1].proto.spec)
    assert scatter["xAxis"]["name"] == "seed" and scatter["yAxis"]["name"] == "Test loss"
    ids.append(write("finished", name="delta", epochs=4, seed=2).id)
    app = open_page("compare", runs=",".join(ids))
    assert app.selectbox(key="setting").value == "epochs"
    lines = json.loads(app.get("echarts_chart")[-1].proto.spec)
    assert [axis["name"] for axis in lines["parallelAxis"]] == ["epochs", "seed", "Validation accuracy (%)"]
    assert [line["name"] for line in lines["series"]] == ["alpha", "beta", "gamma", "delta"]
