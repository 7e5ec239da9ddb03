"""The metrics of a trained model on every split, in float32, single view and with test-time augmentation.

Called once at the end of training and again by `python -m core evaluate`: the same code, so the same metrics.
"""

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from torch import nn

from core.config import TrainConfig
from core.data.dataset import Split, load_split, read_identity
from core.data.folds import held_out, shares_pixels
from core.data.identity import DataIdentity, same_images
from core.errors import RunError
from core.evaluation.inference import FLIP, Views, class_probabilities
from core.evaluation.metrics import evaluate_predictions, fit_temperature
from core.evaluation.predictions import probabilities_of, read_predictions, write_predictions
from core.models.state_dict import load_weights
from core.review.corrections import Corrections
from core.runs.best import weights_origin
from core.runs.paths import RunPaths
from core.runs.summary import SplitMetrics, ViewMetrics
from core.splits import HELD_OUT, ORIGINAL_TEST
from core.training.compute import Compute, tensor_on, to_device
from core.training.train_data import correct_validation

REPORTED: Final = {"validation": ("validation",), "test": ("test",), ORIGINAL_TEST: ("validation", "test")}
"""The splits that metrics are reported for, each the union of stored ones."""


def report(
    paths: RunPaths,
    config: TrainConfig,
    corrections: Corrections | None,
    data_root: Path,
    compute: Compute,
    keep_going: Callable[[], bool] = lambda: True,
    splits: Iterable[str] = tuple(REPORTED),
    *,
    tta: Views = FLIP,
    keep_predictions: bool = True,
) -> dict[str, SplitMetrics]:
    """Score a run's best weights. Temperatures are fitted on validation.

    Args:
        paths: the run; its `fer2013_model_2.pth` is scored.
        config: its settings.
        corrections: what `corrections_of` finds in its folder.
        data_root: where its dataset is.
        compute: where to compute; always in float32.
        keep_going: asked before each batch.
        splits: which of `REPORTED` to evaluate.
        tta: views to average over for the metrics with test-time augmentation; the first is the plain one.
        keep_predictions: write `predictions-<split>.parquet`, labels as imported; also for the fold held out.

    Returns:
        Per split its metrics, labels as imported; below `tta` those with test-time augmentation, below
        `without_train_duplicates` those excluding train duplicates, and below `corrected`, for validation, those on
        the corrected labels.

    Raises:
        RunError: there are no weights, or the file is corrupt.
        DataError: the dataset is missing or corrupt.
        InterruptedError: `keep_going` said no.
    """
    model = to_device(load_weights(paths.weights, config.model), compute)
    data, train, leaked = reported_data(data_root, config.dataset, splits)
    plain, averaged = score_views(model, data, compute, tta, keep_going)
    if keep_predictions:
        for name, split in data.items():
            write_predictions(paths.predictions(name), split.ids, split.labels, plain[name], weights_origin(paths))
        if config.hold_out:
            mask = held_out(train, config.hold_out)
            unseen = Split(HELD_OUT, train.images[mask], train.labels[mask], train.ids[mask])
            predict_split(paths, model, unseen, compute, keep_going)
    evaluation = {
        name: {**_figures(name, data, leaked, plain), "tta": _figures(name, data, leaked, averaged)} for name in splits
    }
    corrected = correct_validation(corrections, data["validation"])
    if corrected and "validation" in evaluation:
        temperature = fit_temperature(data["validation"].labels, plain["validation"])
        figures, labels = evaluation["validation"], corrected.labels[corrected.kept]
        for values, target in ((plain, figures), (averaged, figures["tta"])):
            target["corrected"] = evaluate_predictions(labels, values["validation"][corrected.kept], temperature)
    return {name: SplitMetrics.model_validate(figures, strict=False) for name, figures in evaluation.items()}


def reported_data(
    data_root: Path, dataset: str, splits: Iterable[str]
) -> tuple[dict[str, Split], Split, dict[str, np.ndarray]]:
    """The stored splits that a report on some of `REPORTED` needs, validation among them; train; and which of their
    images are in train, too.

    Raises:
        DataError: the dataset is missing or corrupt.
    """
    needed = {stored for name in splits for stored in REPORTED[name]} | {"validation"}
    data = {name: load_split(data_root, dataset, name) for name in sorted(needed)}
    train = load_split(data_root, dataset, "train")
    return data, train, {name: shares_pixels(split.images, train.images) for name, split in data.items()}


