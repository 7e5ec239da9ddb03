"""Label reviews: what reviewers decide about single images, in `reviews.jsonl`, which only grows.

Each call adds one line, however many images it is about, so that a call is there as a whole or not at all: a line
without its newline is not there yet. Reviews never replace those of another reviewer: the latest of each reviewer
counts, and conflicts stay visible.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Literal, Self, get_args

from filelock import Timeout
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from core.errors import RunError, system_reason
from core.labels import LABELS
from core.review.runs import clean_author
from core.runs.history import appended, read_all
from core.runs.locks import meta_lock
from core.runs.paths import RunPaths
from core.runs.values import ManyLines, Moment, Person
from core.splits import SPLITS
from core.text import lines

Decision = Literal["label is wrong", "ambiguous", "hard but right", "not a face", "model's fault"]
DECISIONS: Final[tuple[Decision, ...]] = get_args(Decision)
"""As `reviews.jsonl` and addresses have them; people read `DECISION_LABELS`."""
WRONG_LABEL: Final[Decision] = "label is wrong"
DECISION_LABELS: Final[dict[str, str]] = {
    WRONG_LABEL: "Wrong label",
    "ambiguous": "Ambiguous",
    "hard but right": "Hard, label correct",
    "not a face": "Not a face",
    "model's fault": "Model error",
}

LONGEST_ID: Final = 1_000
LONGEST_COMMENT: Final = 2_000
"""Characters."""

CurrentReviews = dict[str, dict[str, "LabelReview"]]
"""Image to reviewer (`LabelReview.reviewer`) to the latest review of theirs."""


class LabelReview(BaseModel):
    """A review of the label of one image."""

    model_config = ConfigDict(extra="ignore", frozen=True, serialize_by_alias=True)

    time: Moment
    by: Person
    by_id: Person = ""
    """The email address of their login: two people may have the same name. Empty without a login."""
    split: Literal["train", "validation", "test"]
    image: str
    """Its id, as in the predictions, such as `happy/Training_1206.jpg`."""
    decision: Decision | None = Field(alias="verdict")
    """None removes the author's earlier review. The file has it under the older name."""
    label: Literal[LABELS] | None = None  # type: ignore[valid-type]
    """The correct label; only with `label is wrong`."""
    comment: ManyLines = ""

    @model_validator(mode="after")
    def _label_fits(self) -> Self:
        if (self.label is not None) != (self.decision == WRONG_LABEL):
            raise ValueError("a correct label is for a wrong one, and only for that")
        return self

    @property
    def reviewer(self) -> str:
        """What tells who it is of from others."""
        return self.by_id or self.by

    @property
    def opinion(self) -> tuple[str | None, str | None]:
        """What reviewers agree or disagree about: the decision, and the correct label."""
        return self.decision, self.label

    def in_words(self) -> str:
        """Such as `Wrong label: sad`."""
        if self.decision is None:
            return "Review removed"
        return DECISION_LABELS[self.decision] + (f": {self.label}" if self.label else "")


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
    by_id: str = "",
) -> list[LabelReview]:
    """Review one or more images of a split; all or nothing, and on disk when this returns.

    Args:
        paths: the run whose errors were looked at.
        by: the reviewer, not empty.
        split: `train`, `validation` or `test`.
        images: image ids; one that is named twice counts once.
        decision: one of `DECISIONS`; None removes the reviews that `by` has given them.
        label: the correct label, one of the seven; with `label is wrong`, and only then.
        comment: why.
        present: image to the class it is labelled with now, of each of the images; needed with `label`.
        by_id: the email address of the reviewer's login, if there is one.

    Raises:
        RunError: a value is not allowed, an image carries that label already or is not in `present`, or the run is gone
            or cannot be written.
    """
    given = _checked(by, by_id, split, images, decision, label, comment, present)
    left_out = {"image"} if by_id else {"image", "by_id"}
    row = {**given[0].model_dump(mode="json", exclude=left_out), "images": [each.image for each in given]}
    try:
        with meta_lock(paths), appended(paths.reviews, [row]):
            pass
    except Timeout:
        raise RunError(f"Run {paths.run_id!r} is locked by another user. Try again.") from None
    except OSError as error:
        raise RunError(f"Can't save the review in run {paths.run_id!r}: {system_reason(error)}.") from error
    return given


