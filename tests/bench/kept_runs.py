"""Finished runs, loaded to score their kept weights on validation in the number format of training."""

from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from torch import nn

from core.config import TrainConfig
from core.models.state_dict import load_weights
from core.runs.paths import RunPaths
from core.runs.reader import read_config
from core.training.compute import Compute, choose_compute, to_device
from core.training.train_data import TrainData, load_data


class KeptRun(NamedTuple):
    """A run with its data and its best weights, on the device that it would train on."""

    id: str
    config: TrainConfig
    compute: Compute
    data: TrainData
    model: nn.Module


def load_runs(arguments: Namespace) -> Iterator[KeptRun]:
    """Those that a command line names: its `runs`, in `runs_root`, on data in `data_root`."""
    for run_id in arguments.runs:
        paths = RunPaths(Path(arguments.runs_root), run_id)
        config = read_config(paths)
        compute = choose_compute(config)
        data = load_data(config, Path(arguments.data_root), compute)
        yield KeptRun(run_id, config, compute, data, to_device(load_weights(paths.weights, config.model), compute))
