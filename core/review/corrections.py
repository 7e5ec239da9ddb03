"""Named lists of corrected labels, made from verdicts: which images to leave out, and which to relabel.

A list is one file, `_corrections/<name>.json` beside the runs, and never changes once it is written: a run that was
trained with it can be made again. It says which data it is for, and only ever touches train and validation.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, Self

from filelock import FileLock, Timeout
from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError, model_validator

from core.config import TrainConfig
from core.data.identity import DataIdentity, same_images
from core.errors import RunError, system_reason
from core.files import NAME, write_json
from core.labels import LABELS
from core.review.images import LabelReview, current_label_reviews, read_label_reviews
from core.runs.paths import CorrectionPaths, RunPaths
from core.runs.records import Run

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from core.data.dataset import Split
from core.splits import CORRECTED_SPLITS

Action = Literal["exclude", "relabel"]

ACTIONS: Final[dict[str, Action]] = {"label is wrong": "relabel", "ambiguous": "exclude", "not a face": "exclude"}
"""What each verdict leads to; the others lead to nothing, since the image is fine."""

CORRECTIONS_LOCK_SECONDS: Final = 10.0


class Correction(BaseModel):
    """What is done with one image."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    split: Literal["train", "validation"]
    image: str
    action: Action
    label: Literal[LABELS] | None = None  # type: ignore[valid-type]
    """The new label, with `relabel` only."""
    by: str = ""
    """Whose verdicts it comes from, separated by commas."""

    @model_validator(mode="after")
    def _label_fits(self) -> Self:
        if (self.label is not None) != (self.action == "relabel"):
            raise ValueError("a relabelled image needs a label, an excluded one has none")
        return self


