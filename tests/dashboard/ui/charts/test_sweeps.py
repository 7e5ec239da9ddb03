"""Charts of what settings do."""

import pytest

from dashboard.ui.charts.sweeps import (
    LOW_TO_HIGH,
    ScoredRun,
    Tried,
    axis_span,
    effect_chart,
    parallel_settings,
    setting_axis,
    span_of,
)


@pytest.mark.parametrize(
    ("values", "ticks"),
    [
        ([0.01, 0.001, 0.01], ["0.001", "0.01"]),
        ([128, 64], ["64", "128"]),
        (["muon", "adam", "muon"], ["muon", "adam"]),
        ([True, False], ["no", "yes"]),
        ([64, "?"], ["64", "?"]),
    ],
)
def test_each_of_a_few_values_has_its_own_place(values: list[object], ticks: list[str]) -> None:
    assert setting_axis(values) == {"type": "category", "data": ticks}


def test_many_numbers_are_on_a_scale_and_decades_on_a_logarithmic_one() -> None:
    decades = [10.0**-power for power in range(9)]
    assert setting_axis(decades) == {"type": "log", "min": 1e-8, "max": 1.0}
    assert setting_axis(list(range(20)))["type"] == "value", "nothing is at zero on a logarithmic scale"
    assert setting_axis([100 + each for each in range(20)])["type"] == "value"
    assert setting_axis([*"abcdefghij"])["type"] == "category", "words have no scale"


def test_a_run_is_a_line_through_its_settings_to_its_result() -> None:
    columns = {"Learning rate": [0.01, 0.001], "Optimizer": ["adam", "muon"]}
    option = parallel_settings(["a", "b"], columns, "Val. accuracy (%)", [50.0, 60.0], best=1)["baseOption"]
    assert [axis["name"].replace("\n", " ") for axis in option["parallelAxis"]] == [*columns, "Val. accuracy (%)"]
    [lines] = option["series"]
    assert [line["value"] for line in lines["data"]] == [["0.01", "adam", 50.0], ["0.001", "muon", 60.0]]
    assert [line["name"] for line in lines["data"]] == ["a", "b"]
    thin, thick = (line["lineStyle"]["width"] for line in lines["data"])
    assert thick > thin
    scale = option["visualMap"]
    assert (scale["min"], scale["max"], scale["dimension"]) == (50.0, 60.0, 2)
    assert scale["inRange"]["color"] == list(LOW_TO_HIGH)


def test_runs_with_one_result_still_have_a_scale() -> None:
    scale = parallel_settings(["a"], {"Seed": [1]}, "accuracy", [50.0], best=0)["baseOption"]["visualMap"]
    assert scale["min"] < scale["max"]


def test_an_effect_has_a_point_per_run_and_mean_and_deviation_per_value() -> None:
    tried = [
        Tried(0.01, [ScoredRun("a", 50.0), ScoredRun("b", 54.0)], 52.0, 2.83),
        Tried(0.1, [ScoredRun("c", 40.0)], 40.0, None),
    ]
    span = span_of([tried])
    assert span == pytest.approx((40.0, 54.83)), "with the deviations"
    option = effect_chart(tried, "Learning rate", "Val. accuracy (%)", span)
    labels = ["0.01\nn = 2", "0.1\nn = 1"]
    points, mean = option["series"]  # a single run has none
    assert option["xAxis"]["data"] == labels and option["xAxis"]["name"] == "Learning rate"
    assert [(each["name"], *each["value"]) for each in points["data"]] == [
        ("a", labels[0], 50.0),
        ("b", labels[0], 54.0),
        ("c", labels[1], 40.0),
    ]
    assert [round(each["value"][1], 2) for each in mean["data"]] == [49.17, 52.0, 54.83]
    assert option["yAxis"]["min"] < 40 and option["yAxis"]["max"] > 54


@pytest.mark.parametrize(
    ("low", "high", "span"),
    [(40.0, 54.0, (38.0, 56.0)), (50.0, 50.0, (49.0, 51.0)), (15.2, 66.0, (10.0, 70.0)), (0.0, 100.0, (0.0, 100.0))],
)
def test_no_point_lies_on_the_end_of_the_axis(low: float, high: float, span: tuple[float, float]) -> None:
    assert axis_span(low, high) == span
