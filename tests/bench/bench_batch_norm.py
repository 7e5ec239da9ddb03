"""What other batch norm statistics change: `python -m tests.bench.bench_batch_norm RUN ...`.

Scores the kept weights of runs on validation and on the proxy for faces in photos, with and without flip TTA: as they
are, and with the statistics of training images without augmentation, none, half or all of them cropped like faces in
photos. In the number format of training, which is faster and rounds a little. The runs stay as they are, and the test
split is left alone.
"""

import argparse
import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from core.evaluation.inference import FLIP, PLAIN, class_probabilities
from core.evaluation.metrics import log_loss
from core.prediction.proxy import photo_proxy
from core.training.batch_norm import compute_statistics
from core.training.compute import Compute, tensor_on
from tests.bench.kept_runs import load_runs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="+", metavar="RUN", help="id of a run")
    parser.add_argument("--runs-root", type=Path, default=Path("runs"))
    parser.add_argument("--data-root", type=Path, default=Path("data"))
    parser.add_argument("--images", type=int, default=4096)
    arguments = parser.parse_args()
    for run_id, config, compute, data, model in load_runs(arguments):
        splits = {
            "validation": data.validation_images,
            "proxy": tensor_on(photo_proxy(data.validation_images.cpu().numpy()), compute),
        }
        show = partial(_show, run_id, model, splits, data.validation.labels, compute)
        show(None)
        smooth = tensor_on(photo_proxy(data.images.cpu().numpy()), compute)
        drawn = torch.rand(len(smooth), generator=torch.Generator().manual_seed(0)).to(smooth.device)
        for share in (0.0, 0.5, 1.0):
            mixed = replace(data, images=torch.where((drawn < share).view(-1, 1, 1), smooth, data.images))
            compute_statistics(model, mixed, arguments.images, config.seed, compute, lambda: True)
            show(share)


def _show(
    run_id: str,
    model: nn.Module,
    splits: dict[str, Tensor],
    labels: np.ndarray,
    compute: Compute,
    like_photos: float | None,
) -> None:
    """Accuracy and loss on each of the sets of validation images, and the same with flip TTA; and how many images are
    right in the one and wrong in the other, single view."""
    figures: dict[str, Any] = {"run": run_id, "like_photos": like_photos}
    right: dict[str, np.ndarray] = {}
    for split, images in splits.items():
        for name, views in (("", PLAIN), ("_tta", FLIP)):
            with compute.autocast():
                probabilities = class_probabilities(model, images, views=views).cpu().numpy()
            right[split + name] = probabilities.argmax(axis=1) == labels
            figures[f"{split}_accuracy{name}"] = round(float(right[split + name].mean()), 4)
            figures[f"{split}_loss{name}"] = round(log_loss(labels, probabilities), 4)
    figures["lost"] = int((right["validation"] & ~right["proxy"]).sum())
    figures["won"] = int((right["proxy"] & ~right["validation"]).sum())
    print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    main()
