"""What is done with datasets: importing, downloading, deleting, and Kaggle's token."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from core.team.door import DATA_ROOT, door
from core.team.people import Actor
from core.team.rights import Action

if TYPE_CHECKING:
    from core.data.dataset import DatasetInfo, ImportProgress
    from core.data.kaggle.credentials import Credentials

# Datasets need NumPy and more, which other commands do without: the functions behind the door are imported inside.

_door = partial(door, variable=DATA_ROOT, make_root=True)


def import_data(
    actor: Actor,
    data_root: Path,
    path: Path,
    *,
    name: str | None = None,
    mapping: Mapping[str, str] | None = None,
    seed: int = 0,
    skip_unreadable: bool = False,
    accept_differences: bool = False,
    progress: "ImportProgress | None" = None,
) -> "DatasetInfo":
    """Import whatever a path holds. As `core.data.importers.auto.import_data`.

    Args:
        actor: who does it.
        data_root: the folder of the datasets.
        path: file or folder.
        name: of the dataset.
        mapping: folder or label to class, split or `-`.
        seed: of the split.
        skip_unreadable: skip images that cannot be decoded.
        accept_differences: import FER2013 whatever its class counts are.
        progress: called now and then.
    """
    from core.data.importers import auto

    with _door(Action.IMPORT, actor, data_root, name or "", detail=f"from {path.name}") as act:
        info = auto.import_data(
            path,
            data_root,
            name=name,
            mapping=mapping,
            seed=seed,
            skip_unreadable=skip_unreadable,
            accept_differences=accept_differences,
            progress=progress,
        )
        act.made = "" if info.name == name else info.name
    return info


def import_demo(
    actor: Actor, data_root: Path, *, seed: int = 0, progress: "ImportProgress | None" = None
) -> "DatasetInfo":
    """Generate the synthetic demo dataset. As `core.data.importers.demo.import_demo`."""
    from core.data.importers import demo

    with _door(Action.GENERATE_DEMO, actor, data_root, "demo", detail=f"seed {seed}"):
        return demo.import_demo(data_root, seed=seed, progress=progress)


def delete_dataset(actor: Actor, data_root: Path, name: str) -> None:
    """Delete a dataset. As `core.data.storage.delete_dataset`."""
    from core.data import storage

    storage.find_folder(data_root, name)
    with _door(Action.DELETE_DATASET, actor, data_root, name):
        storage.delete_dataset(data_root, name)


def start_download(actor: Actor, data_root: Path, *, accept_differences: bool = False) -> None:
    """Start or resume the download of FER2013 from Kaggle. As `core.data.kaggle.download.start_download`."""
    from core.data.kaggle import download

    with _door(Action.DOWNLOAD, actor, data_root, "fer2013"):
        download.start_download(data_root, accept_differences=accept_differences)


def cancel_download(actor: Actor, data_root: Path) -> None:
    """Ask the download to end; what has arrived is kept. As `core.data.kaggle.download.cancel`."""
    from core.data.kaggle import download

    with _door(Action.CANCEL_DOWNLOAD, actor, data_root, "fer2013"):
        download.cancel(data_root)


def clear_download(actor: Actor, data_root: Path) -> None:
    """Remove what is left of a download that has ended. As `core.data.kaggle.download.forget`."""
    from core.data.kaggle import download

    with _door(Action.CLEAR_DOWNLOAD, actor, data_root, "fer2013"):
        download.forget(data_root)


def save_token(actor: Actor, data_root: Path, credentials: "Credentials") -> None:
    """Save a Kaggle token for this and later downloads. As `core.data.kaggle.credentials.keep`; neither the log nor
    anything else names it."""
    from core.data.kaggle import credentials as kept

    with _door(Action.SAVE_TOKEN, actor, data_root):
        kept.keep(credentials)


def remove_token(actor: Actor, data_root: Path) -> None:
    """Delete the saved Kaggle token. As `core.data.kaggle.credentials.remove`."""
    from core.data.kaggle import credentials as kept

    with _door(Action.REMOVE_TOKEN, actor, data_root):
        kept.remove()
