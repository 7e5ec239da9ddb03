"""What batch norm statistics of images without augmentation change: `python -m tests.bench.bench_batch_norm RUN ...`.

Scores the kept weights of runs on validation, with and without flip TTA: as they are, and with the statistics that
`batch_norm_images` would have given them; in the number format of training, which is faster and rounds a little. The
runs stay as they are, and the test split is left alone.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from torch import nn

from core.evaluation.inference import FLIP, PLAIN, class_probabilities
from core.evaluation.metrics import log_loss
from core.models.state_dict import load_weights
from core.runs.paths import RunPaths
from core.runs.reader import read_config
from core.training.batch_norm import compute_statistics
from core.training.compute import Compute, choose_compute, to_device
from core.training.train_data import TrainData, load_data


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="+", metavar="RUN", help="id of a run")
    parser.add_argument("--runs-root", type=Path, default=Path("runs"))
    parser.add_argument("--data-root", type=Path, default=Path("data"))
    parser.add_argument("--images", type=int, default=4096)
    arguments = parser.parse_args()
    for run_id in arguments.runs:
        paths = RunPaths(arguments.runs_root, run_id)
        config = read_config(paths)
        compute = choose_compute(config)
        data = load_data(config, arguments.data_root, compute)
        model = to_device(load_weights(paths.weights, config.model), compute)
        print(json.dumps({"run": run_id, "images": 0, **_scores(model, data, compute)}), flush=True)
        compute_statistics(
            model, data, config.model_copy(update={"batch_norm_images": arguments.images}), compute, lambda: True
        )
        print(json.dumps({"run": run_id, "images": arguments.images, **_scores(model, data, compute)}), flush=True)


def _scores(model: nn.Module, data: TrainData, compute: Compute) -> dict[str, Any]:
    """Validation accuracy and loss, and the same with flip TTA."""
    figures = {}
    for name, views in (("", PLAIN), ("_tta", FLIP)):
        with compute.autocast():
            probabilities = class_probabilities(model, data.validation_images, views=views).cpu().numpy()
        figures[f"accuracy{name}"] = round(float((probabilities.argmax(axis=1) == data.validation.labels).mean()), 4)
        figures[f"loss{name}"] = round(log_loss(data.validation.labels, probabilities), 4)
    return figures


if __name__ == "__main__":
    main()
