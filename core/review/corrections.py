"""Correction sets, made from label reviews by `draft.py`: which images to exclude, and which to relabel.

A set is one file, `_corrections/<name>.json` beside the runs, and never changes once it is written: a run that was
trained with it can be reproduced. It names the data it is for, and only ever changes train and validation.
"""

import hashlib
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, Self

from filelock import Timeout
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from core.config import TrainConfig
from core.data.identity import DataIdentity, same_images
from core.errors import RunError, system_reason
from core.files import NAME, how_to_write, make_folder, process_lock, read_regular, write_json
from core.labels import LABELS
from core.runs.paths import CorrectionPaths, RunPaths
from core.runs.values import Moment, Name, OneLine
from core.splits import CORRECTED_SPLITS

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from core.data.dataset import Split

CorrectionAction = Literal["exclude", "relabel"]

CORRECTIONS_LOCK_SECONDS: Final = 10.0


class Correction(BaseModel):
    """What is done with one image."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    split: Literal["train", "validation"]
    image: str
    action: CorrectionAction
    label: Literal[LABELS] | None = None  # type: ignore[valid-type]
    """The new label, with `relabel` only."""
    by: OneLine = ""
    """The reviewers it comes from, separated by commas."""

    @model_validator(mode="after")
    def _label_fits(self) -> Self:
        if (self.label is not None) != (self.action == "relabel"):
            raise ValueError("a relabelled image needs a label, an excluded one has none")
        return self


class Corrections(BaseModel):
    """One correction set; immutable."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    name: Name
    dataset: Name
    """Name of the dataset it was made on."""
    data_fingerprint: str
    """Of that dataset; the set fits no other data."""
    data_ordered_fingerprint: str = ""
    """Of that dataset; empty in older sets, and in those made from runs that did not record it."""
    created_at: Moment
    entries: tuple[Correction, ...]
    """By split, then image; each image at most once."""
    fingerprint: str = ""
    """SHA-256 (hex) over what is done with which image; two sets of one fingerprint have the same effect."""

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        found = _fingerprint(self.entries)
        if self.fingerprint not in ("", found):
            raise ValueError("its entries are not those it was written with")
        if len({(entry.split, entry.image) for entry in self.entries}) < len(self.entries):
            raise ValueError("an image is listed twice")
        object.__setattr__(self, "fingerprint", found)
        return self

    @property
    def data(self) -> DataIdentity:
        """Which data the set is for."""
        return DataIdentity(self.data_fingerprint, self.data_ordered_fingerprint)

    def of(self, split: str) -> dict[str, Correction]:
        """Image to correction, of one split."""
        return {entry.image: entry for entry in self.entries if entry.split == split}

    def count(self, action: CorrectionAction, split: str | None = None) -> int:
        """How many images are excluded, or relabelled."""
        return sum(entry.action == action and split in (None, entry.split) for entry in self.entries)

    def in_words(self) -> str:
        """Such as `3 exclusions and 12 relabels in train, 1 exclusion in validation`."""
        parts = []
        for split in CORRECTED_SPLITS:
            counts = {"exclusion": self.count("exclude", split), "relabel": self.count("relabel", split)}
            words = [f"{count:,} {word}{'s' if count > 1 else ''}" for word, count in counts.items() if count]
            if words:
                parts.append(f"{' and '.join(words)} in {split}")
        return ", ".join(parts) or "nothing"


def save_corrections(runs_root: Path, corrections: Corrections) -> None:
    """Write a correction set, once.

    Raises:
        RunError: there is already a set of that name, or the folder cannot be written.
    """
    check_corrections_name(corrections.name)
    paths = CorrectionPaths(runs_root)
    try:
        make_folder(paths.folder, parents=True)
        with process_lock(paths.lock, timeout=CORRECTIONS_LOCK_SECONDS):
            if paths.file(corrections.name).exists():
                raise RunError(f"A correction set named “{corrections.name}” already exists. Choose another name.")
            write_json(paths.file(corrections.name), corrections.model_dump(mode="json"))
    except Timeout:
        raise RunError("The correction sets are locked by another user. Try again.") from None
    except OSError as error:
        advice = how_to_write(runs_root, error, "FER_RUNS_ROOT")
        raise RunError(f"Can't write under {paths.folder}: {system_reason(error)}.{advice}") from error


