"""The metrics of an ensemble on every split, computed from the weights of its members and the images."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np

from core.data.dataset import read_identity
from core.data.identity import same_images
from core.errors import RunError
from core.evaluation.averaging import average_calibrated, evaluate_averaged
from core.evaluation.inference import FLIP, Views
from core.evaluation.metrics import fit_temperature
from core.models.state_dict import load_weights
from core.runs.ensembles import check_together
from core.runs.records import Run
from core.runs.summary import SplitMetrics
from core.training.compute import Compute, to_device
from core.training.final_report import REPORTED, figures_on, reported_data, score_views


def report_ensemble(
    runs: Sequence[Run],
    data_root: Path,
    compute: Compute,
    splits: Iterable[str] = tuple(REPORTED),
    *,
    tta: Views = FLIP,
    keep_going: Callable[[], bool] = lambda: True,
) -> dict[str, SplitMetrics]:
    """Score the mean of the calibrated probabilities of several runs; each member has the temperature that is fitted on
    its own validation predictions, for the single view and for the average over the views.

    Args:
        runs: the members.
        data_root: where their dataset is.
        compute: where to compute; always in float32.
        splits: which of `core.training.final_report.REPORTED` to evaluate.
        tta: views to average over for the metrics with test-time augmentation; the first is the plain one.
        keep_going: asked before each batch.

    Returns:
        Per split its metrics, as `core.training.final_report.report` gives them, without temperature and corrected
        labels.

    Raises:
        RunError: the runs do not fit together, were trained on other data than is here, or lack usable weights.
        DataError: the dataset is missing or corrupt.
        InterruptedError: `keep_going` said no.
    """
    check_together(runs)
    config = runs[0].config
    assert config is not None
    if runs[0].data.content and not same_images([runs[0].data, read_identity(data_root, config.dataset)]):
        raise RunError(f"Dataset {config.dataset!r} is not the one that run {runs[0].id!r} was trained on.")
    splits = tuple(splits)
    data, _, leaked = reported_data(data_root, config.dataset, splits)
    answers: tuple[list[dict[str, np.ndarray]], ...] = ([], [])
    for run in runs:
        assert run.config is not None
        model = to_device(load_weights(run.paths.weights, run.config.model), compute)
        for kept, scored in zip(answers, score_views(model, data, compute, tta, keep_going), strict=True):
            kept.append(scored)
    temperatures = [
        [fit_temperature(data["validation"].labels, scored["validation"]) for scored in kept] for kept in answers
    ]
    plain, averaged = (
        {name: average_calibrated([scored[name] for scored in kept], fitted) for name in data}
        for kept, fitted in zip(answers, temperatures, strict=True)
    )
    return {
        name: SplitMetrics.model_validate(
            {
                **figures_on(name, data, leaked, plain, evaluate_averaged),
                "tta": figures_on(name, data, leaked, averaged, evaluate_averaged),
            },
            strict=False,
        )
        for name in splits
    }