def read_label_reviews(paths: RunPaths) -> list[LabelReview]:
    """All label reviews, oldest first, one entry per image. Invalid lines are skipped.

    Raises:
        RunError: the file cannot be read.
    """
    return [review for row in read_all(paths.reviews) for review in _of_row(row)]


def current_label_reviews(reviews: Sequence[LabelReview], split: str) -> CurrentReviews:
    """The latest review of each reviewer on each image of a split, in the order in which images were first reviewed.
    Without those that were removed, and images that have none. A review with a name alone, as older versions wrote it,
    gives way to one of a login of that name.

    Args:
        reviews: oldest first, as `read_label_reviews` gives them.
        split: `train`, `validation` or `test`.
    """
    current: CurrentReviews = {}
    for each in reviews:
        if each.split == split:
            by_reviewer = current.setdefault(each.image, {})
            by_reviewer.pop(each.reviewer, None)
            by_reviewer.pop(each.by, None)  # of a login no review has the name as its key
            if each.decision is not None:
                by_reviewer[each.reviewer] = each
    return {image: by_reviewer for image, by_reviewer in current.items() if by_reviewer}


def own_review(by_reviewer: Mapping[str, LabelReview], name: str, by_id: str) -> LabelReview | None:
    """The review of somebody among those of an image; None if they have none.

    Args:
        by_reviewer: as `CurrentReviews` has it.
        name: who.
        by_id: the email address of their login, if there is one.
    """
    return by_reviewer.get(by_id) or by_reviewer.get(name)


def disagreements(current: CurrentReviews) -> CurrentReviews:
    """The images with conflicting reviews: different decisions, or different labels."""
    return {
        image: by_reviewer
        for image, by_reviewer in current.items()
        if len({review.opinion for review in by_reviewer.values()}) > 1
    }


def label_review_rows(reviews: Sequence[LabelReview]) -> list[dict[str, Any]]:
    """One flat row per review, for CSV; `stands` says whether it is current, `disagreed` whether reviews conflict."""
    current = {split: current_label_reviews(reviews, split) for split in SPLITS}
    disputed = {split: disagreements(images) for split, images in current.items()}
    return [
        {
            **each.model_dump(mode="json", exclude={"by_id"}),
            "stands": current[each.split].get(each.image, {}).get(each.reviewer) is each,
            "disagreed": each.image in disputed[each.split],
        }
        for each in reviews
    ]


def _checked(
    by: str,
    by_id: str,
    split: str,
    images: Sequence[str],
    decision: str | None,
    label: str | None,
    comment: str,
    present: Mapping[str, str] | None,
) -> list[LabelReview]:
    by, comment = clean_author(by), lines(comment).strip()
    if split not in SPLITS:
        raise RunError(f"Unknown split {split!r}. Use one of {', '.join(SPLITS)}.")
    if decision is not None and decision not in DECISIONS:
        raise RunError(f"Unknown review {decision!r}. Use one of {', '.join(DECISIONS)}.")
    if (label is not None) != (decision == WRONG_LABEL):
        raise RunError("A correct label is required for “Wrong label” only.")
    if label is not None and label not in LABELS:
        raise RunError(f"Unknown label {label!r}. Use one of {', '.join(LABELS)}.")
    if len(comment) > LONGEST_COMMENT:
        raise RunError(f"The comment is too long: {len(comment):,} characters (max {LONGEST_COMMENT:,}).")
    images = list(dict.fromkeys(images))
    if not images:
        raise RunError("Select at least one image.")
    for image in images:
        if not image or len(image) > LONGEST_ID:
            raise RunError(f"Invalid image ID {image[:80]!r}.")
        if label is None:
            continue
        if image not in (present or {}):
            raise RunError(f"Unknown image {image}. Select an image of the run's predictions.")
        if label == (present or {})[image]:
            raise RunError(f"“{label}” is the current label of {image}. Choose a different one.")
    values = {
        "time": datetime.now(UTC),
        "by": by,
        "by_id": by_id,
        "split": split,
        "verdict": decision,
        "label": label,
        "comment": comment,
    }
    return [LabelReview.model_validate({**values, "image": image}) for image in images]


def _of_row(row: Mapping[str, Any]) -> list[LabelReview]:
    """One review per image of a line; none where the line is invalid."""
    images = row.get("images")
    if not isinstance(images, list):
        return []
    try:
        return [LabelReview.model_validate({**row, "image": image}) for image in images]
    except ValidationError:
        return []