def load_corrections(runs_root: Path, name: str) -> Corrections:
    """The correction set of that name.

    Raises:
        RunError: there is none, or its file is corrupt.
    """
    check_corrections_name(name)
    try:
        return _read_set(CorrectionPaths(runs_root).file(name))
    except FileNotFoundError:
        names = ", ".join(each.name for each in list_corrections(runs_root)) or "none yet"
        raise RunError(f"Correction set “{name}” not found. Available: {names}.") from None


def list_corrections(runs_root: Path) -> list[Corrections]:
    """All correction sets, the newest first; invalid files are skipped."""
    found = []
    for path in CorrectionPaths(runs_root).folder.glob("[a-z0-9]*.json"):
        try:
            found.append(_read_set(path))
        except (RunError, FileNotFoundError):
            continue
    return sorted(found, key=lambda each: (each.created_at, each.name), reverse=True)


def run_corrections(paths: RunPaths) -> Corrections | None:
    """The correction set a run is trained with, from its own folder; None if it has none.

    Raises:
        RunError: the file is corrupt.
    """
    try:
        return _read(paths.corrections)
    except FileNotFoundError:
        return None


def corrections_of(paths: RunPaths, config: TrainConfig) -> Corrections | None:
    """The correction set in a run folder that its settings name; None if they name none.

    Raises:
        RunError: it is missing, corrupt, or another one.
    """
    if not config.corrections:
        return None
    found = run_corrections(paths)
    if found is None or found.name != config.corrections:
        raise RunError(f"The run lacks its correction set {config.corrections!r} (corrections.json). Clone the run.")
    return found


def check_fits(corrections: Corrections, data_root: Path, dataset: str) -> None:
    """Refuse a correction set that is not for this dataset.

    Raises:
        RunError: it was made on other data, or names an image that the dataset does not have.
        DataError: the dataset is missing or corrupt.
    """
    from core.data.dataset import load_split, read_identity

    if not same_images([corrections.data, read_identity(data_root, dataset)]):
        raise RunError(
            f"Correction set {corrections.name!r} was made for other data ({corrections.dataset!r}) and does not fit "
            f"{dataset!r}. Select another or none."
        )
    for split in CORRECTED_SPLITS:
        if corrections.of(split):
            apply_corrections(corrections, load_split(data_root, dataset, split))


def apply_corrections(corrections: Corrections, split: "Split") -> tuple["np.ndarray", "np.ndarray"]:
    """A split's labels after the corrections, uint8 (N,), and which of its images are kept, bool (N,).

    Raises:
        RunError: the split lacks an image that the set names.
    """
    import numpy as np

    labels, kept = np.array(split.labels), np.ones(len(split), dtype=bool)
    place = {image: index for index, image in enumerate(split.ids.tolist())}
    for image, correction in corrections.of(split.name).items():
        if image not in place:
            raise RunError(
                f"Correction set {corrections.name!r} lists {image[:80]!r}, which {split.name} lacks. Select another."
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
    """Refuse an invalid name of a correction set.

    Raises:
        RunError: the message says what is allowed.
    """
    if not re.fullmatch(NAME, name):
        raise RunError("Invalid name: use a–z, 0–9 and hyphens (max 64), not starting with a hyphen.")


def _fingerprint(entries: Sequence[Correction]) -> str:
    rows = sorted([entry.split, entry.image, entry.action, entry.label or ""] for entry in entries)
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def _read_set(path: Path) -> Corrections:
    """A set among all others, where its name is that of its file: a copy under a second name is none."""
    corrections = _read(path)
    if corrections.name != path.stem:
        raise RunError(f"{path.name} holds the correction set “{corrections.name}”. Rename or remove it.")
    return corrections


def _read(path: Path) -> Corrections:
    try:
        return Corrections.model_validate_json(read_regular(path))
    except ValidationError as error:
        reason = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise RunError(f"{path.name} is not a valid correction set: {reason}.") from None
    except FileNotFoundError:
        raise
    except OSError as error:
        raise RunError(f"{path.name} cannot be read: {system_reason(error)}.") from error
