"""What the filter of `to_face` changes: `python -m tests.bench.bench_filters RUN ...`.

Scores the kept weights of runs on validation, and on validation as faces of several sizes in photos would reach the
model: enlarged or shrunk to that size, then resized to the model's input with each of Pillow's filters. In the number
format of training, which is faster and rounds a little. The test split is left alone.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from PIL import Image

from core.evaluation.inference import FLIP, PLAIN, class_probabilities
from core.evaluation.metrics import log_loss
from core.models import IMAGE_SIZE
from core.prediction.proxy import detail
from core.training.compute import tensor_on
from tests.bench.kept_runs import load_runs

FILTERS = (
    Image.Resampling.BILINEAR,
    Image.Resampling.HAMMING,
    Image.Resampling.BOX,
    Image.Resampling.BICUBIC,
    Image.Resampling.LANCZOS,
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="+", metavar="RUN", help="id of a run")
    parser.add_argument("--runs-root", type=Path, default=Path("runs"))
    parser.add_argument("--data-root", type=Path, default=Path("data"))
    parser.add_argument("--sides", type=int, nargs="+", default=[24, 36, 64, 192], help="of a face, in pixels")
    arguments = parser.parse_args()
    for run_id, _, compute, data, model in load_runs(arguments):
        images = data.validation_images.cpu().numpy()
        versions = {"as they are": images} | {
            f"{side} pixels, {resampling.name.lower()}": _as_in_photos(images, side, resampling)
            for side in arguments.sides
            for resampling in FILTERS
        }
        for name, version in versions.items():
            figures = {"run": run_id, "images": name, "detail": round(detail(version), 2)}
            for suffix, views in (("", PLAIN), ("_tta", FLIP)):
                with compute.autocast():
                    probabilities = class_probabilities(model, tensor_on(version, compute), views=views).cpu().numpy()
                right = probabilities.argmax(axis=1) == data.validation.labels
                figures[f"accuracy{suffix}"] = round(float(right.mean()), 4)
                figures[f"loss{suffix}"] = round(log_loss(data.validation.labels, probabilities), 4)
            print(json.dumps(figures), flush=True)


def _as_in_photos(images: np.ndarray, side: int, resampling: Image.Resampling) -> np.ndarray:
    """Images of 48x48 pixels as faces of `side` pixels in photos, then as the model's input again."""
    to_photo = Image.Resampling.LANCZOS if side < IMAGE_SIZE else Image.Resampling.BILINEAR  # as `photo_proxy` enlarges
    photos = (Image.fromarray(image).resize((side, side), to_photo) for image in images)
    return np.stack([np.asarray(photo.resize((IMAGE_SIZE, IMAGE_SIZE), resampling)) for photo in photos])


if __name__ == "__main__":
    main()
