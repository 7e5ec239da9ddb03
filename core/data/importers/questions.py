"""What is asked where names do not say for certain what they mean: sentences without the name of the source, each with
an example made from what was found."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from core.data.importers.mapping import LEAVE_OUT
from core.data.importers.names import number_of, suggest_class, suggest_split
from core.errors import quote
from core.labels import LABELS
from core.splits import TEST, TRAIN, VALIDATION

NUMBERINGS: Final = {
    "FER2013": dict(enumerate(("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"))),
    "RAF-DB": dict(enumerate(("surprise", "fear", "disgust", "happy", "sad", "angry", "neutral"), 1)),
}
"""Dataset to number to class, as published: Goodfellow et al. 2013, and Li et al. 2017."""

_SHOWN: Final = 7


def unknown_split(name: str, known: set[str]) -> str:
    """About a folder of class folders beside those of splits."""
    free = [split for split in (VALIDATION, TEST, TRAIN) if split not in known]
    example = suggest_split(name) or (free[0] if free else TEST)
    return (
        f"has a folder {quote(name)} with class folders in it, beside {', '.join(sorted(known - {''}))}. Map it to the "
        f"split it is, e.g. {quote(f'{name}={example}')}, or skip it with {quote(f'{name}={LEAVE_OUT}')}."
    )


def unknown_folders(unknown: Counter[str]) -> str:
    """About folders, and their numbers of images, that may be classes."""
    plural = "1 folder that is not a class" if len(unknown) == 1 else f"{len(unknown):,} folders that are not classes"
    return _which_classes(plural, unknown)


def many_beside(beside: Counter[str], root: str) -> str:
    """About folders with many images outside the class folders; an empty name for images in no such folder."""
    folders = sorted(filter(None, beside))
    where = f", in {listed([f'{quote(name)} ({beside[name]:,})' for name in folders])}" if folders else ""
    example = quote(", ".join(f"{name}={LEAVE_OUT}" for name in folders[:_SHOWN]))
    advice = f"Skip them with {example}" if folders else "Move them elsewhere"
    return f"has {beside.total():,} images outside the class folders of {quote(root or '.')}{where}. {advice}."


def unknown_labels(unknown: Counter[str]) -> str:
    """About labels in a table or list, and their numbers of images."""
    plural = "1 label that is not a class" if len(unknown) == 1 else f"{len(unknown):,} labels that are not classes"
    return _which_classes(plural, unknown)


def _which_classes(plural: str, unknown: Counter[str]) -> str:
    shown = listed([f"{quote(name)} ({count:,})" for name, count in sorted(unknown.items())])
    text = f"has {plural}: {shown}. "
    numbers = {number_of(name): name for name in unknown}
    if None not in numbers:
        return f"{text}Numbers do not say which class they are: map each, {_numbered(numbers)}."
    pairs = [f"{name}={suggest_class(name)}" for name in sorted(unknown) if suggest_class(name)]
    example = f"e.g. {quote(', '.join(pairs[:_SHOWN]))}, " if pairs else ""
    skipped = quote(f"{min(unknown)}={LEAVE_OUT}")
    return f"{text}Map each to one of {', '.join(LABELS)}, {example}or skip it with {skipped}."


def _numbered(numbers: Mapping[int | None, str]) -> str:
    """The published orders that these numbers fit; else one pair as an example of the form alone."""
    orders = [
        f"as in {title}, {quote(', '.join(f'{numbers[number]}={label}' for number, label in order.items()))}"
        for title, order in NUMBERINGS.items()
        if set(order) == set(numbers)
    ]
    return " or ".join(orders) or f"e.g. {quote(f'{min(numbers.values())}={LABELS[0]}')} if that is what it is"


def listed(parts: Sequence[str]) -> str:
    more = f" and {len(parts) - _SHOWN:,} more" if len(parts) > _SHOWN else ""
    return ", ".join(parts[:_SHOWN]) + more
