"""The Compare page: restored from its address, honest beside every difference, calm where there is nothing."""

from tests.dashboard.conftest import HOSTILE, Opener, Writer, line_charts, words
from tests.dashboard_fixtures import FakeRun


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
    assert [chart["title"] for chart in line_charts(app)] == ["Validation accuracy (%)", "Validation loss"]
    assert len(app.get("echarts_chart")) == 1
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


def test_hostile_names_stay_text(open_page: Opener, write: Writer) -> None:
    ids = [write("finished", name=HOSTILE, epochs=1, seed=seed).id for seed in range(2)]
    app = open_page("compare", runs=",".join(ids))
    rendered = [element.value for element in app.markdown] + [element.value for element in app.caption]
    assert rendered
    for text in rendered:
        for active in ("![x]", "[l](", ":red[r]", "<b>", ":smile:", "http://evil", "www.evil"):
            assert active not in text
