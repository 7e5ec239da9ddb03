"""What runs can be sorted, searched and grouped by: what they are, what they reached, and every setting."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Final

from core.config import TrainConfig, as_typed, field_label
from core.runs.records import Run

SETTING: Final = "config."
"""Begins the key of a setting: `epochs` of a run is how far it is, `config.epochs` is how far it goes."""


@dataclass(frozen=True)
class RunField:
    """One property of runs."""

    title: str
    value: Callable[[Run], Any]
    """None where a run has none."""
    descending: bool = False
    """Whether the largest is the first one that people look for."""


def epochs_done(run: Run) -> int:
    """Epochs that have ended."""
    return run.summary.epochs_done or max(0, run.status.epoch - 1)


def _percent(value: float | None) -> float | None:
    return None if value is None else 100 * value


def _unseen(run: Run) -> float | None:
    test = run.metrics("test")
    return _percent(test.without_train_duplicates.accuracy) if test and test.without_train_duplicates else None


def _setting(name: str) -> RunField:
    of_config = attrgetter(name)
    return RunField(field_label(name), lambda run: of_config(run.config) if run.config else None)


def setting_key(name: str) -> str:
    """The key of a setting in `RUN_FIELDS`."""
    return f"{SETTING}{name}"


_all_settings: Final = attrgetter(*TrainConfig.model_fields)

SETTINGS: Final = {setting_key(name): _setting(name) for name in TrainConfig.model_fields}

RUN_FIELDS: Final[dict[str, RunField]] = {
    "created": RunField("Created", lambda run: run.status.created_at, descending=True),
    "name": RunField("Name", lambda run: run.name.lower()),
    "state": RunField("State", lambda run: run.state.in_words()),
    "epochs": RunField("Progress", epochs_done, descending=True),
    "validation": RunField("Val. accuracy", lambda run: _percent(run.validation_accuracy), descending=True),
    "test": RunField("Test accuracy", lambda run: _percent(run.accuracy("test")), descending=True),
    "unseen": RunField("Test accuracy excluding train duplicates", _unseen, descending=True),
    "loss": RunField("Val. loss", lambda run: run.best.validation_loss if run.best else None),
    "duration": RunField("Duration", lambda run: run.status.elapsed_seconds or None, descending=True),
    "device": RunField("Device used", lambda run: run.status.device),
    "author": RunField("Author", lambda run: run.meta.author.lower() or None),
    "review": RunField("Review", lambda run: None if run.meta.review == "unreviewed" else run.meta.review),
    "group": RunField("Group", lambda run: run.meta.group or None),
    "star": RunField("Starred", lambda run: run.meta.starred, descending=True),
    **SETTINGS,
}
"""Key to field; accuracies in percent, as they are shown."""


def known_settings(runs: Iterable[Run]) -> dict[str, list[Any]]:
    """Key of each setting to the values it has in these runs, sorted; runs without readable settings are left out."""
    rows = [
        _all_settings(run.config) for run in runs if run.config
    ]  # whole columns: a thousand runs have 35,000 values
    columns = zip(*rows, strict=True) if rows else [()] * len(SETTINGS)
    return {key: sorted(set(values)) for key, values in zip(SETTINGS, columns, strict=True)}


def differing_settings(runs: Sequence[Run]) -> list[str]:
    """Keys of the settings that are not the same in all of these runs, in the order of the form."""
    return [key for key, values in known_settings(runs).items() if len(values) > 1]


def setting_text(value: Any) -> str:
    """A setting as people read it: numbers without trailing zeros, yes and no, a dash for an empty name."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    return str(as_typed(value)) or "–"
