"""How long a run will take, from how long others took, and how long it will wait for those ahead of it."""

import heapq
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from core.config import TrainConfig
from core.machine import boot_id, host_name
from core.runs.liveness import has_engine
from core.runs.records import Run, RunState

ROUGH_IMAGES_PER_SECOND: Final = {"cnn-model-2": 140.0, "cnn-model-1": 2000.0}
"""By model, in bfloat16 on two server cores; used only while this machine has no finished run of its own."""

FORWARD_SPEED: Final = 3.4
"""Images scored in the time that training takes for one, in the same precision: forward alone, instead of forward,
backward and optimizer. Measured on the shipped run, which was trained on two cores."""

FINAL_SPEED: Final = 1.65
"""The same for the evaluation at the end, which is in float32, after training in bfloat16."""

FINAL_VIEWS: Final = 2
"""Forward passes per image in the evaluation at the end: the image and its horizontal flip."""


@dataclass(frozen=True)
class Estimate:
    """Seconds of training, and in words what the estimate is based on."""

    seconds: float
    images_per_epoch: int
    images_per_second: float
    basis: str


def estimate_duration(config: TrainConfig, images: Mapping[str, int], runs: Sequence[Run]) -> Estimate:
    """Time from the first step to the end of the evaluation, without the time in the queue.

    Args:
        config: the settings of the run to come; it is taken to run all its epochs.
        images: size of each split (`train`, `validation`, `test`) of its dataset.
        runs: all runs there are; finished ones of the same model, device and precision on this machine count.
    """
    speeds = [
        run.status.images_per_second * _cost(run.config)
        for run in runs
        if run.state is RunState.FINISHED and run.config and run.status.images_per_second and _alike(run, config)
    ]
    speed = median(speeds) if speeds else ROUGH_IMAGES_PER_SECOND[config.model]
    shown = speed / _cost(config)
    if speeds:
        of = "1 finished run" if len(speeds) == 1 else f"{len(speeds)} finished runs"
        basis = f"{shown:,.0f} img/s (median of {of} of this model on this machine)"
    else:
        basis = f"rough estimate ({shown:,.0f} img/s); no finished run on this machine yet"
    per_epoch = _images_per_epoch(config, images["train"])
    final_speed = FORWARD_SPEED if config.precision == "float32" else FINAL_SPEED
    each_epoch = per_epoch * _cost(config) + images["validation"] / FORWARD_SPEED  # in images trained on
    at_the_end = FINAL_VIEWS * (images["validation"] + images["test"]) / final_speed
    return Estimate((config.epochs * each_epoch + at_the_end) / speed, per_epoch, shown, basis)


@dataclass(frozen=True)
class TotalEstimate:
    """How long several runs take that are queued together."""

    seconds: float
    """From the start of the first to the end of the last."""
    shortest: float
    longest: float
    """Seconds of one run."""


def estimate_runs(
    configs: Sequence[TrainConfig], images: Mapping[str, Mapping[str, int]], runs: Sequence[Run], slots: int
) -> TotalEstimate | None:
    """Time from the first step of the first of some runs to the end of the last, without the time in the queue; None
    where a dataset is missing.

    Args:
        configs: settings of the runs to come, in the order in which they are queued, at least one.
        images: dataset to the size of each of its splits.
        runs: all runs there are, see `estimate_duration`.
        slots: how many runs this machine trains at once, at least 1.
    """
    if any(config.dataset not in images for config in configs):
        return None
    known: dict[tuple[object, ...], float] = {}  # of many runs, few differ in what takes time
    lengths = []
    for config in configs:
        key = _what_takes_time(config)
        if key not in known:
            known[key] = estimate_duration(config, images[config.dataset], runs).seconds
        lengths.append(known[key])
    free = [0.0] * slots
    for seconds in lengths:
        heapq.heapreplace(free, free[0] + seconds)
    return TotalEstimate(max(free), min(lengths), max(lengths))


def _what_takes_time(config: TrainConfig) -> tuple[object, ...]:
    """All that `estimate_duration` asks of a config."""
    of_machine = config.model, config.device, config.precision
    of_epoch = config.dataset, config.images_per_epoch, config.hold_out, config.asam_rho > 0, len(config.teachers)
    return *of_machine, config.epochs, *of_epoch


