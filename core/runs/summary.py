"""`summary.json`, typed: what a run has reached, per epoch and per split."""

from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, computed_field

from core.labels import LABELS, NUM_CLASSES
from core.runs.values import Count, NotNegative, Share
from core.splits import with_current_splits

Interval = tuple[Share, Share]
ConfusionRow = Annotated[tuple[Count, ...], Field(min_length=NUM_CLASSES, max_length=NUM_CLASSES)]
ConfusionMatrix = Annotated[tuple[ConfusionRow, ...], Field(min_length=NUM_CLASSES, max_length=NUM_CLASSES)]


class _Metrics(BaseModel):
    """Part of `summary.json`. Strict: pages compute with these, so that a text is no number and no value is NaN or
    infinite. What older versions did not write is None; what newer ones add is ignored."""

    model_config = ConfigDict(strict=True, extra="ignore", allow_inf_nan=False, frozen=True)

    def as_json(self) -> dict[str, Any]:
        """Plain values for JSON, with the keys that were given."""
        return self.model_dump(mode="json", exclude_unset=True)


class EpochMetrics(_Metrics):
    """A row of `epochs.jsonl`. Times in seconds, losses in nats, accuracies 0..1."""

    epoch: Count
    """From 1."""
    step: Count | None = None
    """Optimizer steps done at its end."""
    elapsed_s: NotNegative | None = None
    """Time spent training until its end, over all resumes."""
    seconds: float | None = None
    """Time this epoch took, validation included."""
    train_loss: float | None = None
    train_accuracy: Share | None = None
    validation_loss: float | None = None
    validation_accuracy: Share
    corrected_validation_loss: float | None = None
    """On the corrected labels, as the next; only where a correction set changes validation."""
    corrected_validation_accuracy: Share | None = None
    learning_rate: float | None = None
    images_per_second: NotNegative | None = None
    weights_sha256: str | None = None
    """Of the weights file with the weights of this epoch; None where it was not the best so far."""


MaybeEpoch = Annotated[EpochMetrics | None, BeforeValidator(lambda value: None if value == {} else value)]
"""Older folders may hold `{}` for None."""


@dataclass(frozen=True, slots=True)
class ClassMetrics:
    """The metrics of one class, fractions 0..1, and `support`, the images of the class."""

    precision: float
    recall: float
    f1: float
    support: int


class SubsetMetrics(_Metrics):
    """The metrics given for a part of a split: accuracy 0..1 with its 95% CI (Wilson), macro F1 0..1."""

    images: Count
    correct: Count | None = None
    accuracy: Share
    interval: Interval
    macro_f1: Share | None = None


class ViewMetrics(SubsetMetrics):
    """The metrics of a split from one way to predict, single view or test-time augmentation. Losses in nats."""

    mean_recall: Share | None = None
    log_loss: float | None = None
    calibration_error: NotNegative | None = None
    temperature: Annotated[float, Field(ge=0.01, le=100)] | None = None
    """Fitted on validation, within 0.05..20."""
    log_loss_calibrated: float | None = None
    calibration_error_calibrated: NotNegative | None = None
    confusion: ConfusionMatrix | None = None
    """7 x 7 counts: rows are true classes, columns predicted ones."""
    corrected: SubsetMetrics | None = None
    """Of validation, where a correction set changes it: on the corrected labels."""
    without_train_duplicates: SubsetMetrics | None = None
    """Excluding images with a pixel-identical copy in train; None where none are left."""

    @computed_field  # type: ignore[prop-decorator]
    @property
    def per_class(self) -> dict[str, ClassMetrics]:
        """Class to its metrics, which all follow from `confusion`: with six tables of them in a file, reading them
        would take as long as all the rest. Empty without `confusion`; 0 where there is nothing to divide by."""
        if self.confusion is None:
            return {}
        import numpy as np  # a list of runs needs none of this

        from core.evaluation.metrics import class_scores

        scores = {name: values.tolist() for name, values in class_scores(np.array(self.confusion)).items()}
        return {
            label: ClassMetrics(scores["precision"][index], scores["recall"][index], scores["f1"][index], sum(row))
            for index, (label, row) in enumerate(zip(LABELS, self.confusion, strict=True))
        }


class SplitMetrics(ViewMetrics):
    """The metrics of a split, as an evaluation gives them: single view, and below `tta` with augmentation."""

    tta: ViewMetrics | None = None


class Summary(_Metrics):
    """`summary.json`: best and last metrics, and at the end those of the evaluation."""

    best: MaybeEpoch = None
    """The row of the best epoch so far, as training wrote it; None before the first has ended."""
    last: MaybeEpoch = None
    epochs_done: Count = 0
    checkpoint_step: Count | None = None
    """Optimizer steps that the checkpoint counted as done when this was written."""
    train_images: Count | None = None
    images_per_epoch: Count | None = None
    validation_images: Count | None = None
    elapsed_seconds: NotNegative | None = None
    energy_joules: NotNegative | None = None
    """That the GPU has taken, over all resumes; None where nothing tells it."""
    dataset_fingerprint: str | None = None
    dataset_ordered_fingerprint: str | None = None
    evaluation: Annotated[dict[str, SplitMetrics], AfterValidator(with_current_splits)] = {}
    """Split to its metrics; empty until the run is evaluated."""

    @cached_property
    def best_as_evaluated(self) -> EpochMetrics | None:
        """The row of the best epoch; once the run is evaluated, with the validation metrics of the evaluation, which is
        of the same weights. Older versions validated in the precision of training: their rows differ slightly."""
        evaluated = self.evaluation.get("validation")
        if self.best is None or evaluated is None:
            return self.best
        metrics = {"validation_accuracy": evaluated.accuracy, "validation_loss": evaluated.log_loss}
        if evaluated.corrected:
            metrics["corrected_validation_accuracy"] = evaluated.corrected.accuracy
        rounded = {name: round(value, 5) for name, value in metrics.items() if value is not None}
        return self.best.model_copy(update=rounded)
