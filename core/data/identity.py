"""Which data something was made on, and whether two things were made on the same."""

from collections.abc import Iterable
from dataclasses import dataclass
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


def same_images(identities: Iterable[DataIdentity]) -> bool:
    """Whether, as far as recorded, all of them are one dataset, image for image."""
    known = list(identities)
    return len({each.content for each in known}) <= 1 and len({each.ordered for each in known} - {""}) <= 1
