"""What is asked where names do not say for certain what they mean: sentences without the name of the source, each with
an example made from what was found."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from core.data.importers.mapping import LEAVE_OUT, Given
from core.data.importers.names import number_of, suggest_class, suggest_split
from core.errors import DataError, quote
from core.labels import LABELS
from core.splits import SPLITS, TEST, TRAIN, VALIDATION

_AFFECTNET: Final = ("neutral", "happy", "sad", "surprise", "fear", "disgust", "angry", LEAVE_OUT)
_FERPLUS: Final = ("neutral", "happy", "surprise", "sad", "angry", "disgust", "fear", LEAVE_OUT, LEAVE_OUT, LEAVE_OUT)

NUMBERINGS: Final = {
    "FER2013": dict(enumerate(("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"))),
    "RAF-DB": dict(enumerate(("surprise", "fear", "disgust", "happy", "sad", "angry", "neutral"), 1)),
    "AffectNet": dict(enumerate(_AFFECTNET)),
    "FER+": dict(enumerate(_FERPLUS)),
}
"""Dataset to number to class, or to `LEAVE_OUT` for contempt and what is no expression, as published: Goodfellow et al.
2013, Li et al. 2017, Mollahosseini et al. 2017, and Barsoum et al. 2016."""

_LENGTHS: Final = {"AffectNet": (7, 8), "FER+": (7, 8, 10)}
"""How many of its numbers are used, where there are sets without the last ones."""

_SHOWN: Final = 10
_EXAMPLE_LENGTH: Final = 160


def unknown_split(name: str, known: set[str]) -> str:
    """About a folder of class folders beside those of splits."""
    free = [split for split in (VALIDATION, TEST, TRAIN) if split not in known]
    example = suggest_split(name) or (free[0] if free else TEST)
    return (
        f"has a folder {quote(name)} with class folders in it, beside {', '.join(sorted(known - {''}))}. Map it to the "
        f"split it is, e.g. {_example([f'{name}={example}'])}, or skip it with {_example([f'{name}={LEAVE_OUT}'])}."
    )


def unknown_splits(column: str, unknown: Counter[str]) -> str:
    """About values of a table's column of splits, and their numbers of images."""
    shown = listed([f"{quote(value)} ({count:,})" for value, count in sorted(unknown.items())])
    value = min(unknown)
    example, skipped = _example([f"{value}={suggest_split(value) or TRAIN}"]), _example([f"{value}={LEAVE_OUT}"])
    return (
        f"has a column {quote(column)} with what is no split: {shown}. Map each to one of {', '.join(SPLITS)}, "
        f"e.g. {example}, or skip it with {skipped}."
    )


def check_met(given: Given, there: Iterable[str]) -> None:
    """Refuse a mapping with a name that nothing has, which would be ignored in silence.

    Args:
        given: the mapping; names that have been looked up in it are there.
        there: the names of folders or labels that could have been meant.

    Raises:
        DataError: there is such a name.
    """
    known = sorted(set(there))
    for name in known:
        given.get(name)
    for name, meaning in given.unmet.items():
        names = listed([quote(each) for each in known]) or "none"
        raise DataError(
            f"No folder or label is called {quote(name)}, which is mapped to {quote(meaning.value)}; there are "
            f"{names}. Correct that name, or leave it out."
        )


def unknown_folders(unknown: Counter[str]) -> str:
    """About folders, and their numbers of images, that may be classes."""
    plural = "1 folder that is not a class" if len(unknown) == 1 else f"{len(unknown):,} folders that are not classes"
    return _which_classes(plural, unknown)


def many_beside(beside: Counter[str], root: str) -> str:
    """About folders with many images outside the class folders; an empty name for images in no such folder."""
    folders = sorted(filter(None, beside))
    where = f", in {listed([f'{quote(name)} ({beside[name]:,})' for name in folders])}" if folders else ""
    pairs = [f"{name}={LEAVE_OUT}" for name in folders]
    advice = f"Skip them with {_example(pairs)}" if pairs else "Move them elsewhere"
    return f"has {beside.total():,} images outside the class folders of {quote(root or '.')}{where}. {advice}."


def unknown_labels(unknown: Counter[str]) -> str:
    """About labels in a table or list, and their numbers of images."""
    plural = "1 label that is not a class" if len(unknown) == 1 else f"{len(unknown):,} labels that are not classes"
    return _which_classes(plural, unknown)


def _which_classes(plural: str, unknown: Counter[str]) -> str:
    shown = listed([f"{quote(name)} ({count:,})" for name, count in sorted(unknown.items())])
    text = f"has {plural}: {shown}. "
    numbers = {number: name for name in unknown if (number := number_of(name)) is not None}
    if len(numbers) == len(unknown):
        return f"{text}Numbers do not say which class they are: map each, {_numbered(numbers)}."
    pairs = [f"{name}={suggest_class(name)}" for name in sorted(unknown) if suggest_class(name)]
    example = f"e.g. {_example(pairs)}, " if pairs else ""
    skipped = _example([f"{min(unknown)}={LEAVE_OUT}"])
    return f"{text}Map each to one of {', '.join(LABELS)}, {example}or skip it with {skipped}."


def _numbered(numbers: Mapping[int, str]) -> str:
    """The published orders that these numbers fit, those that have them all before those that have more; else one
    pair as an example of the form alone."""
    fitting = {title: order for title, order in NUMBERINGS.items() if set(numbers) <= set(order)}
    whole = {
        title: order
        for title, order in fitting.items()
        if any(set(numbers) == set([*order][:length]) for length in _LENGTHS.get(title, (len(order),)))
    }
    orders = [
        f"as in {title}, {_example([f'{numbers[number]}={order[number]}' for number in sorted(numbers)])}"
        for title, order in (whole or fitting).items()
    ]
    return " or ".join(orders) or f"e.g. {_example([f'{min(numbers.values())}={LABELS[0]}'])} if that is what it is"


def _example(pairs: Sequence[str]) -> str:
    """Pairs to copy, in quotes: as many as a message has room for, and none of them shortened."""
    text = pairs[0]
    for pair in pairs[1:_SHOWN]:
        if len(text) + len(pair) > _EXAMPLE_LENGTH:
            break
        text = f"{text}, {pair}"
    return repr(text) if len(text) < 300 else quote(text)  # no file name is that long


def listed(parts: Sequence[str]) -> str:
    more = f" and {len(parts) - _SHOWN:,} more" if len(parts) > _SHOWN else ""
    return ", ".join(parts[:_SHOWN]) + more
