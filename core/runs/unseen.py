"""Whether a run has seen images that another is scored on: such a run must not teach it.

Every run is trained on the train split of its dataset. What counts are pixels, not names: a teacher of another dataset
may have validation images of this one in its train split, and one of the same dataset may have been trained on copies
of test images that the student excludes, or on the fold that it holds out.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from core.config import TrainConfig
from core.errors import DataError, RunError
from core.runs.records import Run
from core.runs.roles import learns_from_runs

if TYPE_CHECKING:
    import numpy as np

    from core.data.dataset import Split


def check_unseen(run: Run, config: TrainConfig, data_root: Path, role: str) -> None:
    """Refuse a run that was trained on images which a run of these settings is scored on: validation, test, and the
    fold it holds out. Copies that are in its own training images anyway count as known to both.

    Args:
        run: finished, with readable settings.
        config: the settings of the student.
        data_root: where the datasets are.
        role: what the run is called in the message.

    Raises:
        RunError: it was, or it cannot be told, since its dataset is not here as it was.
        DataError: the dataset of the student is missing or corrupt.
    """
    from core.data.dataset import read_info

    assert run.config
    same_data = run.data.content == read_info(data_root, config.dataset).fingerprint
    if same_data and _leaves_as_much_out(run.config, config):
        return
    if not same_data:
        _require_data(run, config, data_root, role)
    own = _splits(data_root, config.dataset)
    theirs = own if same_data else _splits(data_root, run.config.dataset)
    seen = _pixels(*_trained_on(run.config, theirs)) - _pixels(*_trained_on(config, own))
    counts = {name: sum(image.tobytes() in seen for image in images) for name, images in _scored_on(config, own)}
    if any(counts.values()):
        found = " and ".join(f"{count:,} {name}" for name, count in counts.items() if count)
        raise RunError(f"{role} {run.id} was trained on {found} of {config.dataset!r}. Select another run.")


def _leaves_as_much_out(teacher: TrainConfig, student: TrainConfig) -> bool:
    """Whether, on the same data, the teacher was trained on none of the images that the student is kept from."""
    return teacher.drop_train_duplicates >= student.drop_train_duplicates and student.hold_out in (
        "",
        teacher.hold_out,
    )


def _require_data(run: Run, config: TrainConfig, data_root: Path, role: str) -> None:
    from core.data.dataset import read_info

    assert run.config
    if learns_from_runs(run.config):
        raise RunError(
            f"{role} {run.id} learned on {run.config.dataset!r} from runs that may have seen validation or test images "
            f"of {config.dataset!r}. Select another run."
        )
    try:
        here = read_info(data_root, run.config.dataset).fingerprint == run.data.content
    except DataError:
        here = False
    if not here:
        raise RunError(
            f"{role} {run.id} was trained on other data ({run.config.dataset!r}) that is not on this server, so it may "
            f"have seen validation or test images of {config.dataset!r}. Import it, or select another run."
        )


def _splits(data_root: Path, dataset: str) -> "tuple[Split, Split, Split]":
    from core.data.dataset import load_split
    from core.splits import TEST, TRAIN, VALIDATION

    train, validation, test = (load_split(data_root, dataset, name) for name in (TRAIN, VALIDATION, TEST))
    return train, validation, test


def _trained_on(config: TrainConfig, splits: "tuple[Split, Split, Split]") -> "tuple[np.ndarray, np.ndarray]":
    """The training images, uint8 (N, 48, 48), and which of them a run of these settings takes, bool (N,)."""
    from core.data.folds import trained_on

    return splits[0].images, trained_on(config, *splits)


def _pixels(images: "np.ndarray", taken: "np.ndarray") -> set[bytes]:
    return {image.tobytes() for image, takes in zip(images, taken, strict=True) if takes}


def _scored_on(config: TrainConfig, splits: "tuple[Split, Split, Split]") -> "Iterator[tuple[str, np.ndarray]]":
    """What a run of these settings is scored on: what its images are called, and uint8 (M, 48, 48)."""
    from core.data.folds import held_out

    train, *others = splits
    for split in others:
        yield f"{split.name} images", split.images
    if config.hold_out:
        yield f"images of the held-out fold {config.hold_out}", train.images[held_out(train, config.hold_out)]
