"""Which data something was made on, and whether two things were made on the same."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

REARRANGED: Final = "under other names or in another order"
"""How data of one content differs where `same_images` is false."""


@dataclass(frozen=True)
class DataIdentity:
    """The two fingerprints of a dataset, as `DatasetInfo` describes them.

    Metrics on data of one `content` are comparable. Only where `ordered` is equal, too, does an image id name the same
    image, and does a seed shuffle the same images into the same batches.
    """

    content: str
    """Empty while it is not known, as before a run's first epoch."""
    ordered: str = ""
    """Empty where it was not recorded, as in folders of older versions: then `content` alone is compared."""


@dataclass(frozen=True)
class DatasetRef:
    """One import of a dataset on this machine: what is remembered of its files is kept under this."""

    root: Path
    """The folder of the datasets."""
    name: str
    edition: str
    """`DatasetInfo.edition`: another one after each import."""


def same_images(identities: Iterable[DataIdentity]) -> bool:
    """Whether, as far as recorded, all of them are one dataset, image for image."""
    known = list(identities)
    return len({each.content for each in known}) <= 1 and len({each.ordered for each in known} - {""}) <= 1


def rearranged(one: DataIdentity, other: DataIdentity) -> bool:
    """Whether two datasets have the same images `REARRANGED`, so that an id may name another image in each."""
    return one.content == other.content and not same_images([one, other])


def different_data(one: DataIdentity, other: DataIdentity) -> bool:
    """Whether two datasets are known to differ in images or labels, so that metrics on them are not comparable."""
    return bool(one.content and other.content) and one.content != other.content
