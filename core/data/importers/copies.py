"""FER2013 in folders that have some of its files twice."""

import hashlib
from collections.abc import Callable, Sequence

from core.data.importers.kaggle_layout import LayoutImage
from core.data.importers.sources import Files, UnusableImageError
from core.errors import DataError, quote


def without_copies(source_name: str, files: Files, entries: Sequence[LayoutImage]) -> list[LayoutImage]:
    """The images without those that are in their split and class before, such as those of a copy with PublicTest_* in
    validation/ and in test/.

    Raises:
        DataError: two of the same name differ.
        OSError: they cannot be read.
    """
    first: dict[tuple[str, str], LayoutImage] = {}
    copies = {}
    for entry in entries:
        original = first.setdefault((entry.split, entry.id), entry)
        if original is not entry:
            copies[entry.where] = original.where
    digests = {where: _digest(read) for where, read in files.each([*copies, *copies.values()])}
    for copy, where in copies.items():
        if digests[copy] != digests[where]:
            raise DataError(
                f"{quote(source_name)} has {quote(where)} and {quote(copy)}, which differ, but FER2013 has one image "
                "of that name. Remove one of them."
            )
    return list(first.values())


def _digest(read: Callable[[], bytes]) -> bytes:
    """SHA-256 of a file; of nothing for one that will be refused as an image, too."""
    try:
        return hashlib.sha256(read()).digest()
    except UnusableImageError:
        return hashlib.sha256().digest()
