"""Curves of one run and of several: what is drawn, along what."""

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
import torch

from core.config import TrainConfig
from core.training.optim import build_optimizers, peak_rates, set_rates
from dashboard.state import cache
from dashboard.ui.charts.curves import (
    QUANTITIES,
    RunCurve,
    learning_rates,
    over_time,
    overlay,
    seed_bands,
    training_curves,
)
from dashboard.ui.charts.lines import Plan, x_axis
from dashboard.ui.charts.style import PALETTE
from tests.dashboard.conftest import Writer

BY_EPOCH = x_axis("epoch", [Plan(10, 80, 0)])
ACCURACY = QUANTITIES["Validation accuracy"]


def rows(*accuracies: float, seconds: float = 60) -> pd.DataFrame:
    numbers = np.arange(1, len(accuracies) + 1)
    return pd.DataFrame(
        {"epoch": numbers, "step": 80 * numbers, "elapsed_s": seconds * numbers, "validation_accuracy": accuracies}
    )


def test_the_raw_curve_is_a_part_of_the_training_curve(write: Writer) -> None:
    run = write("running", done=40, epochs=50, age=timedelta(hours=1))
    epochs, steps = cache.history(run.paths.epochs), cache.history(run.paths.steps)
    axis = x_axis("step", [Plan(50, 80, 0)])
    train, validation = training_curves(epochs, steps, "loss", axis, 0.9, 80).lines
    assert train.x[-1] == validation.x[-1] == 3200 and axis.end == 4000
    assert train.raw is not None and train.y.std() < train.raw.std()
    train, _ = training_curves(epochs, steps, "accuracy", BY_EPOCH, 0.0, 80).lines
    assert train.x[-1] == 40 and train.raw is None


def test_both_curves_are_named_before_there_is_a_point() -> None:
    chart = training_curves(pd.DataFrame(), pd.DataFrame(), "loss", BY_EPOCH)
    assert [line.name for line in chart.lines] == ["train", "validation"], "so that the legend does not jump"
    assert not any(len(line.x) for line in chart.lines)


def test_lines_over_time_are_scaled_and_left_out_where_empty() -> None:
    table = pd.DataFrame({"elapsed_s": range(0, 60 * 5000, 60), "a": 2.0, "b": None})
    axis = x_axis("time", [Plan(0, 0, 60 * 4999)])
    chart = over_time(table, {"a": "first", "b": "second", "c": "third"}, "key", "Title (GB)", axis, scale=0.5)
    assert chart is not None
    [line] = chart.lines
    assert line.name == "first" and set(line.y) == {1.0} and line.x[-1] == axis.end
    assert over_time(pd.DataFrame(), {"a": "first"}, "key", "Title", axis) is None


def test_the_rate_of_muon_is_the_one_it_was_trained_with() -> None:
    config = TrainConfig(optimizer="muon", learning_rate=0.001, muon_learning_rate=0.02)
    model = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.Flatten(), torch.nn.Linear(2, 2))
    muon, adamw = build_optimizers(model, config)
    recorded, used = [], []
    for factor in (0.1, 1.0, 0.3):
        set_rates([muon, adamw], [peak * factor for peak in peak_rates([muon, adamw])])
        recorded.append(config.learning_rate * factor)
        used.append((muon.param_groups[0]["lr"], adamw.param_groups[0]["lr"]))
    table = learning_rates(pd.DataFrame({"learning_rate": recorded}), "muon", 0.001, 0.02)
    assert table[["Muon", "AdamW"]].to_numpy() == pytest.approx(np.array(used))
    assert "Muon" not in learning_rates(pd.DataFrame({"learning_rate": recorded}), "adamw", 0.001, 0.02)


def test_runs_over_each_other_keep_their_colours_and_no_two_look_alike() -> None:
    histories = [RunCurve(f"run {at}", rows(0.5, 0.6), at) for at in range(len(PALETTE) + 2)]
    histories[0] = RunCurve("queued", pd.DataFrame(), 0)
    chart = overlay(histories, ACCURACY, BY_EPOCH, baseline=2)
    assert [line.name for line in chart.lines] == [f"run {at}" for at in range(1, len(PALETTE) + 2)]
    looks = [(line.colour, line.dash) for line in chart.lines]
    assert len(set(looks)) == len(looks) and looks[0][0] == looks[-1][0] == PALETTE[1]
    assert chart.lines[1].width > chart.lines[0].width and chart.lines[0].y.tolist() == [50, 60]


@pytest.mark.parametrize(("kind", "last"), [("epoch", 2), ("step", 160), ("time", 120)])
def test_every_quantity_goes_along_every_axis(kind: str, last: float) -> None:
    axis = x_axis(kind, [Plan(2, 80, 120)])  # type: ignore[arg-type]
    for quantity in QUANTITIES.values():
        table = rows(0.5, 0.6).rename(columns={"validation_accuracy": quantity.column})
        [line] = overlay([RunCurve("run", table, 0)], quantity, axis, smoothing=0.5, log=True).lines
        assert line.x[-1] == last == axis.end
        assert line.raw is not None and line.raw.tolist() == [0.5 * quantity.scale, 0.6 * quantity.scale]


def test_a_band_is_the_spread_over_seeds_where_all_of_them_are() -> None:
    longer, shorter = rows(0.4, 0.6, 0.8, seconds=50), rows(0.6, 0.8, seconds=70)
    groups = [("both", [longer, shorter], 0), ("alone", [longer], 1)]
    both, alone = seed_bands(groups, ACCURACY, BY_EPOCH).lines
    assert both.x.tolist() == [1, 2] and both.y == pytest.approx([50, 70]) and both.band is not None
    spread = np.std([40, 60], ddof=1)
    assert both.band[0] == pytest.approx([50 - spread, 70 - spread]) and both.band[1][1] == pytest.approx(70 + spread)
    assert alone.band is None and alone.y.tolist() == pytest.approx([40, 60, 80])
    by_time = x_axis("time", [Plan(2, 80, 140)])
    assert seed_bands(groups, ACCURACY, by_time).lines[0].x.tolist() == [60, 120]
