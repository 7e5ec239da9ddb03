"""How long a run will take, from how long others took."""

import socket
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from core.config import TrainConfig
from core.runs.store import Run, RunState

ROUGH_IMAGES_PER_SECOND: Final = 140.0
"""Model 2 in bfloat16 on two server cores; used only while this machine has no finished run of its own."""

EVALUATION_SHARE: Final = 0.05
"""Time on top of the training steps: the validation images after each epoch, the test images once at the end."""


@dataclass(frozen=True)
class Estimate:
    """Seconds of training, and in words what the figure is based on."""

    seconds: float
    images_per_second: float
    basis: str


def estimate_duration(config: TrainConfig, train_images: int, runs: Sequence[Run]) -> Estimate:
    """Time that a run will train for, without the time it waits in the queue.

    Args:
        config: the settings of the run to come.
        train_images: size of its training split.
        runs: all runs there are; finished ones of the same network, device and precision on this machine count.
    """
    speeds = [
        run.status.images_per_second
        for run in runs
        if run.state is RunState.FINISHED and run.status.images_per_second and _alike(run, config)
    ]
    speed = median(speeds) if speeds else ROUGH_IMAGES_PER_SECOND
    if speeds:
        of = "1 finished run" if len(speeds) == 1 else f"{len(speeds)} finished runs"
        basis = f"{speed:,.0f} images/s, the median of {of} of this network on this machine"
    else:
        basis = f"a rough {speed:,.0f} images/s, since no run of this network has finished on this machine yet"
    images = config.epochs * (config.images_per_epoch or train_images)
    return Estimate(images / speed * (1 + EVALUATION_SHARE), speed, basis)


def _alike(run: Run, config: TrainConfig) -> bool:
    other = run.config
    return (
        other is not None
        and run.status.host in (None, socket.gethostname())
        and (other.model, other.device, other.precision) == (config.model, config.device, config.precision)
    )
