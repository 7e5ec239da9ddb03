"""Label reviews of single images, in `reviews.jsonl`, which only grows.

Each call adds one line, however many images it is about, so that a call is there as a whole or not at all: a line
without its newline is not there yet. Nobody's review replaces another's: the last review of each reviewer counts, and a
disagreement stays visible.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Literal, get_args

from filelock import Timeout
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from core.errors import RunError, system_reason
from core.labels import LABELS
from core.review.runs import clean_author
from core.runs.history import HistoryWriter, read_all
from core.runs.locks import meta_lock
from core.runs.paths import RunPaths
from core.splits import SPLITS

Decision = Literal["label is wrong", "ambiguous", "hard but right", "not a face", "model's fault"]
"""As they are stored, and as the command line takes them."""
DECISIONS: Final[tuple[Decision, ...]] = get_args(Decision)
WRONG_LABEL: Final[Decision] = "label is wrong"
DECISION_LABELS: Final[dict[str, str]] = {
    WRONG_LABEL: "Wrong label",
    "ambiguous": "Ambiguous",
    "hard but right": "Hard, label correct",
    "not a face": "Not a face",
    "model's fault": "Model error",
}
"""As they are shown."""

LONGEST_ID: Final = 1_000
LONGEST_COMMENT: Final = 2_000
"""Characters."""

CurrentReviews = dict[str, dict[str, "LabelReview"]]
"""Image to reviewer to that reviewer's last review."""


class LabelReview(BaseModel):
    """One reviewer's decision on the label of one image."""

    model_config = ConfigDict(extra="ignore", frozen=True, serialize_by_alias=True)

    time: AwareDatetime
    by: str
    split: Literal["train", "validation", "test"]
    image: str
    """Its id, as in the predictions, such as `happy/Training_1206.jpg`."""
    decision: Decision | None = Field(alias="verdict")
    """None removes the reviewer's earlier review. The file has it under the older name."""
    label: str | None = None
    """The correct label; only with `label is wrong`."""
    comment: str = ""

    @property
    def opinion(self) -> tuple[str | None, str | None]:
        """What reviewers agree or disagree on: the decision, and the label it asks for."""
        return self.decision, self.label

    def in_words(self) -> str:
        """Such as `Wrong label: sad`."""
        if self.decision is None:
            return "Review removed"
        shown = DECISION_LABELS[self.decision]
        return f"{shown}: {self.label}" if self.label else shown


def add_label_reviews(
    paths: RunPaths,
    by: str,
    split: str,
    images: Sequence[str],
    decision: str | None,
    *,
    label: str | None = None,
    comment: str = "",
    present: Mapping[str, str] | None = None,
) -> list[LabelReview]:
    """Review one or more images of a split; all or nothing, and on disk when this returns.

    Args:
        paths: the run whose predictions were looked at.
        by: the reviewer's name, not empty.
        split: `train`, `validation` or `test`.
        images: image ids; one that is named twice counts once.
        decision: one of `DECISIONS`; None removes the reviews that `by` has given them.
        label: the correct label, one of the seven; with `label is wrong`, and only then.
        comment: free text.
        present: image to its current label, of each of the images; needed with `label`.

    Raises:
        RunError: a value is not allowed, an image has that label already or is not in `present`, or the run is gone or
            cannot be written.
    """
    given = _checked(by, split, images, decision, label, comment, present)
    first = given[0]
    row = {**first.model_dump(mode="json", exclude={"image"}), "images": [each.image for each in given]}
    try:
        with meta_lock(paths), HistoryWriter(paths.reviews) as history:
            history.append([row], lasting=True)
    except Timeout:
        raise RunError(f"Run {paths.run_id!r} is locked by another user. Try again.") from None
    except OSError as error:
        raise RunError(f"Can't save the review of run {paths.run_id!r}: {system_reason(error)}.") from error
    return given


def read_label_reviews(paths: RunPaths) -> list[LabelReview]:
    """All reviews ever given, oldest first, one entry per image. Invalid lines are skipped.

    Raises:
        RunError: the file cannot be read.
    """
    return [review for row in read_all(paths.reviews) for review in _of_row(row)]


def current_label_reviews(reviews: Sequence[LabelReview], split: str) -> CurrentReviews:
    """The last review of each reviewer on each image of a split, in the order in which images were first reviewed.
    Neither removed reviews nor images without a review are in it.

    Args:
        reviews: oldest first, as `read_label_reviews` returns them.
        split: `train`, `validation` or `test`.
    """
    current: CurrentReviews = {}
    for each in reviews:
        if each.split == split:
            by_reviewer = current.setdefault(each.image, {})
            by_reviewer.pop(each.by, None)
            if each.decision is not None:
                by_reviewer[each.by] = each
    return {image: by_reviewer for image, by_reviewer in current.items() if by_reviewer}


def disagreements(current: CurrentReviews) -> CurrentReviews:
    """The images with conflicting reviews: different decisions, or different labels."""
    return {
        image: by_reviewer
        for image, by_reviewer in current.items()
        if len({review.opinion for review in by_reviewer.values()}) > 1
    }


def label_review_rows(reviews: Sequence[LabelReview]) -> list[dict[str, Any]]:
    """One flat row per review, for CSV; `stands`: it is its reviewer's last; `disagreed`: the reviews conflict."""
    current = {split: current_label_reviews(reviews, split) for split in SPLITS}
    conflicting = {split: disagreements(images) for split, images in current.items()}
    return [
        {
            **each.model_dump(mode="json"),
            "stands": current[each.split].get(each.image, {}).get(each.by) is each,
            "disagreed": each.image in conflicting[each.split],
        }
        for each in reviews
    ]


def _checked(
    by: str,
    split: str,
    images: Sequence[str],
    decision: str | None,
    label: str | None,
    comment: str,
    present: Mapping[str, str] | None,
) -> list[LabelReview]:
    by, comment = clean_author(by), comment.strip()
    if split not in SPLITS:
        raise RunError(f"Invalid split {split!r}. Choose from: {', '.join(SPLITS)}.")
    if decision is not None and decision not in DECISIONS:
        raise RunError(f"Invalid decision {decision!r}. Choose from: {', '.join(DECISIONS)}.")
    if (label is not None) != (decision == WRONG_LABEL):
        raise RunError(f"A correct label is required for “{DECISION_LABELS[WRONG_LABEL]}” only.")
    if label is not None and label not in LABELS:
        raise RunError(f"Invalid label {label!r}. Choose from: {', '.join(LABELS)}.")
    if len(comment) > LONGEST_COMMENT:
        raise RunError(f"Comment too long: {len(comment):,} characters (max {LONGEST_COMMENT:,}).")
    images = list(dict.fromkeys(images))
    if not images:
        raise RunError("Select at least one image.")
    for image in images:
        if not image or len(image) > LONGEST_ID:
            raise RunError(f"Invalid image id {image[:80]!r}.")
        if label is None:
            continue
        if image not in (present or {}):
            raise RunError(f"The label of {image} is unknown. Select an image from the predictions.")
        if label == (present or {})[image]:
            raise RunError(f"“{label}” is the current label of {image}. Choose a different one.")
    row = {"time": datetime.now(UTC), "by": by, "split": split, "verdict": decision, "label": label, "comment": comment}
    return [LabelReview.model_validate({**row, "image": image}) for image in images]


def _of_row(row: Mapping[str, Any]) -> list[LabelReview]:
    """One review per image of a line; none where the line is invalid."""
    images = row.get("images")
    if not isinstance(images, list):
        return []
    try:
        return [LabelReview.model_validate({**row, "image": image}) for image in images]
    except ValidationError:
        return []
