"""Model cards (Mitchell et al. 2019): what a network is, what it was trained on, how well it does, and what it may be
used for, as Markdown beside its weights. They hold no text of people, only ids, settings and figures."""

from collections.abc import Iterator

from core.config import TrainConfig
from core.errors import RunError
from core.exchange.intended_use import INTENDED_USE
from core.labels import LABELS
from core.runs.records import Run
from core.runs.summary import SplitMetrics, ViewMetrics
from core.splits import COMPARED_SPLITS


def model_card(run: Run) -> str:
    """The model card of an evaluated run.

    Raises:
        RunError: its settings cannot be read, or it has no metrics to report.
    """
    if run.config is None:
        raise RunError(f"Can't use run {run.id}: {run.problem}")
    if not run.summary.evaluation:
        raise RunError(f"Run {run.id} has no metrics for a model card yet: it is evaluated when it finishes.")
    return "\n".join(_lines(run, run.config))


def _lines(run: Run, config: TrainConfig) -> Iterator[str]:
    yield from (f"# Facial expression recognition: {run.id}", "")
    yield f"`{config.model}` (Kandeel et al. 2021), a convolutional network for gray face crops of 48 x 48 pixels. It"
    yield f"gives a probability for each of seven classes: {', '.join(LABELS)}."
    yield from ("", "## Intended use", "", INTENDED_USE, "", "## Training data", "")
    yield f"Dataset `{config.dataset}`, {run.summary.train_images or 0:,} images to train on; fingerprint of all splits"
    yield f"`{run.summary.dataset_fingerprint or 'not recorded'}`."
    if config.corrections:
        yield f"Its labels were corrected with the correction set `{config.corrections}`."
    yield from ("", "## Metrics", "")
    yield "The epoch was selected on validation, and temperatures were fitted there. Test was evaluated once, at the"
    yield "end. Intervals are Wilson's."
    yield from ("", "| Split | View | Images | Accuracy | 95% CI | Macro F1 | Calibration error |")
    yield "|---|---|---|---|---|---|---|"
    for split, metrics in _evaluated(run):
        yield _row(split, "single", metrics)
        if metrics.tta:
            yield _row(split, "flip TTA", metrics.tta)
        if rest := metrics.without_train_duplicates:
            low, high = rest.interval
            yield f"| {split}, no train duplicates | single | {rest.images:,} | {_percent(rest.accuracy)} " + (
                f"| {_percent(low)} to {_percent(high)} | | |"
            )
    for split, metrics in _evaluated(run):
        yield from ("", f"Per class on {split}, single view:", "")
        yield from ("| Class | Precision | Recall | F1 | Images |", "|---|---|---|---|---|")
        for label, row in metrics.per_class.items():
            values = " | ".join(map(_percent, (row.precision, row.recall, row.f1)))
            yield f"| {label} | {values} | {row.support:,} |"
    yield from ("", "## Training", "", "Settings that differ from the default:", "")
    yield from ("| Setting | Value |", "|---|---|")
    defaults = TrainConfig()
    for name in TrainConfig.model_fields:
        if (value := getattr(config, name)) != getattr(defaults, name):
            yield f"| `{name}` | `{value}` |"
    yield from ("", "## Use", "", "```python", "import torch", "from core.models.cnn import build_model", "")
    yield f'model = build_model("{config.model}")'
    yield f'model.load_state_dict(torch.load("{run.paths.weights.name}", weights_only=True))'
    yield from ("model.eval()", "```", "")


def _evaluated(run: Run) -> Iterator[tuple[str, SplitMetrics]]:
    for split in COMPARED_SPLITS:
        if metrics := run.summary.evaluation.get(split):
            yield split, metrics


def _row(split: str, view: str, metrics: ViewMetrics) -> str:
    low, high = metrics.interval
    error = metrics.calibration_error_calibrated
    return (
        f"| {split} | {view} | {metrics.images:,} | {_percent(metrics.accuracy)} | {_percent(low)} to {_percent(high)} "
        f"| {_percent(metrics.macro_f1)} | {_percent(error)} |"
    )


def _percent(fraction: float | None) -> str:
    return "" if fraction is None else f"{100 * fraction:.1f}%"
