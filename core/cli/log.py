"""`python -m core log`: the activity log of the runs and of the datasets."""

from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Annotated

import typer

from core.cli.options import AsCsv, AsJson, DataRoot, RunsRoot
from core.cli.output import print_csv, print_json

if TYPE_CHECKING:
    from core.team.log import ActivityEntry


def log_entries(
    runs_root: RunsRoot,
    data_root: DataRoot,
    who: Annotated[str, typer.Option("--who", help="Only what somebody did, by name or email address.")] = "",
    action: Annotated[str, typer.Option(help="Only one kind of act, such as stop.")] = "",
    on: Annotated[
        str, typer.Option("--on", metavar="NAME", help="Only what was done with a run, dataset or correction set.")
    ] = "",
    days: Annotated[float | None, typer.Option(min=0, help="Only the last N days.")] = None,
    limit: Annotated[int, typer.Option(min=0, help="Number of entries; 0 = all.")] = 50,
    as_csv: AsCsv = False,
    as_json: AsJson = False,
) -> None:
    """List who did what, when and on what, newest first."""
    from core.team.log import Filter, read_activity

    since = None if days is None else datetime.now(UTC) - timedelta(days=min(days, 36_500))
    wanted = Filter(who=who, action=action, on=on, since=since)
    found = wanted.matching(read_activity([runs_root, data_root]))
    entries = list(islice(found, limit or None))
    rows = [entry.model_dump(mode="json") for entry in entries]
    if as_json:
        print_json(rows)
    elif as_csv:
        print_csv(rows)
    elif not entries:
        print("No activity yet." if wanted == Filter() else "No activity matches.")
    else:
        print("\n".join(map(_line, entries)))


def _line(entry: "ActivityEntry") -> str:
    """Such as `2026-11-26 10:15:02 UTC  ada@example.org  page          Stop run  20261126-…  refused: …`."""
    from core.team.rights import action_title

    who = f"{entry.who} <{entry.email}>" if entry.who and entry.email else entry.email or entry.who or "unknown"
    about = " ".join(filter(None, [entry.on, f"→ {entry.made}" if entry.made else "", entry.detail]))
    outcome = "" if entry.outcome == "allowed" else f"  [{entry.outcome}: {entry.reason}]"
    what = f"{action_title(entry.action):24} {about}".rstrip()
    return f"{entry.time:%Y-%m-%d %H:%M:%S} UTC  {who:24} {entry.way:13} {what}{outcome}"
