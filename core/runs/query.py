"""What is typed to search runs: words, and conditions on settings and metrics such as `lr=0.01` or `validation>=65`."""

import math
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from core.runs.fields import RUN_FIELDS, SETTING, SETTINGS, setting_text
from core.runs.records import Run

SHORT_NAMES: Final = {"lr": "config.learning_rate", "wd": "config.weight_decay", "bs": "config.batch_size"}
"""What people in this field type for settings."""

_COMPARE: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_CONDITION: Final = re.compile(r"(?P<name>[a-z_.]+)(?P<sign><=|>=|!=|=|<|>)(?P<value>\S*)")


@dataclass(frozen=True)
class Condition:
    """A field, a sign (`=`, `!=`, `<`, `<=`, `>`, `>=`) and what it is compared with, in lower case as it was typed."""

    field: str
    sign: str
    value: str

    def fits(self, run: Run) -> bool:
        """Whether a run meets it; one that has no such value does not, whatever the sign."""
        actual = RUN_FIELDS[self.field].value(run)
        if actual is None:
            return False
        wanted = _number(self.value)
        if self.sign in _COMPARE:
            return isinstance(actual, int | float) and wanted is not None and _COMPARE[self.sign](actual, wanted)
        if isinstance(actual, int | float) and not isinstance(actual, bool):
            same = wanted is not None and math.isclose(actual, wanted, rel_tol=1e-6)
        else:
            texts = (str(actual).lower(), setting_text(actual).lower())
            same = self.value in (texts + actual if isinstance(actual, tuple) else texts)  # one run of a list will do
        return same == (self.sign == "=")


def parse_query(text: str) -> tuple[list[str], list[Condition]]:
    """The words that are searched for, in lower case, and the conditions. What looks like a condition on something that
    is not known is a word: names may hold `=`."""
    words, conditions = [], []
    for word in text.lower().split():
        match = _CONDITION.fullmatch(word)
        field = match and _field_called(match["name"])
        if match and field and match["value"]:
            conditions.append(Condition(field, match["sign"], match["value"]))
        elif not (match and field):  # else its value has not been typed yet
            words.append(word)
    return words, conditions


def _field_called(name: str) -> str | None:
    """A field by its key, a short name, or the beginning of one setting's name."""
    for key in (SHORT_NAMES.get(name, ""), f"{SETTING}{name}", name):
        if key in RUN_FIELDS:
            return key
    beginning = [key for key in SETTINGS if key.startswith(f"{SETTING}{name}")]
    return beginning[0] if len(beginning) == 1 else None


def _number(text: str) -> float | None:
    """A decimal comma is taken as a point: no setting holds a list of numbers."""
    try:
        return float(text.replace(",", "."))
    except ValueError:
        return None
