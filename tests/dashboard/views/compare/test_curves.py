"""The curves of the Compare page: what is drawn, along what, and the mean of seeds."""

from tests.dashboard.conftest import Opener, Writer, line_charts, words
from tests.dashboard_fixtures import FakeRun


def test_the_address_says_what_is_drawn(open_page: Opener, runs: list[FakeRun]) -> None:
    ids = ",".join(run.id for run in runs)
    app = open_page("compare", runs=ids, metric="Training loss", axis="time", smoothing="0.5", log="true")
    [chart] = line_charts(app)
    assert chart["title"] == "Training loss" and chart["log"] and len(chart["lines"]) == len(runs)
    assert all(line["raw"] for line in chart["lines"]), "smoothed, with the values behind"
    app.button_group(key="metric").set_value(["Throughput", "Learning rate"]).run()
    assert [chart["title"] for chart in line_charts(app)] == ["Throughput (img/s)", "Learning rate"]
    assert [chart["log"] for chart in line_charts(app)] == [False, True]


def test_seeds_are_averaged_on_request(open_page: Opener, runs: list[FakeRun], write: Writer) -> None:
    app = open_page("compare", runs=",".join(run.id for run in runs))
    app.toggle(key="seeds").set_value(True).run()
    lines = line_charts(app)[0]["lines"]
    assert [line["name"] for line in lines] == ["alpha (n = 2)", "gamma"]
    assert lines[0]["low"] and lines[0]["high"] and not lines[1]["low"]
    assert "standard deviation" in words(app)
    alone = open_page("compare", runs=f"{runs[0].id},{write('finished', name='longer', epochs=9).id}")
    assert not [each for each in alone.toggle if each.key == "seeds"], "nothing to average"


def test_a_row_without_an_epoch_takes_no_curve_away(open_page: Opener, runs: list[FakeRun]) -> None:
    for run, row in zip(runs, ("null", "0", '"x"'), strict=True):
        with run.paths.epochs.open("a") as file:
            file.write(f'{{"epoch": {row}, "step": null, "elapsed_s": 1, "validation_accuracy": 0.5}}\n')
    for axis in ("epoch", "step", "time"):
        app = open_page("compare", runs=",".join(run.id for run in runs), axis=axis)
        assert {len(chart["lines"]) for chart in line_charts(app)} == {len(runs)} and not app.error