class Corrections(BaseModel):
    """One list; immutable."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    name: str
    dataset: str
    """Name of the data set it was made on."""
    data_fingerprint: str
    """Of that data set; the list fits no other data."""
    data_ordered_fingerprint: str = ""
    """Of that data set; empty in older lists, and in those made from runs that did not record it."""
    created_at: AwareDatetime
    entries: tuple[Correction, ...]
    """By split, then image; each image at most once."""
    fingerprint: str = ""
    """SHA-256 (hex) over what is done with which image; two lists of one fingerprint train alike."""

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        found = _fingerprint(self.entries)
        if self.fingerprint not in ("", found):
            raise ValueError("its entries are not those it was written with")
        if len({(entry.split, entry.image) for entry in self.entries}) < len(self.entries):
            raise ValueError("an image stands in it twice")
        object.__setattr__(self, "fingerprint", found)
        return self

    @property
    def data(self) -> DataIdentity:
        """Which data the list is for."""
        return DataIdentity(self.data_fingerprint, self.data_ordered_fingerprint)

    def of(self, split: str) -> dict[str, Correction]:
        """Image to correction, of one split."""
        return {entry.image: entry for entry in self.entries if entry.split == split}

    def count(self, action: Action, split: str | None = None) -> int:
        """How many images are excluded, or relabelled."""
        return sum(entry.action == action and split in (None, entry.split) for entry in self.entries)

    def in_words(self) -> str:
        """Such as `3 excluded and 12 relabelled in train, 1 excluded in validation`."""
        parts = []
        for split in CORRECTED_SPLITS:
            excluded, relabelled = self.count("exclude", split), self.count("relabel", split)
            done = [
                f"{count:,} {word}" for count, word in ((excluded, "excluded"), (relabelled, "relabelled")) if count
            ]
            if done:
                parts.append(f"{' and '.join(done)} in {split}")
        return ", ".join(parts) or "nothing"


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


def save_corrections(runs_root: Path, corrections: Corrections) -> None:
    """Write a list, once.

    Raises:
        RunError: there is already a list of that name, or the folder cannot be written.
    """
    check_corrections_name(corrections.name)
    paths = CorrectionPaths(runs_root)
    try:
        paths.folder.mkdir(parents=True, exist_ok=True)
        with FileLock(paths.lock, timeout=CORRECTIONS_LOCK_SECONDS):
            if paths.file(corrections.name).exists():
                raise RunError(f"There is already a list {corrections.name!r}, and lists never change: choose another.")
            write_json(paths.file(corrections.name), corrections.model_dump(mode="json"))
    except Timeout:
        raise RunError("Somebody else has been writing a list for too long: try again.") from None
    except OSError as error:
        raise RunError(f"The list cannot be written under {paths.folder}: {system_reason(error)}.") from error


def load_corrections(runs_root: Path, name: str) -> Corrections:
    """The list of that name.

    Raises:
        RunError: there is none, or its file is damaged.
    """
    check_corrections_name(name)
    try:
        return _read(CorrectionPaths(runs_root).file(name))
    except FileNotFoundError:
        names = ", ".join(each.name for each in list_corrections(runs_root)) or "none yet"
        raise RunError(f"There is no list of corrections {name!r}: there are {names}.") from None


def list_corrections(runs_root: Path) -> list[Corrections]:
    """All lists, the newest first; files that are none are passed over."""
    found = []
    for path in CorrectionPaths(runs_root).folder.glob("[a-z0-9]*.json"):
        try:
            found.append(_read(path))
        except (RunError, FileNotFoundError):
            continue
    return sorted(found, key=lambda each: (each.created_at, each.name), reverse=True)


def run_corrections(paths: RunPaths) -> Corrections | None:
    """The list a run is trained with, out of its own folder; None if it has none.

    Raises:
        RunError: the file is damaged.
    """
    try:
        return _read(paths.corrections)
    except FileNotFoundError:
        return None


def corrections_of(paths: RunPaths, config: TrainConfig) -> Corrections | None:
    """The list in a run folder that its settings ask for; None if they ask for none.

    Raises:
        RunError: it is missing, damaged, or another one.
    """
    if not config.corrections:
        return None
    found = run_corrections(paths)
    if found is None or found.name != config.corrections:
        raise RunError(f"corrections.json with the list {config.corrections!r} is missing from the run: clone it.")
    return found


def check_fits(corrections: Corrections, data_root: Path, dataset: str) -> None:
    """Refuse a list that is not for this data set.

    Raises:
        RunError: it was made on other data, or names an image that the data set does not have.
        DataError: the data set is missing or damaged.
    """
    from core.data.dataset import load_split, read_identity

    if not same_images([corrections.data, read_identity(data_root, dataset)]):
        raise RunError(
            f"The list {corrections.name!r} was made on other data, {corrections.dataset!r}, and does not fit "
            f"{dataset!r}: choose another list or none."
        )
    for split in CORRECTED_SPLITS:
        if corrections.of(split):
            apply_corrections(corrections, load_split(data_root, dataset, split))


def apply_corrections(corrections: Corrections, split: "Split") -> tuple["np.ndarray", "np.ndarray"]:
    """A split's labels after the corrections, uint8 (N,), and which of its images are kept, bool (N,).

    Raises:
        RunError: the split has no image that the list names.
    """
    import numpy as np

    labels, kept = np.array(split.labels), np.ones(len(split), dtype=bool)
    place = {image: index for index, image in enumerate(split.ids.tolist())}
    for image, correction in corrections.of(split.name).items():
        if image not in place:
            raise RunError(
                f"The list {corrections.name!r} names {image[:80]!r}, which {split.name} does not have: choose another."
            )
        if correction.label is not None:
            labels[place[image]] = LABELS.index(correction.label)
        else:
            kept[place[image]] = False
    return labels, kept


def correct_table(table: "pd.DataFrame", corrections: Corrections, split: str) -> "pd.DataFrame":
    """A table of predictions with the labels as corrected, without the excluded images; `loss` stays that of the label
    as imported.

    Args:
        table: as `core.evaluation.predictions.read_predictions` gives it, labels as imported.
        corrections: what to change.
        split: what the table is about; `held-out` is a part of train, test is left as it is.
    """
    changes = corrections.of("train" if split == "held-out" else split)
    kept = table[[getattr(changes.get(image), "action", "") != "exclude" for image in table["image_id"]]]
    new = [
        LABELS.index(change.label) if (change := changes.get(image)) and change.label else label
        for image, label in zip(kept["image_id"], kept["label"], strict=True)
    ]
    return kept.assign(label=new, correct=kept["predicted"] == new)


def check_corrections_name(name: str) -> None:
    """Refuse what may not be the name of a list.

    Raises:
        RunError: the message says what is allowed.
    """
    if not re.fullmatch(NAME, name):
        raise RunError(f"{name[:80]!r} is not a name for a list: use 1 to 64 of a-z, 0-9 and -, not - first.")


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


def _fingerprint(entries: Sequence[Correction]) -> str:
    rows = sorted([entry.split, entry.image, entry.action, entry.label or ""] for entry in entries)
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def _read(path: Path) -> Corrections:
    try:
        return Corrections.model_validate_json(path.read_bytes())
    except ValidationError as error:
        reason = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise RunError(f"{path.name} is no list of corrections: {reason}.") from None
    except FileNotFoundError:
        raise
    except OSError as error:
        raise RunError(f"{path.name} cannot be read: {system_reason(error)}.") from error
