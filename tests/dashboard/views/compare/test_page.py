"""The Compare page: restored from its address, honest beside every difference, calm where there is nothing."""

import json
from pathlib import Path

import pandas as pd
import pytest

from dashboard.ui.charts import comparison
from tests.dashboard.conftest import HOSTILE, Opener, Writer, words
from tests.dashboard_fixtures import FakeRun


@pytest.fixture
def runs(write: Writer) -> list[FakeRun]:
    """Two seeds of one config, and another config."""
    return [
        write("finished", name="alpha", epochs=2, seed=0),
        write("finished", name="beta", epochs=2, seed=1),
        write("finished", name="gamma", epochs=3, seed=0),
    ]


def test_nothing_to_compare_is_said(open_page: Opener, write: Writer) -> None:
    assert "Nothing to compare yet" in words(open_page("compare"))
    write("finished", epochs=1)
    assert "Nothing to compare yet" in words(open_page("compare"))
    other = write("finished", epochs=1)
    app = open_page("compare")
    assert "Select two or more runs" in words(app)
    app.button(key="suggestion").click().run()
    assert other.id in app.multiselect(key="compared").value and "Metrics (validation)" in words(app)


def test_the_address_restores_the_view(open_page: Opener, runs: list[FakeRun]) -> None:
    ids = [run.id for run in runs]
    app = open_page("compare", runs=",".join(ids), baseline=ids[1], split="test")
    assert app.multiselect(key="compared").value == ids
    assert app.selectbox(key="pinned").value == ids[1]
    assert "Metrics (test)" in words(app) and not app.error
    assert len(app.get("echarts_chart")) == 3
    metrics, seeds, settings = (
        next(frame.value for frame in app.dataframe if column in frame.value)
        for column in ("significance", "seeds", "setting")
    )
    assert metrics["significance"].tolist()[1] == "baseline"
    assert all("p = " in text or "p < " in text for text in metrics["significance"].drop(1))
    assert seeds["seeds"].tolist() == ["0, 1"] and seeds["n"].tolist() == [2]
    assert settings["setting"].tolist() == ["epochs", "seed"]
    assert settings["gamma"].tolist() == ["3", "0"]


def test_a_choice_goes_into_the_address(open_page: Opener, runs: list[FakeRun]) -> None:
    ids = [run.id for run in runs]
    app = open_page("compare", runs=f"{ids[0]},{ids[1]}")
    app.multiselect(key="compared").select(ids[2]).run()
    assert app.query_params["runs"] == [",".join(ids)] or app.query_params["runs"] == ",".join(ids)
    app.selectbox(key="pinned").select(ids[2]).run()
    assert ids[2] in app.query_params["baseline"]
    assert app.dataframe[0].value["significance"].tolist()[2] == "baseline"


def test_unknown_runs_and_runs_without_metrics_are_explained(
    open_page: Opener, write: Writer, runs: list[FakeRun]
) -> None:
    waiting = write("queued", name="waiting")
    app = open_page("compare", runs=f"{runs[0].id},nope,{waiting.id}")
    assert "Not found or unreadable: nope" in words(app)
    assert app.dataframe[0].value["significance"].tolist() == ["baseline", "No predictions on validation yet"]


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


def test_words_and_numbers_on_an_axis() -> None:
    option = comparison.scatter([("a", "adam", 60.0, (58.0, 62.0)), ("b", 3, 61.0, None)], "optimizer", "accuracy")
    assert option["xAxis"]["data"] == ["adam", "3"] and len(option["series"]) == 3
    option = comparison.parallel(["a", "b"], {"optimizer": ["adam", "sgd"], "rate": [0.1, 0.2]})
    assert [axis["type"] for axis in option["parallelAxis"]] == ["category", "value"]
    assert option["series"][1]["data"] == [["sgd", 0.2]]


def test_hostile_names_stay_text(open_page: Opener, write: Writer) -> None:
    ids = [write("finished", name=HOSTILE, epochs=1, seed=seed).id for seed in range(2)]
    app = open_page("compare", runs=",".join(ids))
    rendered = [element.value for element in app.markdown] + [element.value for element in app.caption]
    assert rendered
    for text in rendered:
        for active in ("![x]", "[l](", ":red[r]", "<b>", ":smile:", "http://evil", "www.evil"):
            assert active not in text


def test_overlaid_curves_keep_the_colours_of_their_runs(tmp_path: Path) -> None:
    epochs = pd.DataFrame({"epoch": [1, 2], "validation_accuracy": [0.5, 0.6], "validation_loss": [1.2, 1.1]})
    option = comparison.overlay([("a", pd.DataFrame()), ("b", epochs), ("c", epochs)], "accuracy", baseline=2)
    assert [line["name"] for line in option["series"]] == ["b", "c"]
    assert [line["color"] for line in option["series"]] == [comparison.colour_of(1), comparison.colour_of(2)]
    assert option["series"][1]["lineStyle"]["width"] > option["series"][0]["lineStyle"]["width"]
    assert option["dataset"][0]["source"]["value"].tolist() == [50, 60]
