"""What a person says that names mean, where they do not say it themselves or say something else."""

from collections.abc import Mapping, Sequence
from typing import Final

from core.data.importers.names import Meaning
from core.errors import DataError, quote
from core.labels import LABELS
from core.splits import SPLITS

LEAVE_OUT: Final = "-"
"""What a folder is mapped to that is to be skipped."""


def parse_mapping(pairs: Sequence[str]) -> dict[str, str]:
    """Folder name to class name, split or `LEAVE_OUT`, from texts such as `happiness=happy` or `0=angry, 1=disgust`.

    Raises:
        DataError: one has no `=`.
    """
    mapping = {}
    for pair in (part for text in pairs for part in text.split(",") if part.strip()):
        folder, separator, meaning = pair.rpartition("=")
        if not separator:
            raise DataError(f"Invalid mapping {quote(pair)}. Use folder=class, e.g. happiness=happy.")
        mapping[folder.strip()] = meaning.strip()
    return mapping


def given_meanings(mapping: Mapping[str, str]) -> dict[str, Meaning]:
    """What a person said of names, by these in lower case.

    Raises:
        DataError: one is mapped to what is no class, split or `LEAVE_OUT`.
    """
    given = {}
    for name, text in mapping.items():
        value = text.strip().lower()
        kind = {LEAVE_OUT: "skip", **dict.fromkeys(SPLITS, "split"), **dict.fromkeys(LABELS, "class")}.get(value)
        if kind is None:
            raise DataError(
                f"{quote(name)} is mapped to {quote(text)}, which is not a class. Use one of {', '.join(LABELS)}, "
                f"a split ({', '.join(SPLITS)}), or {LEAVE_OUT} to skip it."
            )
        given[name.strip().lower()] = Meaning(kind, value, is_given=True)
    return given
