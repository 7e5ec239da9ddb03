"""What people say about single images: verdicts, in `reviews.jsonl`, which only grows.

Each call adds one line, however many images it is about, so that a call is there as a whole or not at all: a line
without its newline is not there yet. Nobody's word replaces another's: everyone's last word stands, and a disagreement
stays visible.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Literal, get_args

from filelock import Timeout
from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from core.errors import RunError, system_reason
from core.labels import LABELS
from core.review.runs import clean_author
from core.runs.history import HistoryWriter, read_all
from core.runs.locks import meta_lock
from core.runs.paths import RunPaths
from core.splits import SPLITS

Decision = Literal["label is wrong", "ambiguous", "hard but right", "not a face", "model's fault"]
DECISIONS: Final[tuple[Decision, ...]] = get_args(Decision)

LONGEST_ID: Final = 1_000
LONGEST_COMMENT: Final = 2_000
"""Characters."""

CurrentReviews = dict[str, dict[str, "LabelReview"]]
"""Image to author to that author's last word."""


class LabelReview(BaseModel):
    """What somebody said about one image."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    time: AwareDatetime
    by: str
    split: Literal["train", "validation", "test"]
    image: str
    """Its id, as in the predictions, such as `happy/Training_1206.jpg`."""
    verdict: Decision | None
    """None takes back what the author had said before."""
    label: str | None = None
    """What the label should be; only with `label is wrong`."""
    comment: str = ""

    @property
    def opinion(self) -> tuple[str | None, str | None]:
        """What reviewers agree or disagree about: the verdict, and the label it asks for."""
        return self.verdict, self.label

    def in_words(self) -> str:
        """Such as `label is wrong: sad`."""
        return f"{self.verdict}: {self.label}" if self.label else self.verdict or "withdrawn"


def add_label_reviews(
    paths: RunPaths,
    by: str,
    split: str,
    images: Sequence[str],
    verdict: str | None,
    *,
    label: str | None = None,
    comment: str = "",
    present: Mapping[str, str] | None = None,
) -> list[LabelReview]:
    """Say something about one or more images of a split; all or nothing, and on disk when this returns.

    Args:
        paths: the run whose mistakes were looked at.
        by: who says so, not empty.
        split: `train`, `validation` or `test`.
        images: image ids; one that is named twice counts once.
        verdict: one of `VERDICTS`; None takes back what `by` has said about them.
        label: what the label should be, one of the seven; with `label is wrong`, and only then.
        comment: why.
        present: image to the class it is labelled with now, of each of the images; needed with `label`.

    Raises:
        RunError: a value is not allowed, an image carries that label already or is not in `present`, or the run is gone
            or cannot be written.
    """
    given = _checked(by, split, images, verdict, label, comment, present)
    first = given[0]
    row = {**first.model_dump(mode="json", exclude={"image"}), "images": [each.image for each in given]}
    try:
        with meta_lock(paths), HistoryWriter(paths.reviews) as history:
            history.append([row], lasting=True)
    except Timeout:
        raise RunError(f"Somebody else has been writing into run {paths.run_id!r} for too long: try again.") from None
    except OSError as error:
        raise RunError(f"The verdict on run {paths.run_id!r} cannot be written: {system_reason(error)}.") from error
    return given


def read_label_reviews(paths: RunPaths) -> list[LabelReview]:
    """All that was ever said, oldest first, one entry per image. Lines that make no sense are passed over.

    Raises:
        RunError: the file cannot be read.
    """
    return [verdict for row in read_all(paths.reviews) for verdict in _of_row(row)]


def current_label_reviews(verdicts: Sequence[LabelReview], split: str) -> CurrentReviews:
    """The last word of each author on each image of a split, in the order in which images were first spoken of. What
    was taken back is not in it, nor are images about which nothing stands.

    Args:
        verdicts: oldest first, as `read_label_reviews` gives them.
        split: `train`, `validation` or `test`.
    """
    standing: CurrentReviews = {}
    for each in verdicts:
        if each.split == split:
            authors = standing.setdefault(each.image, {})
            authors.pop(each.by, None)
            if each.verdict is not None:
                authors[each.by] = each
    return {image: authors for image, authors in standing.items() if authors}


def disagreements(standing: CurrentReviews) -> CurrentReviews:
    """The images on which reviewers say different things: another verdict, or another label."""
    return {
        image: authors
        for image, authors in standing.items()
        if len({verdict.opinion for verdict in authors.values()}) > 1
    }


def label_review_rows(verdicts: Sequence[LabelReview]) -> list[dict[str, Any]]:
    """One flat row per verdict, for CSV; `disagreed` says whether others say something else about the image."""
    standing = {split: current_label_reviews(verdicts, split) for split in SPLITS}
    disputed = {split: disagreements(images) for split, images in standing.items()}
    return [
        {
            **each.model_dump(mode="json"),
            "stands": standing[each.split].get(each.image, {}).get(each.by) is each,
            "disagreed": each.image in disputed[each.split],
        }
        for each in verdicts
    ]


def _checked(
    by: str,
    split: str,
    images: Sequence[str],
    verdict: str | None,
    label: str | None,
    comment: str,
    present: Mapping[str, str] | None,
) -> list[LabelReview]:
    by, comment = clean_author(by), comment.strip()
    if split not in SPLITS:
        raise RunError(f"{split!r} is no split: choose from {', '.join(SPLITS)}.")
    if verdict is not None and verdict not in DECISIONS:
        raise RunError(f"{verdict!r} is no verdict: choose from {', '.join(DECISIONS)}.")
    if (label is not None) != (verdict == "label is wrong"):
        raise RunError("Say what the label should be with 'label is wrong', and with no other verdict.")
    if label is not None and label not in LABELS:
        raise RunError(f"{label!r} is no label: choose from {', '.join(LABELS)}.")
    if len(comment) > LONGEST_COMMENT:
        raise RunError(f"The comment has {len(comment):,} characters: at most {LONGEST_COMMENT:,} are kept.")
    images = list(dict.fromkeys(images))
    if not images:
        raise RunError("Choose at least one image.")
    for image in images:
        if not image or len(image) > LONGEST_ID:
            raise RunError(f"{image[:80]!r} is no image id.")
        if label is None:
            continue
        if image not in (present or {}):
            raise RunError(f"Nothing is known about the label of {image}: choose an image of the predictions.")
        if label == (present or {})[image]:
            raise RunError(f"{image} is labelled {label} already: choose what the label should be instead.")
    said = {"time": datetime.now(UTC), "by": by, "split": split, "verdict": verdict, "label": label, "comment": comment}
    return [LabelReview.model_validate({**said, "image": image}) for image in images]


def _of_row(row: Mapping[str, Any]) -> list[LabelReview]:
    """One verdict per image of a line; none where the line makes no sense."""
    images = row.get("images")
    if not isinstance(images, list):
        return []
    try:
        return [LabelReview.model_validate({**row, "image": image}) for image in images]
    except ValidationError:
        return []
