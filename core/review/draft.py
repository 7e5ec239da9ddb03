"""From label reviews to a correction set, which is not written yet."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from core.data.identity import DataIdentity, same_images
from core.errors import RunError
from core.review.corrections import Correction, CorrectionAction, Corrections, check_corrections_name
from core.review.images import WRONG_LABEL, LabelReview, current_label_reviews, read_label_reviews
from core.runs.paths import RunPaths
from core.runs.records import Run
from core.splits import CORRECTED_SPLITS

ACTIONS: Final[dict[str, CorrectionAction]] = {WRONG_LABEL: "relabel", "ambiguous": "exclude", "not a face": "exclude"}
"""The effect of each decision; the others have none, since the label is right."""


@dataclass(frozen=True)
class Draft:
    """The corrections that reviews amount to, before they are saved."""

    corrections: Corrections
    disputed: tuple[tuple[str, str], ...]
    """(split, image) with conflicting reviews; skipped."""
    on_test: int
    """Test images that reviews would change; never in a correction set."""


def make_corrections(
    name: str,
    runs: Sequence[Run],
    *,
    splits: Sequence[str] = CORRECTED_SPLITS,
    follow: str | None = None,
    read: Callable[[RunPaths], Sequence[LabelReview]] = read_label_reviews,
) -> Draft:
    """Turn the label reviews of one or more runs on the same data into a correction set; nothing is written yet.

    Args:
        name: of the set: 1 to 64 of a-z, 0-9 and -, not starting with -.
        runs: at least one; of several reviews of an image by one author the latest counts.
        splits: of which splits.
        follow: whose review counts where reviews conflict; without it, or where they have not reviewed the image, it is
            skipped.
        read: gives the label reviews of a run folder; pages pass one that remembers.

    Raises:
        RunError: the name or a split is not allowed, the runs are of different data, or nothing is left to correct.
    """
    check_corrections_name(name)
    if refused := [split for split in splits if split not in CORRECTED_SPLITS]:
        raise RunError(f"Correction sets never change {refused[0]}. Use one of {', '.join(CORRECTED_SPLITS)}.")
    dataset, data = _common_data(runs)
    # Clocks are asked only between runs: within one, what was said last stands last in its file.
    everything = [review for run in runs for review in _last_words(read(run.paths))]
    everything.sort(key=lambda review: review.time)
    entries: list[Correction] = []
    disputed: list[tuple[str, str]] = []
    for split in splits:
        for image, by_reviewer in current_label_reviews(everything, split).items():
            reviews = list(by_reviewer.values())
            if len(set(map(_decision, reviews))) > 1:
                reviews = [review for review in reviews if review.by == follow]
                if len(set(map(_decision, reviews))) != 1:
                    disputed.append((split, image))
                    continue
            for action, label in set(map(_decision, reviews)) - {(None, None)}:
                values = {"split": split, "image": image, "action": action, "label": label}
                who = ", ".join(sorted({review.by for review in reviews}))
                entries.append(Correction.model_validate({**values, "by": who}))
    on_test = sum(
        any(_decision(review) != (None, None) for review in by_reviewer.values())
        for by_reviewer in current_label_reviews(everything, "test").values()
    )
    if not entries:
        raise RunError(f"None of these reviews produces a correction{_why_not(len(disputed), on_test)}.")
    corrections = Corrections(
        name=name,
        dataset=dataset,
        data_fingerprint=data.content,
        data_ordered_fingerprint=data.ordered,
        created_at=datetime.now(UTC),
        entries=tuple(sorted(entries, key=_order)),
    )
    return Draft(corrections, tuple(disputed), on_test)


def same_data(run: Run, runs: Iterable[Run]) -> list[Run]:
    """Those of the runs that were trained on the data of this one, as far as they recorded it, image for image."""
    own = run.data
    return [each for each in runs if own.content and same_images([own, each.data])]


def _last_words(reviews: Iterable[LabelReview]) -> Iterable[LabelReview]:
    """What each reviewer said last of each image, of the reviews of one run; also that they removed their review."""
    return {(each.split, each.image, each.reviewer): each for each in reviews}.values()


def _decision(review: LabelReview) -> tuple[CorrectionAction | None, str | None]:
    action = ACTIONS.get(review.decision or "")
    return action, review.label if action == "relabel" else None


def _common_data(runs: Sequence[Run]) -> tuple[str, DataIdentity]:
    """Name and identity of the dataset of all runs; of its order, what any of them recorded."""
    if not runs:
        raise RunError("Select at least one run with reviews.")
    for run in runs:
        if run.config is None or not run.data.content:
            raise RunError(f"Run {run.id} has not recorded its dataset yet: it has not finished an epoch.")
    data = [run.data for run in runs]
    if not same_images(data):
        raise RunError("The runs were trained on different data. Select runs of one dataset.")
    first = runs[0]
    assert first.config is not None
    return first.config.dataset, DataIdentity(data[0].content, max(each.ordered for each in data))


def _why_not(disputed: int, on_test: int) -> str:
    parts = []
    if disputed:
        parts.append(f"{disputed:,} images have conflicting reviews: select the reviewer to follow")
    if on_test:
        parts.append(f"{on_test:,} images are from test, which is never changed")
    return f": {'; '.join(parts)}" if parts else " yet. Review some train or validation images first"


def _order(entry: Correction) -> tuple[str, str]:
    return entry.split, entry.image
