"""The Compare page: restored from its address, honest beside every difference, calm where there is nothing."""

from pathlib import Path

import pytest

from core.comparison.baseline import against_baseline
from core.runs.ensembles import create_ensemble, find_candidate
from dashboard.state import cache
from dashboard.ui.format import _JOINER, accuracy_in
from tests.dashboard.conftest import HOSTILE, Opener, Writer, line_charts, words
from tests.dashboard.views.compare.conftest import retrained_on_other_data
from tests.dashboard_fixtures import FakeRun
from tests.members import write_members


def test_nothing_to_compare_is_said(open_page: Opener, write: Writer) -> None:
    assert "Nothing to compare yet" in words(open_page("compare"))
    write("finished", epochs=1)
    assert "Nothing to compare yet" in words(open_page("compare"))
    other = write("finished", epochs=1)
    app = open_page("compare")
    assert "Select two or more runs" in words(app)
    app.button(key="suggestion").click().run()
    assert other.id in app.multiselect(key="compared").value and len(line_charts(app)) == 2


def test_the_address_restores_the_view(open_page: Opener, runs: list[FakeRun]) -> None:
    ids = [run.id for run in runs]
    view = {"runs": ",".join(ids), "baseline": ids[1], "compare-split": "test"}
    app = open_page("compare", **view)
    assert app.multiselect(key="compared").value == ids
    assert app.selectbox(key="pinned").value == ids[1] and not app.error
    assert [chart["title"] for chart in line_charts(app)] == ["Validation accuracy (%)", "Validation loss"]
    app = open_page("compare", section="Metrics", **view)
    metrics, seeds = (frame.value for frame in app.dataframe)
    assert "Metrics (test)" in words(app)
    assert metrics["significance"].tolist()[1] == "baseline"
    assert all("p = " in text or "p < " in text for text in metrics["significance"].drop(1))
    assert all("(" in text for text in metrics["macro_f1"].drop(1)), "each with its difference"
    assert seeds["seeds"].tolist() == ["0, 1"] and seeds["n"].tolist() == [2]
    app = open_page("compare", section="Config diff", **view)
    assert len(app.get("echarts_chart")) == 1
    [settings] = (frame.value for frame in app.dataframe)
    assert settings["setting"].tolist() == ["epochs", "seed"]
    assert settings["gamma"].tolist() == ["3", "0"]
    app = open_page("compare", section="Images", **view)
    assert "Changes vs baseline" in words(app) and "on test" in words(app)


def test_only_the_open_tab_is_computed(open_page: Opener, runs: list[FakeRun], monkeypatch: pytest.MonkeyPatch) -> None:
    ids = ",".join(run.id for run in runs)
    read: list[str] = []
    predictions = cache.predictions
    monkeypatch.setattr(cache, "predictions", lambda path: read.append(path.parent.name) or predictions(path))
    app = open_page("compare", runs=ids)
    assert not read and not app.dataframe and not app.get("echarts_chart")
    app = open_page("compare", runs=ids, section="Config diff")
    assert not read and not line_charts(app)
    app = open_page("compare", runs=ids, section="Metrics")
    assert len(set(read)) == len(runs) and not line_charts(app) and not app.get("echarts_chart")


def test_a_closed_tab_keeps_its_part_of_the_address(open_page: Opener, runs: list[FakeRun]) -> None:
    chosen = {"metric": "Training loss", "compare-axis": "time", "compare-log": "true", "seeds": "true"}
    chosen["setting"] = "seed"
    app = open_page("compare", runs=",".join(run.id for run in runs), section="Metrics", result="Loss", **chosen)
    shown = {key: app.query_params.get(key) for key in (*chosen, "result", "section")}
    assert {key: value[0] if isinstance(value, list) else value for key, value in shown.items()} == {
        **chosen,
        "result": "Loss",
        "section": "Metrics",
    }


def test_each_view_names_the_colours_once(open_page: Opener, runs: list[FakeRun]) -> None:
    ids = ",".join(run.id for run in runs)

    def chips(tab: str) -> list[str]:
        links = [each.proto.label for each in open_page("compare", runs=ids, section=tab).get("page_link")]
        return [label for label in links if "foreground" in label]

    assert chips("Curves") == [], "the legend of the charts has them"
    for tab in ("Metrics", "Config diff"):
        assert [each.split()[1] for each in chips(tab)] == ["alpha", "beta", "gamma"]
        assert ["push_pin" in each for each in chips(tab)] == [True, False, False]