def score_views(
    model: nn.Module,
    data: dict[str, Split],
    compute: Compute,
    tta: Views,
    keep_going: Callable[[], bool] = lambda: True,
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """(N, 7) probabilities of each split: of the first view, and averaged over all of them.

    Raises:
        InterruptedError: `keep_going` said no.
    """
    by_view = {
        name: [
            class_probabilities(model, tensor_on(split.images, compute), views=(view,), keep_going=keep_going)
            .cpu()
            .numpy()
            for view in tta
        ]
        for name, split in data.items()
    }
    return (
        {name: views[0] for name, views in by_view.items()},
        {name: np.mean(views, axis=0) for name, views in by_view.items()},
    )


def predict_split(
    paths: RunPaths, model: nn.Module, split: Split, compute: Compute, keep_going: Callable[[], bool] = lambda: True
) -> None:
    """Write `predictions-<split>.parquet`: the predictions of the run's weights for every image, single view, float32.

    Raises:
        InterruptedError: `keep_going` said no.
    """
    probabilities = class_probabilities(model, tensor_on(split.images, compute), keep_going=keep_going)
    values = probabilities.cpu().numpy()
    write_predictions(paths.predictions(split.name), split.ids, split.labels, values, weights_origin(paths))


def score_images(
    paths: RunPaths,
    config: TrainConfig,
    images: np.ndarray,
    labels: np.ndarray,
    compute: Compute,
    views: Views,
    temperature: float,
) -> ViewMetrics:
    """Score a run's best weights on any images, and keep nothing of it.

    Args:
        paths: the run.
        config: its settings.
        images: uint8 (N, 48, 48), N at least 1.
        labels: (N,) class indices.
        compute: where to compute; always in float32.
        views: what to average over.
        temperature: fitted on validation.

    Raises:
        RunError: there are no weights, or the file is corrupt.
    """
    model = to_device(load_weights(paths.weights, config.model), compute)
    probabilities = class_probabilities(model, tensor_on(images, compute), views=views).cpu().numpy()
    return ViewMetrics.model_validate(evaluate_predictions(labels, probabilities, temperature), strict=False)


def score_train(
    paths: RunPaths,
    config: TrainConfig,
    trained_on: DataIdentity,
    data_root: Path,
    compute: Compute,
) -> ViewMetrics:
    """Predict all training images with a run's best weights, and keep that as `predictions-train.parquet`.

    Args:
        paths: the run.
        config: its settings.
        trained_on: the data it recorded.
        data_root: where its dataset is.
        compute: where to compute; always in float32.

    Returns:
        The metrics on them. These are training images: the metrics do not reflect generalization.

    Raises:
        RunError: there are no weights, or the file is corrupt, or the dataset is not the one the run was trained on.
        DataError: the dataset is missing or corrupt.
    """
    if trained_on.content and not same_images([trained_on, read_identity(data_root, config.dataset)]):
        raise RunError(
            f"Dataset {config.dataset!r} is not identical to the one that run {paths.run_id} was trained on. Import "
            "the original dataset again."
        )
    train = load_split(data_root, config.dataset, "train")
    predict_split(paths, to_device(load_weights(paths.weights, config.model), compute), train, compute)
    table = read_predictions(paths.predictions("train"))
    figures = evaluate_predictions(table["label"].to_numpy(), probabilities_of(table))
    return ViewMetrics.model_validate(figures, strict=False)


def _figures(
    name: str, data: dict[str, Split], leaked: dict[str, np.ndarray], probabilities: dict[str, np.ndarray]
) -> dict[str, Any]:
    temperature = fit_temperature(data["validation"].labels, probabilities["validation"])
    return figures_on(name, data, leaked, probabilities, partial(evaluate_predictions, temperature=temperature))


def figures_on(
    name: str,
    data: dict[str, Split],
    leaked: dict[str, np.ndarray],
    probabilities: dict[str, np.ndarray],
    evaluate: Callable[[np.ndarray, np.ndarray], dict[str, Any]],
) -> dict[str, Any]:
    """Metrics on one of `REPORTED`, the union of stored splits, with and without train duplicates.

    Args:
        name: of the split.
        data: the stored splits.
        leaked: which of their images are in train, too.
        probabilities: (N, 7) for each of them.
        evaluate: gives the metrics from labels and probabilities.
    """
    stored = REPORTED[name]
    labels = np.concatenate([data[each].labels for each in stored])
    values = np.concatenate([probabilities[each] for each in stored])
    clean = ~np.concatenate([leaked[each] for each in stored])
    figures = evaluate(labels, values)
    if clean.any():
        figures["without_train_duplicates"] = evaluate(labels[clean], values[clean])
    return figures
