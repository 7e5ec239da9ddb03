"""From verdicts to a list of corrections, which is not written yet."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from core.data.identity import DataIdentity, same_images
from core.errors import RunError
from core.review.corrections import Action, Correction, Corrections, check_corrections_name
from core.review.images import LabelReview, current_label_reviews, read_label_reviews
from core.runs.paths import RunPaths
from core.runs.records import Run
from core.splits import CORRECTED_SPLITS

ACTIONS: Final[dict[str, Action]] = {"label is wrong": "relabel", "ambiguous": "exclude", "not a face": "exclude"}
"""What each verdict leads to; the others lead to nothing, since the image is fine."""


@dataclass(frozen=True)
class Draft:
    """What verdicts come to, before it is saved as a list."""

    corrections: Corrections
    disputed: tuple[tuple[str, str], ...]
    """(split, image) on which reviewers want different things; left out of the list."""
    on_test: int
    """Images of test that verdicts would change; never in a list."""


def make_corrections(
    name: str,
    runs: Sequence[Run],
    *,
    splits: Sequence[str] = CORRECTED_SPLITS,
    follow: str | None = None,
    read: Callable[[RunPaths], Sequence[LabelReview]] = read_label_reviews,
) -> Draft:
    """Turn the verdicts given on one or more runs of the same data into a list; nothing is written yet.

    Args:
        name: of the list: 1 to 64 of a-z, 0-9 and -, not starting with -.
        runs: at least one; where somebody has judged an image on several, their last word counts.
        splits: of which splits.
        follow: whose word counts where reviewers want different things; without it, or where they have not judged the
            image, it is left out.
        read: gives the verdicts of a run folder; pages pass one that remembers.

    Raises:
        RunError: the name or a split is not allowed, the runs are of different data, or nothing is left to correct.
    """
    check_corrections_name(name)
    if refused := [split for split in splits if split not in CORRECTED_SPLITS]:
        raise RunError(f"A list of corrections never touches {refused[0]}: choose from {', '.join(CORRECTED_SPLITS)}.")
    dataset, data = _common_data(runs)
    everything = [verdict for run in runs for verdict in read(run.paths)]
    everything.sort(key=lambda verdict: verdict.time)
    entries: list[Correction] = []
    disputed: list[tuple[str, str]] = []
    for split in splits:
        for image, by_author in current_label_reviews(everything, split).items():
            wanted = {author: _decision(verdict) for author, verdict in by_author.items()}
            if len(set(wanted.values())) > 1:
                if follow not in wanted:
                    disputed.append((split, image))
                    continue
                wanted = {follow: wanted[follow]}
            for action, label in set(wanted.values()) - {(None, None)}:
                values = {"split": split, "image": image, "action": action, "label": label}
                entries.append(Correction.model_validate({**values, "by": ", ".join(sorted(wanted))}))
    on_test = sum(
        any(_decision(verdict) != (None, None) for verdict in by_author.values())
        for by_author in current_label_reviews(everything, "test").values()
    )
    if not entries:
        raise RunError(f"No verdict leads to a correction{_why_not(len(disputed), on_test)}.")
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


def _decision(verdict: LabelReview) -> tuple[Action | None, str | None]:
    action = ACTIONS.get(verdict.verdict or "")
    return action, verdict.label if action == "relabel" else None


def _common_data(runs: Sequence[Run]) -> tuple[str, DataIdentity]:
    """Name and identity of the data set of all runs; of its order, what any of them recorded."""
    if not runs:
        raise RunError("Choose at least one run whose verdicts to take.")
    for run in runs:
        if run.config is None or not run.data.content:
            raise RunError(f"Run {run.id} does not say which data it was trained on: it has not done an epoch.")
    data = [run.data for run in runs]
    if not same_images(data):
        raise RunError("The runs were trained on different data: take those of one data set.")
    first = runs[0]
    assert first.config is not None
    return first.config.dataset, DataIdentity(data[0].content, max(each.ordered for each in data))


def _why_not(disputed: int, on_test: int) -> str:
    parts = []
    if disputed:
        parts.append(f"reviewers want different things for {disputed:,} images: say whom to follow")
    if on_test:
        parts.append(f"{on_test:,} images are of test, which is never changed")
    return f": {'; '.join(parts)}" if parts else " yet: judge some images of train or validation first"


def _order(entry: Correction) -> tuple[str, str]:
    return entry.split, entry.image
