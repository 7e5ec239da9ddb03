"""Line charts: axes that hold still, few points, and what is told of them."""

import numpy as np
import pandas as pd
import pytest

from dashboard.ui.charts.lines import MAX_POINTS, Line, LineChart, Plan, described, value_text, x_axis


def line(name: str, *values: float) -> Line:
    return Line(name, np.arange(1.0, len(values) + 1), np.array(values), "#000000")


def test_an_axis_ends_where_the_longest_run_is_planned_to() -> None:
    plans = [Plan(12, 80, 100), Plan(50, 20, 90)]
    assert (x_axis("epoch", plans).end, x_axis("step", plans).end) == (50, 1000)
    assert x_axis("epoch", []).end == 0


@pytest.mark.parametrize(
    ("seconds", "unit", "title"), [(40, "s", "Time (s)"), (900, "min", "Time (min)"), (14_400, "h", "Time (h)")]
)
def test_time_is_in_a_unit_that_suits_it(seconds: float, unit: str, title: str) -> None:
    axis = x_axis("time", [Plan(0, 0, seconds)])
    assert axis.unit == unit and axis.title == title and axis.end * axis.unit_seconds == seconds
    [place] = axis.positions(pd.DataFrame({"elapsed_s": [seconds]}))
    assert place == axis.end


def test_an_estimated_time_does_not_move_the_axis_with_every_guess() -> None:
    ends = {x_axis("time", [Plan(0, 0, seconds)], estimated=True).end for seconds in np.linspace(605, 895, 50)}
    assert ends == {15}
    assert x_axis("time", [Plan(0, 0, 100_000)], estimated=True).end == 48


def test_a_line_has_no_more_points_than_pixels_and_ends_with_its_last() -> None:
    long = Line("long", np.arange(5000.0), np.arange(5000.0), "#000000", raw=np.arange(5000.0))
    assert len(long.thinned().x) <= MAX_POINTS and long.thinned().x[-1] == 4999
    assert long.thinned().raw is not None and np.array_equal(long.thinned().raw, long.thinned().x)  # type: ignore[arg-type]
    nowhere = Line("gap", np.array([1.0, np.nan, 3.0]), np.array([1.0, 2.0, np.nan]), "#000000").thinned()
    assert nowhere.x.tolist() == [1, 3] and np.isnan(nowhere.y[1]), "a missing value is a gap, a missing place is none"


def test_a_chart_is_told_with_its_last_values() -> None:
    axis = x_axis("epoch", [Plan(12, 80, 0)])
    chart = LineChart("loss", "Loss", [line("train", 1.5, 0.714), line("validation", 1.2, np.nan)])
    assert described(chart, axis) == "Loss: train last 0.714 at epoch 2; validation last 1.200 at epoch 1"
    many = LineChart("accuracy", "Accuracy (%)", [line(f"run {n}", 70.0) for n in range(20)], digits=1, suffix="%")
    assert "run 0 last 70.0% at epoch 1" in described(many, axis) and described(many, axis).endswith("and 12 more")
    assert described(LineChart("empty", "Loss", [line("train")]), axis) == "Loss: no values yet"


def test_values_of_any_size_stay_short() -> None:
    texts = [value_text(value, 3) for value in (0.5, 0.0, 1234.5, 6e12, -2e-7)]
    assert texts == ["0.500", "0.000", "1,234.500", "6.00e+12", "-2.00e-07"]
