"""What an import changes in a run, before anybody here sees it: nothing trains it, and nobody here has reviewed it."""

import json
from datetime import UTC, datetime
from typing import Any

from core.errors import RunError
from core.files import read_json, write_json, write_whole
from core.runs.create import write_meta
from core.runs.paths import RunPaths
from core.runs.reader import read_meta


def settle(draft: RunPaths, by: str, started_by: str, *, keep_review: bool) -> list[str]:
    """Have it be a run of this server.

    Args:
        draft: the folder that becomes the run's, with all of its files checked.
        by: who imports it, as shown.
        started_by: whose run it becomes.
        keep_review: trust the reviews it comes with.

    Returns:
        What that has changed beside whose run it is, in sentences.

    Raises:
        RunError: the label reviews are nested too deeply to be changed.
        OSError: the disk is full.
    """
    notes = _end(draft) + _take_over(draft, by, started_by, keep_review)
    return notes if keep_review else notes + _unsign(draft)


def _end(draft: RunPaths) -> list[str]:
    """Have it be a run that nothing trains; what that has changed, in sentences."""
    status: dict[str, Any] = read_json(draft.status)
    state = status.get("state", "queued")
    if state not in ("queued", "running"):
        return []
    was = f"It was {state} when it was exported."
    now = datetime.now(UTC).isoformat()
    ended = {"ended_at": now, "eta_seconds": None, "activity": "", "data_root": None, "error": was}
    write_json(draft.status, {**status, "state": "stopped", **ended})
    return [f"{was} Here it is stopped."]


def _take_over(draft: RunPaths, by: str, started_by: str, keep_review: bool) -> list[str]:
    """Have it be the run of whoever imports it, who then is not the one to approve it where nobody may approve their
    own; and one that nobody has reviewed here. What that has changed of its review, in sentences."""
    row = {"time": datetime.now(UTC).isoformat(), "by": by, "field": "review"}
    update = {"started_by": started_by} | ({} if keep_review else {"review": "unreviewed", "reviewer": ""})
    review = read_meta(draft).review
    here = write_meta(
        draft,
        lambda meta: meta.model_copy(update=update),
        lambda old, new: [{**row, "old": old.review, "new": new.review}] if new.review != old.review else [],
    )
    draft.meta_lock.unlink(missing_ok=True)
    return [] if here.review == review else ["Its review was not taken over: review it here."]


def _unsign(draft: RunPaths) -> list[str]:
    """Have no label review be of a login: only those of this server can be relied on. What that has changed.

    Raises:
        RunError: a line is nested too deeply to be changed.
    """
    if not draft.reviews.exists():
        return []
    try:
        with open(draft.reviews, "rb") as file:
            if all(_unsigned(line) == line for line in file):
                return []
            file.seek(0)
            write_whole(draft.reviews, lambda new: new.writelines(map(_unsigned, file)))
    except RecursionError:
        raise RunError("The bundle can't be imported. reviews.jsonl is nested too deeply.") from None
    return ["Its label reviews count by the names of their reviewers, not by their logins."]


def _unsigned(line: bytes) -> bytes:
    """A line of `reviews.jsonl` whose reviewer has a name alone. Where there is no login, the name stands in its
    place, so it must not be an email address either."""
    if not line.endswith(b"\n"):
        return line  # incomplete: nobody reads it
    row = json.loads(line)
    by = row.get("by")
    if "by_id" not in row and not (isinstance(by, str) and "@" in by):
        return line
    row.pop("by_id", None)
    named = {"by": by.replace("@", " at ")} if isinstance(by, str) else {}
    return json.dumps({**row, **named}).encode() + b"\n"
