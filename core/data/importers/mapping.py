"""What a person says that names mean, where they do not say it themselves or say something else."""

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from core.data.importers.names import Meaning, meaning_of
from core.errors import DataError, quote
from core.labels import LABELS
from core.splits import SPLITS

LEAVE_OUT: Final = "-"
"""What a folder is mapped to that is to be skipped."""

_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_]+")


class Given(Mapping[str, Meaning]):
    """What a person said of names, however they write them: in which case, and as which characters Unicode has for
    the same letters (macOS has others in file names than keyboards type)."""

    def __init__(self, meanings: Mapping[str, Meaning]) -> None:
        """
        Args:
            meanings: by names as the person wrote them.
        """
        self._names = {_folded(name): name for name in meanings}
        self._meanings = {_folded(name): meaning for name, meaning in meanings.items()}
        self._met: set[str] = set()

    def __getitem__(self, name: str) -> Meaning:
        key = _folded(name)
        meaning = self._meanings[key]
        self._met.add(key)
        return meaning

    def __iter__(self) -> Iterator[str]:
        return iter(self._meanings)

    def __len__(self) -> int:
        return len(self._meanings)

    @property
    def unmet(self) -> dict[str, Meaning]:
        """The names that nobody has looked up, as the person wrote them: nothing is called so."""
        return {name: self._meanings[key] for key, name in self._names.items() if key not in self._met}


def parse_mapping(pairs: Sequence[str]) -> dict[str, str]:
    """Folder name to class name, split or `LEAVE_OUT`, from texts such as `happiness=happy` or `0=angry, 1=disgust`.
    A comma before the next `=` belongs to the name of the folder: `laughing, joking=happy`.

    Raises:
        DataError: one has no `=`, or a name is mapped to two things.
    """
    mapping: dict[str, str] = {}
    for pair in (pair for text in pairs for pair in _pairs(text)):
        folder, separator, meaning = (part.strip() for part in pair.rpartition("="))
        if not separator:
            raise DataError(f"Invalid mapping {quote(pair.strip())}. Use folder=class, e.g. happiness=happy.")
        if mapping.setdefault(folder, meaning) != meaning:
            raise DataError(
                f"{quote(folder)} is mapped to {quote(mapping[folder])} and to {quote(meaning)}. Choose one."
            )
    return mapping


def _pairs(text: str) -> Iterator[str]:
    """What stands between those commas that end a pair."""
    pair = ""
    for part in text.split(","):
        pair = f"{pair},{part}" if pair else part
        if "=" in part:
            yield pair
            pair = ""
    if pair.strip():
        yield pair


def given_meanings(mapping: Mapping[str, str]) -> Given:
    """What a person said of names.

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
        given[name] = Meaning(kind, value, is_given=True)
    return Given(given)


def two_in_one(folder: str, given: Mapping[str, Meaning]) -> list[tuple[str, Meaning | None]]:
    """The split and the class of a name that says both, such as `train_happy`, each with its part of the name."""
    words = _WORD.findall(folder)
    for place, word in enumerate(words):
        split, rest = meaning_of(word), "_".join(words[:place] + words[place + 1 :])
        label = given.get(rest) or meaning_of(rest)
        if (
            split
            and split.kind == "split"
            and not split.is_near
            and label
            and label.kind in ("class", "outside", "skip")
        ):
            return [(word, split), (rest, label)]
    return []


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name.strip()).casefold())
