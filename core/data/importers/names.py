"""What the names of folders, columns and labels mean: classes and splits, as public datasets spell them.

A name is read alone when one word of it says a class or a split and the others say nothing (`0_angry`, `Train_Data`).
What only resembles a word is read, too, but marked as such; `suggest_class` guesses further, for a question only.
"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from core.labels import LABELS
from core.splits import TEST, TRAIN, VALIDATION


def _by_word(table: Mapping[str, str]) -> dict[str, str]:
    return {word: meaning for meaning, words in table.items() for word in words.split()}


_CLASSES: Final = _by_word(
    {
        "angry": "angry anger",
        "disgust": "disgust disgusted disgusting disgustful",
        "fear": "fear fearful afraid scared",
        "happy": "happy happiness joy joyful",
        "neutral": "neutral neutrality",
        "sad": "sad sadness",
        "surprise": "surprise surprised surprising suprise suprised",
    }
)
_OUTSIDE: Final = _by_word(
    {
        "contempt": "contempt contemptuous",
        "unknown": "unknown uncertain unlabeled unlabelled",
        "not a face": "nf noface nonface notface",
    }
)
"""Labels of public datasets that are none of the seven classes."""
_SPLITS: Final = _by_word(
    {
        TRAIN: "train training",
        VALIDATION: "validation validating valid val dev publictest",
        TEST: "test testing privatetest",
    }
)
_ABBREVIATIONS: Final = _by_word(
    {
        "angry": "an ang anger",
        "disgust": "di dis",
        "fear": "fe af fea",
        "happy": "ha hap smile smiling",
        "neutral": "ne neu normal",
        "sad": "sa crying",
        "surprise": "su sur",
    }
)
"""Used by some datasets, but too short or too vague to be taken without asking."""
_FILLER: Final = frozenset(
    "face faces image images img imgs photo photos picture pictures class label labels list annotation annotations "
    "emotion emotions expression expressions facial set data dataset split folder fer raf db rafdb affectnet ck "
    "plus".split()
)
_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\d_]+")
_NUMBER: Final = re.compile(r"(?:class|label|emotion)?[\s_-]*0*(\d{1,2})", re.IGNORECASE)


@dataclass(frozen=True)
class Meaning:
    """What a name says."""

    kind: str
    """`class`, `split`, `outside` (a label that is none of the seven) or `skip`."""
    value: str
    """Name of the class, split or label."""
    is_near: bool = False
    """It only resembles such a name."""
    is_given: bool = False
    """A person said so."""


@lru_cache(maxsize=10_000)
def meaning_of(name: str) -> Meaning | None:
    """What the name of a folder or of a label says; None where it says nothing, or two things."""
    for kind, words in (("class", _CLASSES), ("outside", _OUTSIDE), ("split", _SPLITS)):
        if value := _exact(name, words):
            return Meaning(kind, value)
    for kind, words in (("class", _CLASSES), ("split", _SPLITS)):
        if value := _near(name, words):
            return Meaning(kind, value, is_near=True)
    return None


def suggest_class(name: str) -> str | None:
    """A class that a name which says nothing for certain probably means."""
    words = _words(name)
    said = {_CLASSES.get(word) or _ABBREVIATIONS.get(word) for word in words} - {None}
    return said.pop() if len(said) == 1 else None


def suggest_split(name: str) -> str | None:
    """A split that a name which says nothing for certain probably means."""
    words = _words(name)
    said = {_SPLITS.get(word) for word in words} - {None}
    return said.pop() if len(said) == 1 else None


def number_of(name: str) -> int | None:
    """The number of a class, where a name says nothing else, such as `3` or `class_03`."""
    found = _NUMBER.fullmatch(name.strip())
    return int(found[1]) if found else None


def label_index(name: str) -> int | None:
    """Class index of a label's name; None where it is none of the seven."""
    meaning = meaning_of(name)
    return LABELS.index(meaning.value) if meaning and meaning.kind == "class" else None


def _words(name: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(unicodedata.normalize("NFKC", name))]


def _telling(name: str) -> list[str]:
    """The words of a name that are not filler, and all of them as one."""
    words = [word for word in _words(name) if word not in _FILLER]
    return list(dict.fromkeys([*words, "".join(words)])) if len(words) > 1 else words


def _exact(name: str, words: Mapping[str, str]) -> str | None:
    telling = _telling(name)
    if len(telling) > 1:  # only as one word, such as `Public_Test`
        return words.get(telling[-1])
    return words.get(telling[0]) if telling else None


def _near(name: str, words: Mapping[str, str]) -> str | None:
    """The meaning of all words that are one slip away, where it is one. The first letter must be right: `madness` is
    not `sadness`."""
    telling = _telling(name)
    if not telling:
        return None
    close = {value for word, value in words.items() if _is_slip(telling[-1], word)}
    return close.pop() if len(close) == 1 else None


def _is_slip(text: str, word: str) -> bool:
    """Whether one letter is missing or too many, two neighbours are exchanged, or, in a long word, one is another."""
    if len(word) < 5 or len(text) < 4 or text[0] != word[0] or abs(len(text) - len(word)) > 1:
        return False
    start = next((i for i, (a, b) in enumerate(zip(text, word, strict=False)) if a != b), min(len(text), len(word)))
    a, b = text[start:], word[start:]
    swapped = len(a) == len(b) and a[:2] == b[1::-1] and a[2:] == b[2:]
    return a[1:] == b or a == b[1:] or swapped or (len(word) > 6 and a[1:] == b[1:])
