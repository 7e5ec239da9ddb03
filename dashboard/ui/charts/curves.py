"""Curves of one run and of several over each other: data in, chart out. No reading of files, no Streamlit."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import pandas as pd

from dashboard.ui.charts.lines import Line, LineChart, XAxis
from dashboard.ui.charts.style import TRAIN_COLOUR, VALIDATION_COLOUR, colour_of, dash_of

FEW_POINTS: Final = 60
"""So many can be marked one by one without becoming a band."""


@dataclass(frozen=True)
class Quantity:
    """What is drawn over the course of runs: a column of `epochs.jsonl`, and how its values are written."""

    title: str
    column: str
    scale: float = 1
    digits: int = 3
    suffix: str = ""
    loggable: bool = False
    """Whether a logarithmic axis shows more of it."""


QUANTITIES: Final[Mapping[str, Quantity]] = {
    "Validation accuracy": Quantity("Validation accuracy (%)", "validation_accuracy", 100, 1, "%"),
    "Validation loss": Quantity("Validation loss", "validation_loss", loggable=True),
    "Training loss": Quantity("Training loss", "train_loss", loggable=True),
    "Training accuracy": Quantity("Training accuracy (%)", "train_accuracy", 100, 1, "%"),
    "Learning rate": Quantity("Learning rate", "learning_rate", digits=6, loggable=True),
    "Throughput": Quantity("Throughput (img/s)", "images_per_second", digits=0, suffix=" img/s"),
}


def training_curves(
    epochs: pd.DataFrame,
    steps: pd.DataFrame,
    quantity: Literal["loss", "accuracy"],
    axis: XAxis,
    smoothing: float = 0.9,
    batches: int = 0,
    log: bool = False,
) -> LineChart:
    """Training and validation over a run: the raw training curve faintly behind its smoothed one.

    Args:
        epochs: rows of `epochs.jsonl`.
        steps: rows of `steps.jsonl`.
        quantity: which of the two.
        axis: the x axis.
        smoothing: weight of the past in the moving average, 0 (none) to below 1.
        batches: steps per epoch; 0 if not known.
        log: a logarithmic y axis.
    """
    scale = 100 if quantity == "accuracy" else 1
    train, validation = Line("train", *_nothing(), TRAIN_COLOUR), Line("validation", *_nothing(), VALIDATION_COLOUR)
    if quantity in steps:
        raw = steps[quantity].astype(float) * scale
        behind = raw.to_numpy() if smoothing > 0 else None
        smooth = smoothed(raw, smoothing).to_numpy()
        train = Line("train", axis.positions(steps, batches), smooth, TRAIN_COLOUR, raw=behind)
    if f"validation_{quantity}" in epochs:
        values = epochs[f"validation_{quantity}"].to_numpy(float) * scale
        few = len(epochs) <= FEW_POINTS
        validation = Line("validation", axis.positions(epochs, batches), values, VALIDATION_COLOUR, dots=few)
    accuracy = quantity == "accuracy"
    return LineChart(
        quantity,
        "Accuracy (%)" if accuracy else "Loss",
        [train, validation],
        digits=1 if accuracy else 3,
        suffix="%" if accuracy else "",
        log=log,
    )


def _nothing() -> tuple[np.ndarray, np.ndarray]:
    """Both lines are in the legend from the first moment on."""
    return np.empty(0), np.empty(0)


def over_time(
    rows: pd.DataFrame,
    lines: Mapping[str, str],
    key: str,
    title: str,
    axis: XAxis,
    *,
    suffix: str = "",
    batches: int = 0,
    scale: float = 1.0,
    digits: int = 0,
    log: bool = False,
    top: float | None = None,
    height: int = 160,
) -> LineChart | None:
    """Some columns of a history as they were, from zero up.

    Args:
        rows: of `steps.jsonl` or `system.jsonl`.
        lines: column to the name of its line; columns that are missing or empty are left out.
        key: of the chart.
        title: of the chart, with the unit.
        axis: the x axis.
        suffix: behind values.
        batches: steps per epoch; 0 if not known.
        scale: what values are multiplied by.
        digits: behind the point.
        log: a logarithmic y axis.
        top: where the y axis ends, unless a value is above.
        height: of the plot, in pixels.

    Returns:
        None if no column has a value.
    """
    known = [column for column in lines if column in rows and rows[column].notna().any()]
    if not known:
        return None
    places = axis.positions(rows, batches)
    drawn = [
        Line(lines[column], places, rows[column].to_numpy(float) * scale, colour_of(position))
        for position, column in enumerate(known)
    ]
    return LineChart(key, title, drawn, digits, suffix, log, not log, top, height)


def learning_rates(steps: pd.DataFrame, optimizer: str, adamw: float, muon: float) -> pd.DataFrame:
    """The rows of `steps.jsonl` with the rate of each optimizer as a column of its name.

    Recorded is the rate of the one optimizer, with muon that of AdamW, which trains all that Muon does not. Both follow
    the same schedule, each as a fraction of its own peak (`core.training.optim.set_rate`), so that one tells the other.

    Args:
        steps: with `learning_rate`.
        optimizer: `TrainConfig.optimizer`.
        adamw: peak rate of what is recorded, > 0.
        muon: peak rate of Muon.
    """
    if "learning_rate" not in steps or optimizer != "muon":
        return steps.rename(columns={"learning_rate": "learning rate"})
    return steps.assign(AdamW=steps["learning_rate"], Muon=steps["learning_rate"] * (muon / adamw))


@dataclass(frozen=True)
class RunCurve:
    """The epochs of a run, as they are drawn among those of others."""

    name: str
    epochs: pd.DataFrame
    """Rows of `epochs.jsonl`."""
    position: int
    """Among all runs shown: gives colour and dash."""


def overlay(
    histories: Sequence[RunCurve],
    quantity: Quantity,
    axis: XAxis,
    *,
    baseline: int = -1,
    smoothing: float = 0.0,
    log: bool = False,
) -> LineChart:
    """One quantity of several runs over each other.

    Args:
        histories: of the runs.
        quantity: what of them.
        axis: the x axis.
        baseline: position of the run that is drawn thicker.
        smoothing: weight of the past in the moving average, 0 (none) to below 1.
        log: a logarithmic y axis, where one makes sense.
    """
    lines = []
    for each in histories:
        if quantity.column not in each.epochs:
            continue
        values = each.epochs[quantity.column].astype(float) * quantity.scale
        lines.append(
            Line(
                each.name,
                axis.positions(each.epochs),
                smoothed(values, smoothing).to_numpy(),
                colour_of(each.position),
                dash_of(each.position),
                width=3 if each.position == baseline else 1.6,
                raw=values.to_numpy() if smoothing > 0 else None,
            )
        )
    return _compared(quantity, lines, log)


def seed_bands(
    groups: Sequence[tuple[str, Sequence[pd.DataFrame], int]],
    quantity: Quantity,
    axis: XAxis,
    *,
    smoothing: float = 0.0,
    log: bool = False,
) -> LineChart:
    """Mean and spread over the seeds of each configuration: a line in a band of one sample standard deviation.

    Args:
        groups: name, rows of `epochs.jsonl` of each run, and position for colour and dash. A single run has no band.
            Only epochs that all runs of a group have done are drawn, else the mean would jump where one ends.
        quantity: what of them.
        axis: the x axis; positions are the mean over the runs.
        smoothing: weight of the past in the moving average of mean and band, 0 (none) to below 1.
        log: a logarithmic y axis, where one makes sense.
    """
    lines = []
    for name, members, position in groups:
        known = [rows for rows in members if quantity.column in rows]
        if not known:
            continue
        places = _by_epoch(known, lambda rows: axis.positions(rows))
        values = _by_epoch(known, lambda rows: rows[quantity.column].to_numpy(float) * quantity.scale)
        mean = smoothed(values.mean(axis=1, skipna=False), smoothing).to_numpy()
        band = None
        if len(known) > 1:
            spread = smoothed(values.std(axis=1, skipna=False), smoothing).to_numpy()
            band = mean - spread, mean + spread
        x = places.mean(axis=1).to_numpy()
        lines.append(Line(name, x, mean, colour_of(position), dash_of(position), band=band))
    return _compared(quantity, lines, log)


def _by_epoch(members: Sequence[pd.DataFrame], read: Callable[[pd.DataFrame], np.ndarray]) -> pd.DataFrame:
    """Epochs that all members have x members."""
    columns = [pd.Series(read(rows), index=rows["epoch"].to_numpy()) for rows in members]
    return pd.concat([column[~column.index.duplicated(keep="last")] for column in columns], axis=1, join="inner")


def _compared(quantity: Quantity, lines: Sequence[Line], log: bool) -> LineChart:
    suffix, logarithmic = quantity.suffix, log and quantity.loggable
    return LineChart(quantity.column, quantity.title, lines, quantity.digits, suffix, log=logarithmic)


def smoothed(values: pd.Series, weight: float) -> pd.Series:
    """Exponential moving average without the pull towards zero at the beginning."""
    return values.ewm(alpha=1 - weight, adjust=True).mean() if weight > 0 else values
