"""Curves of a run: few points, the last one among them."""

from datetime import timedelta

import pandas as pd

from dashboard.state import cache
from dashboard.ui.charts.curves import MAX_POINTS, over_time, training_curves
from tests.dashboard.conftest import Writer


def test_curves_stay_small_and_end_at_the_last_point(write: Writer) -> None:
    run = write("running", done=40, epochs=50, age=timedelta(hours=1))
    epochs, steps = cache.history(run.paths.epochs), cache.history(run.paths.steps)
    train, validation = (part["source"] for part in training_curves(epochs, steps, "loss", "step", 0.9, 80)["dataset"])
    assert len(train) <= MAX_POINTS and train["step"].iloc[-1] == validation["step"].iloc[-1] == 3200
    assert train["train"].std() < train["train (raw)"].std()
    train, _ = (part["source"] for part in training_curves(epochs, steps, "accuracy", "epoch", 0.0, 80)["dataset"])
    assert train["epoch"].iloc[-1] == 40 and train["train"].equals(train["train (raw)"])


def test_lines_over_time_are_scaled_thinned_and_left_out_where_empty() -> None:
    rows = pd.DataFrame({"elapsed_s": range(0, 60 * 5000, 60), "a": 2.0, "b": None})
    option = over_time(rows, {"a": "first", "b": "second", "c": "third"}, "Title", "GB", scale=0.5, digits=2)
    assert option is not None and [line["name"] for line in option["series"]] == ["first"]
    source = option["dataset"][0]["source"]
    assert len(source) <= MAX_POINTS and source["first"].unique() == [1.0] and source["time"].iloc[-1] == 4999
    assert over_time(pd.DataFrame(), {"a": "first"}, "Title", "%") is None
