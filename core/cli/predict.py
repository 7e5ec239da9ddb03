"""`python -m core predict` and `bench predict`."""

import csv
import json
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from core.cli.options import AsJson, DataRoot, Flip, RunsRoot, find_members
from core.cli.output import as_percent, print_json
from core.errors import ConfigError, RunError, display_name, quote, system_reason
from core.files import open_regular
from core.machine import available_cores, cpu_quota

if TYPE_CHECKING:
    from core.prediction.predictor import FaceClassifier, FacePrediction

_LINE_EVERY = 100
"""Where no bar is shown: a line on the progress after so many images."""

RunOption = Annotated[
    list[str] | None,
    typer.Option(
        "--run",
        help="Run or ensemble whose weights to use; repeatable: several predict together, with the mean of their "
        "calibrated probabilities.",
        show_default="the approved run, else the best one",
    ),
]
WeightsOption = Annotated[
    Path | None,
    typer.Option(
        help="Use weights of CnnModel2 or CnnModel1 (.pth, .ckpt, .safetensors) instead of a run; loaded safely."
    ),
]


def predict(
    images: Annotated[
        list[str], typer.Argument(metavar="IMAGE...", help="Images, folders, zip files, or patterns like '**/*.jpg'.")
    ],
    runs_root: RunsRoot,
    run: RunOption = None,
    weights: WeightsOption = None,
    flip: Flip = True,
    faces: Annotated[bool, typer.Option("--faces/--no-faces", help="Detect faces, or use the full image.")] = True,
    margin: Annotated[
        float,
        typer.Option(min=0.5, max=2, help="Crop margin; 1.0 matches FER2013 framing, higher includes more context."),
    ] = 1.0,
    as_json: AsJson = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV, one row per face.")] = False,
) -> None:
    """Classify the facial expressions in any number of images. With --json, one line per image.

    Unreadable images are reported on standard error, the others are processed; the exit code is then 2.
    """
    if as_json and as_csv:
        raise ConfigError("--json and --csv exclude each other. Choose one.")
    predictor = _predictor(runs_root, run or [], weights, flip=flip)
    from core.cli.progress import ProgressBar
    from core.prediction.batch import CSV_COLUMNS, photo_as_json, predict_images, prediction_rows, read_and_crop
    from core.prediction.pictures import images_at
    from core.prediction.predictor import Detection, limit_threads

    if cpu_quota() is not None:  # PyTorch and OpenCV know nothing of it
        limit_threads(available_cores())
    table = csv.DictWriter(sys.stdout, CSV_COLUMNS, lineterminator="\n")
    if as_csv:
        table.writeheader()
    count = _Count()
    cropped = partial(read_and_crop, whole=not faces, margin=margin)
    with ProgressBar(beside_results=True) as bar:
        for photo in predict_images(predictor, images_at(images), cropped):
            name = _printable(photo.name)
            count.add(None if photo.problem else len(photo.faces))
            bar.update(str(count))
            if count.images % _LINE_EVERY == 0 and not bar.is_shown:
                bar.say(str(count))
            if photo.problem:
                bar.say(photo.problem)
                continue
            if photo.detection is Detection.NO_FACE:
                bar.say(f"{_printable(Path(name).name)}: no face detected; the full image was classified instead.")
            if as_json:
                print(json.dumps(photo_as_json(photo.name, photo)))
            elif as_csv:
                table.writerows(prediction_rows(name, photo))
            else:
                for face in photo.faces:
                    print(f"{name}: {face.label} {as_percent(face.confidence)}{_remarks(face)}")
        if bar.is_shown and count.images > 1:
            bar.say(str(count))
    if count.unreadable:
        raise typer.Exit(2)


def _predictor(runs_root: Path, names: Sequence[str], weights: Path | None, *, flip: bool) -> "FaceClassifier":
    """The model that was asked for, by default that of the best run.

    Raises:
        RunError: there is no such run, or none at all, or the runs cannot predict together.
    """
    if weights:
        if names:
            raise ConfigError("--run and --weights exclude each other. Choose one.")
        return _own_weights(weights, flip=flip)
    from core.runs.reader import list_runs
    from core.runs.selection import best_run

    best = None if names else best_run(list_runs(runs_root))
    runs = find_members(runs_root, names) if names else [best] if best else []
    if not runs:
        raise RunError("No trained run yet. Start one with `python -m core train --preset quick`.")
    from core.prediction.ensemble import predictor_of

    return predictor_of(runs, flip=flip)


def _own_weights(path: Path, *, flip: bool) -> "FaceClassifier":
    from core.models.state_dict import read_weights
    from core.models.unwrap import WeightsError
    from core.models.weights_format import MAX_WEIGHTS_BYTES
    from core.prediction.predictor import Predictor

    try:
        with open(path, "rb", opener=open_regular) as file:
            data = file.read(MAX_WEIGHTS_BYTES + 1)
    except OSError as error:
        raise WeightsError(f"Can't read {path.name}: {system_reason(error)}.") from None
    found = read_weights(data, path.name)
    if found.where:
        print(f"Using {quote(found.where)} in {display_name(path.name)}.", file=sys.stderr)
    return Predictor(found.model, flip=flip)


def _remarks(face: "FacePrediction") -> str:
    """What else there is to know about a prediction, in parentheses."""
    remarks = ["low confidence"] if face.low_confidence else []
    remarks += [f"rotated by {face.rotation}°"] if face.rotation else []
    return f" ({', '.join(remarks)})" if remarks else ""


class _Count:
    """What has been predicted so far."""

    def __init__(self) -> None:
        self.images = self.faces = self.unreadable = 0
        self._started = time.monotonic()

    def add(self, faces: int | None) -> None:
        """One image more, with so many faces; None if it could not be read."""
        self.images += 1
        self.faces += faces or 0
        self.unreadable += faces is None

    def __str__(self) -> str:
        rate = self.images / max(1e-3, time.monotonic() - self._started)
        unreadable = f", {self.unreadable:,} unreadable" if self.unreadable else ""
        return f"{self.images:,} images, {self.faces:,} faces{unreadable}, {rate:.1f} images/s"


def _printable(name: str) -> str:
    """A name for a terminal, without control characters."""
    return "".join(char if char.isprintable() else "?" for char in name)


def bench_predict(
    runs_root: RunsRoot,
    data_root: DataRoot,
    run: RunOption = None,
    flip: Flip = True,
    photo: Annotated[
        Path | None, typer.Option(help="Photo with faces.", show_default="a collage of six FER2013 images")
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds per variant.")] = 5,
    as_json: AsJson = False,
) -> None:
    """Measure milliseconds per photo and per face, also of the package fer where it is installed."""
    predictor = _predictor(runs_root, run or [], None, flip=flip)
    from core.bench.predict import bench_predictor, group_photo
    from core.data.decode import decode_image
    from core.prediction.pictures import read_image_file

    image = decode_image(read_image_file(photo), photo.name) if photo else group_photo(data_root)
    results = bench_predictor(predictor, image, rounds)
    if as_json:
        print_json(results)
        return
    print(f"{results['photo']}, on {results['device']}, medians of {rounds} rounds")
    for name, row in results["milliseconds"].items():
        print(f"{name}: {row}" if isinstance(row, str) else f"{name}:")
        for part, value in row.items() if isinstance(row, dict) else ():
            print(f"  {part.replace('_', ' '):18} {value:9.1f}{'' if part == 'faces_found' else ' ms'}")
