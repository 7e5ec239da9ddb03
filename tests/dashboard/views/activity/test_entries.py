"""The Activity page: who did what, with filters, paging, and words of people as they are."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from core.team.log import ActivityEntry, record
from dashboard.state import cache
from dashboard.views.activity.entries import ENTRIES_PER_PAGE, as_cells, is_about, people
from tests.dashboard.conftest import HOSTILE, Opener, Writer, words


def entry(who: str = "Ada", minutes: float = 0, **more: Any) -> ActivityEntry:
    values = {"who": who, "role": "member", "way": "page", "action": "stop"}
    return ActivityEntry.model_validate({**values, "time": datetime.now(UTC) - timedelta(minutes=minutes), **more})


def log(root: Path, *entries: ActivityEntry) -> None:
    for each in entries:
        record(root, each, variable="FER_RUNS_ROOT", make_root=True)


def table(app: Any) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = app.dataframe[0].value.to_dict("records")
    return rows


def test_an_empty_log_says_what_will_be_there(open_page: Opener, tmp_path: Path) -> None:
    assert "No activity yet" in words(open_page("activity", data_root=tmp_path / "none"))


def test_both_logs_are_shown_newest_first_with_the_names_of_runs(
    open_page: Opener, write: Writer, runs_root: Path, tmp_path: Path
) -> None:
    run = write("queued", name="my run")
    log(runs_root, entry("Ada", 5, on=run.id), entry("Ben", 1, action="start", made=run.id, detail="“x” on demo"))
    log(tmp_path / "data", entry("Eve", 3, action="delete_dataset", on="demo", outcome="refused", reason="No, Eve."))
    app = open_page("activity", data_root=tmp_path / "data")
    assert [(row["Who"], row["Action"], row["On"], row["Outcome"]) for row in table(app)] == [
        ("Ben", "Start run", "my run", "✓ Done"),
        ("Eve", "Delete dataset", "demo", "⊘ Refused"),
        ("Ada", "Stop run", "my run", "✓ Done"),
    ]
    assert table(app)[1]["Details"] == "No, Eve." and table(app)[0]["ID"] == run.id


def test_the_filters_stand_in_the_address_and_narrow_the_table(
    open_page: Opener, runs_root: Path, tmp_path: Path
) -> None:
    log(
        runs_root,
        entry("Ada", 60 * 24 * 3, on="run-1"),
        entry("Ben", 2, on="run-2", email="ben@example.org", outcome="failed", reason="Full."),
        entry("Ada", 1, on="run-2", action="start"),
    )

    def shown(**query: str) -> list[str]:
        app = open_page("activity", data_root=tmp_path / "none", **query)
        return [f"{row['Who']} {row['On']}" for row in table(app)] if len(app.dataframe) else [words(app)]

    assert shown(on="run-2") == ["Ada run-2", "Ben run-2"]
    assert shown(**{"by-whom": "ben@example.org"}) == ["Ben run-2"]
    assert shown(action="Stop run", period="Last 24 hours") == ["Ben run-2"]
    assert "No activity matches" in shown(on="nope")[0]


def test_a_long_log_is_shown_page_by_page(open_page: Opener, runs_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entries = [entry(f"Ada {number}") for number in range(ENTRIES_PER_PAGE + 3)]
    monkeypatch.setattr(cache, "activity", lambda *_: entries)
    monkeypatch.setattr(cache, "MOST_ACTIVITY", len(entries))
    app = open_page("activity")
    assert len(table(app)) == ENTRIES_PER_PAGE and f"{len(entries)} entries" in words(app)
    assert f"Only the latest {len(entries)} entries are searched" in words(app)


def test_words_of_people_are_shown_as_they_are(open_page: Opener, runs_root: Path, tmp_path: Path) -> None:
    log(runs_root, entry(HOSTILE[:50], on="x", detail=HOSTILE), entry("=1+1", detail="=HYPERLINK(1)"))
    app = open_page("activity", data_root=tmp_path / "none")
    for element in [*app.markdown, *app.caption]:
        assert "http://evil" not in element.value
    formula, hostile = sorted(table(app), key=lambda row: len(row["Details"]))
    assert HOSTILE[:50] in hostile["Who"]
    assert not formula["Who"].startswith("=") and not formula["Details"].startswith("=")


def test_people_are_told_apart_by_their_addresses() -> None:
    entries = [entry("Ada", email="ada@x.org"), entry("Ada", email="ada@y.org"), entry("ben"), entry("")]
    assert people(entries) == ["ada@x.org", "ada@y.org", "ben"]


def test_a_run_is_found_by_its_id_and_by_a_part_of_its_name() -> None:
    names = {"20261126-calm": "Long Name (2)"}
    made = entry(on="20261120-old", made="20261126-calm")
    assert is_about(made, "2026112", names) and is_about(made, "name (2", names) and is_about(made, "", names)
    assert not is_about(made, "calm-river", names)


def test_a_server_that_acts_by_itself_says_so() -> None:
    assert as_cells(entry("", way="server", action="recover"), {})["Who"] == "Server"
    assert as_cells(entry(""), {})["Who"] == "Unknown"
    assert as_cells(entry(on="old", made="new", detail="d", reason="r"), {})["Details"] == "d · made new · r"
