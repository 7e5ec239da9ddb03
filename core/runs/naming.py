"""Names for new runs, made of what they are, so that lists do not fill with ids."""

import re
from collections.abc import Callable, Collection
from itertools import count
from typing import Final

from core.config import TrainConfig, as_typed
from core.numbers import typed_number

MAX_NAME: Final = 80
"""Characters of the name of a new run."""


def typed_setting(value: object) -> str:
    """The value of a setting as people type it."""
    if isinstance(value, bool):
        return str(value).lower()
    return typed_number(value) if isinstance(value, int | float) else str(as_typed(value))


def changed_settings(config: TrainConfig, base: TrainConfig) -> dict[str, str]:
    """Setting to its value as text, for those that differ from another config."""
    old, new = base.model_dump(), config.model_dump()
    return {name: typed_setting(value) for name, value in new.items() if value != old[name]}


def suggest_name(preset: str, config: TrainConfig, base: TrainConfig, taken: Collection[str]) -> str:
    """A name for a run of a preset: the preset, the dataset, the seed, and what else was changed.

    Args:
        preset: its name.
        config: the settings of the run.
        base: those of the preset.
        taken: names of other runs.
    """
    changed = changed_settings(config, base)
    rest = [f"{name}={text}" for name, text in changed.items() if name not in ("dataset", "seed")]
    return free_name(" ".join([preset, config.dataset, f"seed {config.seed}", *rest]), taken)


def suggest_clone_name(parent: str, config: TrainConfig, base: TrainConfig, taken: Collection[str]) -> str:
    """A name for a clone: its parent's, with what was changed replaced in it or added to it.

    Args:
        parent: the name of the run that is cloned.
        config: the settings of the clone.
        base: those of the parent.
        taken: names of other runs.
    """
    name = re.sub(r" \(\d+\)$", "", parent)
    for setting, text in changed_settings(config, base).items():
        old = re.escape(typed_setting(getattr(base, setting)))
        said = rf"(?<!\S)(?P<key>{setting}[ =]{'|' if setting == 'dataset' else ''}){old}(?!\S)"
        if re.search(said, name):
            name = re.sub(said, _replaced_by(text), name)
        else:
            name += f" {setting}={text or 'none'}"
    return free_name(name, taken)


def _replaced_by(text: str) -> Callable[[re.Match[str]], str]:
    return lambda match: match["key"] + text


def free_name(name: str, taken: Collection[str], mark: str = "") -> str:
    """A name that no other run has, at most `MAX_NAME` long: `NAME`, `NAME (2)`, `NAME (3)`.

    Args:
        name: cut where it is too long.
        taken: names of other runs.
        mark: stands behind the name and is not cut, such as ` (reproduction)`.
    """
    numbered = (_cut(name, f"{mark} ({number})" if number > 1 else mark) for number in count(1))
    return next(each for each in numbered if each not in taken)


def _cut(name: str, end: str) -> str:
    room = MAX_NAME - len(end)
    return (name if len(name) <= room else f"{name[: room - 1]}…") + end