def test_other_data_than_the_baselines_is_said_and_no_difference_is_shown(
    open_page: Opener, runs: list[FakeRun]
) -> None:
    ids = ",".join(run.id for run in runs)
    assert not open_page("compare", runs=ids).warning
    retrained_on_other_data(runs[1], "other")
    retrained_on_other_data(runs[2])
    for tab in ("Curves", "Metrics", "Config diff", "Images"):
        [warning] = open_page("compare", runs=ids, section=tab).warning
        said = warning.value.replace("\\", "").replace(_JOINER, "")
        assert "beta (other), gamma (another version of demo)" in said and "alpha was trained on demo" in said
    table = open_page("compare", runs=ids, section="Metrics").dataframe[0].value
    assert table["delta"].isna().all()
    assert table["significance"].tolist()[1:] == ["Not comparable: trained on different datasets."] * 2
    for metric in ("macro_f1", "log_loss", "calibration_error"):
        assert not [text for text in table[metric] if "(" in text], metric
    assert "another run on its dataset" in words(open_page("compare", runs=ids, section="Images"))
    table = open_page("compare", runs=ids, baseline=runs[1].id, section="Metrics").dataframe[0].value
    assert ["(" in text for text in table["macro_f1"]] == [False, False, True], "these two are on the same"


@pytest.mark.parametrize(("parameter", "value"), [("compare-split", "train"), ("section", "nope")])
def test_what_an_address_asks_for_in_vain_is_said(
    open_page: Opener, runs: list[FakeRun], parameter: str, value: str
) -> None:
    app = open_page("compare", runs=",".join(run.id for run in runs), **{parameter: value})
    assert f"{parameter.removeprefix('compare-').capitalize()} “{value}” isn't available here" in words(app)
    assert parameter not in app.query_params


def test_a_choice_goes_into_the_address(open_page: Opener, runs: list[FakeRun]) -> None:
    ids = [run.id for run in runs]
    app = open_page("compare", runs=f"{ids[0]},{ids[1]}", section="Metrics")
    app.multiselect(key="compared").select(ids[2]).run()
    assert app.query_params["runs"] == [",".join(ids)] or app.query_params["runs"] == ",".join(ids)
    app.selectbox(key="pinned").select(ids[2]).run()
    assert ids[2] in app.query_params["baseline"]
    assert app.dataframe[0].value["significance"].tolist()[2] == "baseline"


def test_unknown_runs_and_runs_without_metrics_are_explained(
    open_page: Opener, write: Writer, runs: list[FakeRun]
) -> None:
    waiting = write("queued", name="waiting")
    app = open_page("compare", runs=f"{runs[0].id},nope,{waiting.id}", section="Metrics")
    assert "Not found or unreadable: nope" in words(app)
    assert app.dataframe[0].value["significance"].tolist() == ["baseline", "No predictions on validation yet"]


def test_hostile_names_stay_text(open_page: Opener, write: Writer) -> None:
    ids = [write("finished", name=HOSTILE, epochs=1, seed=seed).id for seed in range(2)]
    app = open_page("compare", runs=",".join(ids), section="Metrics")
    rendered = [element.value for element in app.markdown] + [element.value for element in app.caption]
    rendered += [each.proto.label for each in app.get("page_link")]
    assert any("evil" in text for text in rendered)
    for text in rendered:
        for active in ("![x]", "[l](", ":red[r]", "<b>", ":smile:", "http://evil", "www.evil"):
            assert active not in text


def test_an_ensemble_is_compared_beside_its_members(open_page: Opener, runs_root: Path, demo_root: Path) -> None:
    two = write_members(runs_root, demo_root)
    create_ensemble(runs_root, "both", [run.id for run in two])
    ids = [*(run.id for run in two), "both"]
    app = open_page("compare", runs=",".join(ids), section="Metrics")
    assert app.multiselect(key="compared").value == ids
    metrics = app.dataframe[0].value
    assert metrics["run"].tolist() == ["member 0", "member 1", "both"]
    by_core = against_baseline([find_candidate(runs_root, each) for each in ids], two[0], "validation")
    assert metrics["significance"].tolist() == [row.words for row in by_core]
    assert metrics["accuracy"].tolist()[2] == accuracy_in(by_core[2].metrics)
    assert "Ensembles: the mean of the calibrated probabilities" in words(app)
    app = open_page("compare", runs=",".join(ids), section="Images", beside="both")
    assert "both vs member 0 on validation" in words(app).replace("*", "")
    app = open_page("compare", runs=",".join(ids), section="Curves", baseline="both")
    assert len(line_charts(app)) == 2 and not app.error
    two[1].paths.weights.unlink()
    app = open_page("compare", runs=",".join(ids))
    assert "Can't use ensemble “both”: run" in words(app)
