"""Durations, figures and text of people, as they are shown."""

from datetime import UTC, datetime, timedelta

import pandas as pd

from core.runs.table import spreadsheet_safe
from dashboard.ui.format import (
    _JOINER,
    accuracy_in,
    ago,
    compact,
    duration,
    energy,
    escape,
    percent,
    plain_cells,
    with_interval,
)
from tests.dashboard.conftest import HOSTILE


def test_escape_shows_the_same_characters() -> None:
    shown = escape(HOSTILE + "\nsecond line")
    assert shown.replace("\\", "").replace(_JOINER, "") == HOSTILE + " second line"


def test_a_loss_that_has_exploded_is_short() -> None:
    assert [compact(loss) for loss in (0.9071, 999.9, 5.98e12, -1234.0, 0.0, float("inf"), None)] == [
        "0.907", "999.900", "5.98e+12", "-1.23e+03", "0.000", "inf", "–"
    ]  # fmt: skip


def test_energy_is_in_the_units_of_electricity_meters() -> None:
    assert [energy(joules) for joules in (360, 45_000, 3.6e6, 5.4e7)] == ["0.1 Wh", "12.5 Wh", "1 kWh", "15 kWh"]


def test_durations_and_times_are_short() -> None:
    given = [0, 59, 60, 184, 640, 3600, 5400, 90_000, None]
    assert [duration(s) for s in given] == [
        "0 s", "59 s", "1 min", "3 min 4 s", "10 min", "1 h", "1 h 30 min", "1 d 1 h", "–"
    ]  # fmt: skip
    assert with_interval(0.7041, (0.689, 0.719)) == "70.4% ± 1.5 pp"
    assert with_interval(None, (0.0, 1.0)) == accuracy_in(None) == percent(None) == "–"
    passed = {30: "just now", 37 * 60: "37 min ago", 3600: "1 hour ago", 3 * 86_400: "3 days ago", 307 * 86_400: ""}
    said = [ago(datetime.now(UTC) - timedelta(seconds=seconds + 1)) for seconds in passed]
    assert said == [*list(passed.values())[:-1], "10 months ago"]


def test_the_cells_of_a_table_are_no_formulas_and_look_the_same() -> None:
    table = pd.DataFrame({"name": ["=HYPERLINK(1)", "+1", "-a", "@b", "plain"], "value": [1, -2, 3, 4, 5]})
    shown = plain_cells(table)
    assert not shown.to_csv(index=False).splitlines()[1].startswith(("=", '"='))
    assert [spreadsheet_safe(text) for text in shown["name"]] == list(shown["name"])
    assert [text.replace("\u2060", "") for text in shown["name"]] == list(table["name"])
    assert list(shown["value"]) == list(table["value"])