def _images_per_epoch(config: TrainConfig, train: int) -> int:
    """Of so many training images; which ones correction sets and duplicates exclude, only the data tell."""
    folds = int(config.hold_out.partition("/")[2]) if config.hold_out else 0
    kept = train - train // folds if folds else train
    return min(config.images_per_epoch or kept, kept)


def _cost(config: TrainConfig) -> float:
    """Of training with an image, in that of one forward and backward pass: ASAM takes two, and each teacher scores it,
    too."""
    return (2 if config.asam_rho else 1) + len(config.teachers) / FORWARD_SPEED


def estimate_wait(runs: Sequence[Run], images: Mapping[str, Mapping[str, int]], slots: int) -> float | None:
    """Seconds until a run that is queued now starts; None where the time of a run ahead of it cannot be told, as its
    settings or its dataset are missing.

    Args:
        runs: all runs there are; those that an engine has elsewhere do not count.
        images: dataset to the size of each of its splits.
        slots: how many runs this machine trains at once, at least 1.
    """
    free = [0.0] * slots
    for _, seconds in _line(runs, images):
        if seconds is None:
            return None
        _take_slot(free, seconds)
    return free[0]


def seconds_until_done(
    ids: Collection[str], runs: Sequence[Run], images: Mapping[str, Mapping[str, int]], slots: int
) -> float | None:
    """Seconds until the last of these queued or running runs has ended, with what is ahead of it; None where that
    cannot be told, as for `estimate_wait`, or since one of them is lost or waits for an engine.

    Args:
        ids: of those that are waited for.
        runs: all runs there are.
        images: dataset to the size of each of its splits.
        slots: how many runs this machine trains at once, at least 1.
    """
    line = _line(runs, images)
    if {run.id for run in runs if run.state.is_live and run.id in ids} - {run_id for run_id, _ in line}:
        return None
    until = max((place for place, (run_id, _) in enumerate(line, 1) if run_id in ids), default=0)
    free, end = [0.0] * slots, 0.0
    for run_id, seconds in line[:until]:
        if seconds is None:
            return None
        ended = _take_slot(free, seconds)
        end = max(end, ended) if run_id in ids else end
    return end


def _line(runs: Sequence[Run], images: Mapping[str, Mapping[str, int]]) -> list[tuple[str, float | None]]:
    """The ids of the runs that are running or queued, in their order, with the seconds that each has left; None where
    its settings or its dataset are missing."""
    here = [run for run in runs if not has_engine(run.status) and run.state is not RunState.LOST]
    live = [run for run in here if run.state.is_live]
    live.sort(key=lambda run: (run.state is RunState.QUEUED, run.status.queue_position, run.id))
    finished = [run for run in runs if run.state is RunState.FINISHED]
    wholes: dict[tuple[object, ...], float] = {}  # of a long queue, few runs differ in what takes time
    return [(run.id, _seconds_left(run, images, finished, wholes)) for run in live]


def _seconds_left(
    run: Run, images: Mapping[str, Mapping[str, int]], finished: Sequence[Run], wholes: dict[tuple[object, ...], float]
) -> float | None:
    """Of a queued or running run. A running one knows itself, after its first steps."""
    if run.state is not RunState.QUEUED and run.status.eta_seconds is not None:
        return run.status.eta_seconds
    if run.config is None or run.config.dataset not in images:
        return None
    key = _what_takes_time(run.config)
    if key not in wholes:
        wholes[key] = estimate_duration(run.config, images[run.config.dataset], finished).seconds
    return wholes[key] * (1 - run.status.progress)


def _take_slot(free: list[float], seconds: float) -> float:
    """Give a run the slot that is free first; when it ends.

    Args:
        free: the seconds until each slot is free, as a heap.
        seconds: how long the run takes.
    """
    end = free[0] + seconds
    heapq.heapreplace(free, end)
    return end


def _alike(run: Run, config: TrainConfig) -> bool:
    """Of the same model, device and precision, on this machine, by its name or, since a container that is made anew has
    another, by its boot. A run without a host, such as the shipped one, counts as foreign: nothing says that it ran
    here."""
    other, status = run.config, run.status
    return (
        other is not None
        and (status.host == host_name() or status.boot_id == boot_id())
        and (other.model, other.device, other.precision) == (config.model, config.device, config.precision)
    )
