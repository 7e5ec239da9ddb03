"""A setting against a result."""

import json

from core.config import TrainConfig
from core.files import read_json, write_json
from dashboard.ui.charts.style import colour_of
from dashboard.views.compare.settings import UNLIMITED
from tests.dashboard.conftest import Opener, Writer, words
from tests.dashboard_fixtures import FakeRun


def test_a_setting_is_shown_against_a_result_once_there_are_enough_runs(
    open_page: Opener, write: Writer, runs: list[FakeRun]
) -> None:
    ids = [run.id for run in runs]
    app = open_page("compare", runs=",".join(ids[:2]), section="Config diff")
    assert "needs at least 3 runs evaluated on validation (you have 2)" in words(app)
    app = open_page(
        "compare", runs=",".join(ids), setting="seed", result="log loss", split="test", section="Config diff"
    )  # as older links have it
    assert [app.selectbox(key=key).value for key in ("setting", "result")] == ["seed", "Loss"]
    assert "with 4 or more evaluated runs" in words(app)
    scatter = json.loads(app.get("echarts_chart")[-1].proto.spec)
    assert scatter["xAxis"]["name"] == "seed" and scatter["yAxis"]["name"] == "Test loss"
    ids.append(write("finished", name="delta", epochs=4, seed=2).id)
    app = open_page("compare", runs=",".join(ids), section="Config diff")
    assert app.selectbox(key="setting").value == "epochs"
    lines = json.loads(app.get("echarts_chart")[-1].proto.spec)["baseOption"]
    assert [axis["name"] for axis in lines["parallelAxis"]] == ["epochs", "seed", "Validation\naccuracy (%)"]
    assert [line["name"] for line in lines["series"]] == ["alpha", "beta", "gamma", "delta"]


def test_points_and_lines_have_the_colours_of_their_runs(open_page: Opener, write: Writer, runs: list[FakeRun]) -> None:
    waiting = write("queued", name="waiting")
    four = [*runs, write("finished", name="delta", epochs=4)]
    app = open_page("compare", runs=",".join(run.id for run in (waiting, *four)), section="Config diff")
    scatter, parallel = (json.loads(chart.proto.spec) for chart in app.get("echarts_chart"))
    colours = [colour_of(position) for position in range(1, 5)]
    assert [each["color"] for each in scatter["series"] if each["type"] == "scatter"] == colours
    assert [each["lineStyle"]["color"] for each in parallel["baseOption"]["series"]] == colours


def test_zero_that_means_no_limit_is_a_word_above_all_numbers(open_page: Opener, runs: list[FakeRun]) -> None:
    assert set(UNLIMITED) <= set(TrainConfig.model_fields)
    for run, images in zip(runs, (0, 4000, 500), strict=True):
        write_json(run.paths.config, read_json(run.paths.config) | {"images_per_epoch": images})
    app = open_page("compare", runs=",".join(run.id for run in runs), setting="images_per_epoch", section="Config diff")
    axis = json.loads(app.get("echarts_chart")[0].proto.spec)["xAxis"]
    assert axis["data"] == ["500", "4000", "all"]
    table = app.dataframe[0].value.set_index("setting")
    assert table.loc["images_per_epoch"].tolist() == ["all", "4000", "500"]
