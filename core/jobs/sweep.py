"""Sweeps: one field of the settings, or several, with more than one value each."""

import random
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any, Final, Literal

from core.config import TrainConfig, field_label, parse_config
from core.errors import ConfigError
from core.jobs.groups import NewGroup
from core.runs.groups import MOST_RUNS, GroupKind
from core.runs.naming import typed_setting
from core.runs.roles import ROLES

_RANGE: Final = re.compile(r"(\d{1,10})\s*\.\.\s*(\d{1,10})")
_DIGITS_ONLY: Final = re.compile(r"[+-]?0\d+")
"""The second half of `0,01` or `1,000`: one number for some, two for others."""
SWEEPABLE: Final = tuple(name for name in TrainConfig.model_fields if name not in ROLES)
"""Fields that may have several values: the others are lists of runs already."""


@dataclass(frozen=True)
class Sweep:
    """Settings, and the fields of them that take several values.

    Its runs are in a stable order: of a grid, the last field changes fastest; of a sample, as they were drawn.
    """

    base: TrainConfig
    """The settings that all runs share but for the swept fields."""
    fields: Mapping[str, tuple[Any, ...]]
    """Field to its values, in the order given; each value once, as `parse_values` returns them."""
    how: Literal["grid", "random"] = "grid"
    sample: int | None = None
    """How many combinations are drawn, none twice; of a random sweep only."""
    seed: int = 0
    """Of the draw."""
    for_teaching: bool = False
    """Whether its runs are to teach a student afterwards: then they differ in the seed alone."""

    @property
    def kind(self) -> GroupKind:
        """What its group is: runs that differ in the seed alone are seeds, or teachers."""
        if set(self.fields) != {"seed"}:
            return "sweep"
        return "teachers" if self.for_teaching else "seeds"

    @property
    def combinations(self) -> int:
        """How many there are, of which a random sweep trains some."""
        return prod(len(values) for values in self.fields.values())

    @property
    def runs(self) -> int:
        """How many runs it starts."""
        return self.sample if self.how == "random" and self.sample is not None else self.combinations

    def values(self) -> list[dict[str, Any]]:
        """Of each run, its values of the swept fields.

        Raises:
            ConfigError: there is no field, or none of it has two values; it is more than `MOST_RUNS` runs; or the
                sample is larger than the grid.
        """
        self._check()
        return [self._combination(index) for index in self._drawn()]

    def configs(self) -> list[TrainConfig]:
        """The settings of each run.

        Raises:
            ConfigError: as `values`, or the settings of a run are not allowed.
        """
        shared = self.base.model_dump()
        return [parse_config(shared | values) for values in self.values()]

    def as_group(self, *, title: str = "", keep: Literal["all", "best"] = "all", parent: str | None = None) -> NewGroup:
        """What `start_group` starts; the arguments are as for `NewGroup`.

        Raises:
            ConfigError: as `configs`.
        """
        return NewGroup(
            kind=self.kind,
            config=self.base,
            values=self.values(),
            fields=self.fields,
            title=title,
            how=self.how,
            sample=self.sample if self.how == "random" else None,
            sample_seed=self.seed,
            keep=keep,
            parent=parent,
        )

    def _check(self) -> None:
        if self.combinations < 2:
            raise ConfigError("A sweep needs a field with two values or more, such as learning_rate=0.01,0.02.")
        if self.for_teaching and self.kind != "teachers":
            raise ConfigError("Teachers differ in the seed alone, such as seed=1..3.")
        if self.how == "random" and self.sample is None:
            raise ConfigError("A random sweep needs a number of runs to draw.")
        if self.runs < 1:
            raise ConfigError(f"The number of runs to draw must be at least 1 (got {self.runs}).")
        if self.runs > self.combinations:
            raise ConfigError(
                f"Can't draw {self.runs:,} different runs: there are only {self.combinations:,} combinations."
            )
        if self.runs > MOST_RUNS:
            raise ConfigError(
                f"{self.runs:,} runs are too many for one sweep (max {MOST_RUNS}). Use fewer values or a random sample."
            )

    def _drawn(self) -> Iterable[int]:
        if self.how == "grid":
            return range(self.combinations)
        draw = random.Random(self.seed)
        drawn: dict[int, None] = {}  # keeps its order
        while len(drawn) < self.runs:  # at most `MOST_RUNS`, so that even drawing all of them takes few attempts
            drawn[draw.randrange(self.combinations)] = None
        return drawn

    def _combination(self, index: int) -> dict[str, Any]:
        chosen = {}
        for name, values in reversed(list(self.fields.items())):
            index, place = divmod(index, len(values))
            chosen[name] = values[place]
        return {name: chosen[name] for name in self.fields}


def parse_fields(texts: Mapping[str, str]) -> dict[str, tuple[Any, ...]]:
    """The values of several fields, as typed.

    Raises:
        ConfigError: a sentence per field that something is wrong with.
    """
    fields, wrong = {}, []
    for name, text in texts.items():
        try:
            fields[name] = parse_values(name, text)
        except ConfigError as error:
            wrong.append(str(error))
    if wrong:
        raise ConfigError(" ".join(wrong))
    return fields


def parse_values(name: str, text: str) -> tuple[Any, ...]:
    """The values that somebody has typed for a field, in their order: `0.01, 0.02`, and of whole numbers `1..5`, too.
    Where there is a semicolon, values are separated by it, and a comma is a decimal sign.

    Raises:
        ConfigError: a sentence for each value that is not allowed, is there twice, or may mean one number or two.
    """
    if name not in TrainConfig.model_fields:
        raise ConfigError(f"Unknown setting {name!r}. Use one of {', '.join(SWEEPABLE)}.")
    if name in ROLES:
        raise ConfigError(f"{field_label(name)} can't be swept: it is a list of runs already.")
    values: dict[Any, None] = {}
    wrong: list[str] = []
    for piece in _pieces(name, text):
        try:
            value = getattr(parse_config({name: piece}), name)
        except ConfigError as error:
            wrong.append(str(error))
            continue
        if value in values:
            wrong.append(f"{field_label(name)}: {typed_setting(value)} is there twice.")
        values[value] = None
    if wrong:
        raise ConfigError(" ".join(dict.fromkeys(wrong)))
    return tuple(values)


def holds_several(name: str, text: str) -> bool:
    """Whether what is typed for a field in a form is meant as several values: `5,1` is one number there, `5, 1` two."""
    if name not in SWEEPABLE:
        return False
    kind = TrainConfig.model_fields[name].annotation
    if ";" in text or (kind is int and _RANGE.search(text)):
        return True
    if kind is not float:
        return "," in text
    return text.count(",") > 1 or ("," in text and ("." in text or re.search(r",\s|\s,", text.strip()) is not None))


def _pieces(name: str, text: str) -> list[str]:
    kind = TrainConfig.model_fields[name].annotation
    pieces = [piece.strip() for piece in re.split(";" if ";" in text else ",", text)]
    if not all(pieces):
        raise ConfigError(f"{field_label(name)}: a value is missing in {text!r}. Separate values by commas.")
    if kind in (int, float) and len(pieces) > 1 and any(map(_DIGITS_ONLY.fullmatch, pieces)):
        raise ConfigError(
            f"{field_label(name)}: {text} may be one number or several. Use decimal points, or separate values by "
            "semicolons."
        )
    if kind is not int:
        return pieces
    return [number for piece in pieces for number in _numbers(name, piece)]


def _numbers(name: str, piece: str) -> list[str]:
    """The whole numbers of a range such as `1..5`; anything else as it is."""
    found = _RANGE.fullmatch(piece)
    if not found:
        return [piece]
    first, last = int(found[1]), int(found[2])
    if last < first:
        raise ConfigError(f"{field_label(name)}: {piece} ends before it begins.")
    if last - first >= MOST_RUNS:
        raise ConfigError(f"{field_label(name)}: {piece} is {last - first + 1:,} values (max {MOST_RUNS}).")
    return [str(number) for number in range(first, last + 1)]
