"""What a team adds to a run: name, notes, tags, review, comments; with a history of who changed what and when.

The present state is `meta.json`; the history is `changes.jsonl`, which only grows. Both change under one lock. A
change of a field names the value its author saw: if someone else has changed it since, nothing is written and both
texts are reported. Changes of different fields, and of different tags, never conflict.
"""

import getpass
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final, Self, get_args

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from core.errors import RunError
from core.runs.create import write_meta
from core.runs.history import read_all
from core.runs.paths import RunPaths
from core.runs.records import ReviewState, RunMeta
from core.runs.values import (
    MAX_TAGS,
    NAME_LENGTH,
    PERSON_LENGTH,
    TAG_LENGTH,
    TEXT_LENGTH,
    ManyLines,
    Moment,
    Person,
    Tags,
)
from core.text import lines, one_line

REVIEW_STATES: Final[tuple[ReviewState, ...]] = get_args(ReviewState)
DECIDED: Final = ("approved", "rejected")

MAX_CHARACTERS: Final = {"name": NAME_LENGTH, "notes": TEXT_LENGTH, "comment": 5_000}
"""Characters."""
_FIELDS: Final = ("name", "notes", "review", "starred", "archived")


class Change(BaseModel):
    """One line of `changes.jsonl`."""

    model_config = ConfigDict(extra="ignore")

    time: Moment
    by: Person
    field: str
    """`name`, `notes`, `tags`, `review`, `starred`, `archived`, or `comment`, which is no field of `meta.json`."""
    old: ManyLines | Tags | bool | None = None
    new: ManyLines | Tags | bool | None = None

    @model_validator(mode="after")
    def _values_fit(self) -> Self:
        """Text, but for what is a list or a switch."""
        kind: Any = {"tags": list, "starred": bool, "archived": bool}.get(self.field, str)
        for value in (self.old, self.new):
            if value is not None and not isinstance(value, kind):
                raise ValueError(f"not a value of {self.field}")
        return self

    def in_words(self) -> str:
        """What was changed, without by whom and when."""
        match self.field:
            case "review":
                return f"{self.old} → {self.new}"
            case "tags":
                old, new = (value if isinstance(value, list) else [] for value in (self.old, self.new))
                return "tags " + " ".join(
                    [f"+{tag}" for tag in new if tag not in old] + [f"-{tag}" for tag in old if tag not in new]
                )
            case "starred" | "archived":
                return self.field if self.new else f"un{self.field}"
            case "comment":
                return str(self.new)
            case _:
                return f"{self.field}: {self.new}" if self.new else f"{self.field} cleared"


class EditConflictError(RunError):
    """Someone else has changed the same field since it was read. Nothing was written."""

    def __init__(self, field: str, theirs: Any, yours: Any, by: str) -> None:
        self.field, self.theirs, self.yours, self.by = field, theirs, yours, by
        super().__init__(
            f"{by or 'Someone'} changed the {field} in the meantime to {_quoted(theirs)}. Your version, "
            f"{_quoted(yours)}, is not saved yet; merge and save again."
        )


def annotate(
    paths: RunPaths,
    by: str,
    changes: Mapping[str, Any] | None = None,
    *,
    seen: Mapping[str, Any] | None = None,
    tag: Iterable[str] = (),
    untag: Iterable[str] = (),
    comment: str = "",
) -> RunMeta:
    """Change what people have added to a run, all or nothing, and record who did.

    Args:
        paths: the run.
        by: who changes it, not empty.
        changes: new values of `name`, `notes`, `review`, `starred`, `archived`.
        seen: what the fields in `changes` were when their author read them; what is left out is overwritten.
        tag: tags to add; existing ones are left alone.
        untag: tags to remove.
        comment: text that is in the history only.

    Returns:
        The new `meta.json`.

    Raises:
        EditConflictError: a field is neither what its author saw nor what they want it to be.
        RunError: a value is not allowed, or the run is gone, unreadable, or cannot be written.
    """
    by = clean_author(by)
    wanted = {field: _clean(field, value) for field, value in (changes or {}).items()}
    comment = _clean("comment", comment)
    added, removed = [_clean_tag(word) for word in tag], {word.strip() for word in untag}

    def change(old: RunMeta) -> RunMeta:
        for field, value in wanted.items():
            now = getattr(old, field)
            if seen is not None and field in seen and now not in (seen[field], value):
                raise EditConflictError(field, now, value, _last_author(paths, field))
        tags = list(dict.fromkeys([word for word in old.tags if word not in removed] + added))
        if len(tags) > MAX_TAGS:
            raise RunError(f"Too many tags: {len(tags)} (max {MAX_TAGS}). Remove some.")
        update = {**wanted, "tags": tags}
        if "review" in wanted and wanted["review"] != old.review:
            update["reviewer"] = by if wanted["review"] != "unreviewed" else ""
        return RunMeta.model_validate({**old.model_dump(), **update})

    def rows(old: RunMeta, new: RunMeta) -> list[dict[str, Any]]:
        time = datetime.now(UTC)
        changes = [
            Change(time=time, by=by, field=field, old=getattr(old, field), new=getattr(new, field))
            for field in (*_FIELDS, "tags")
            if getattr(old, field) != getattr(new, field)
        ]
        if comment:
            changes.append(Change(time=time, by=by, field="comment", new=comment))
        return [each.model_dump(mode="json") for each in changes]

    return write_meta(paths, change, rows)


def read_changes(paths: RunPaths) -> list[Change]:
    """The history, oldest first. Invalid lines are skipped.

    Raises:
        RunError: the file cannot be read.
    """
    changes = []
    for row in read_all(paths.changes):
        with suppress(ValidationError):
            changes.append(Change.model_validate(row))
    return changes


def clean_author(name: str) -> str:
    """A name to record with a change: one line, cut at 60 characters.

    Raises:
        RunError: it is empty.
    """
    name = one_line(name)[:PERSON_LENGTH]
    if not name:
        raise RunError("Enter your name first: every change is recorded with a name.")
    return name


def local_user() -> str:
    """The name of the user who is logged in to this machine, for the command line."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container may run under a number that has no name
        return "somebody"


def _clean(field: str, value: Any) -> Any:
    if field not in (*_FIELDS, "comment"):
        raise RunError(f"Unknown field {field!r}. Use one of {', '.join(_FIELDS)}.")
    if field == "review" and value not in REVIEW_STATES:
        raise RunError(f"Unknown review state {value!r}. Use one of {', '.join(REVIEW_STATES)}.")
    if field not in MAX_CHARACTERS:
        return value
    text = one_line(str(value)) if field == "name" else lines(str(value)).strip()
    if len(text) > MAX_CHARACTERS[field]:
        verb = "are" if field == "notes" else "is"
        raise RunError(f"The {field} {verb} too long: {len(text):,} characters (max {MAX_CHARACTERS[field]:,}).")
    return text


def _clean_tag(word: str) -> str:
    word = one_line(word)
    if not word or len(word) > TAG_LENGTH or "," in word:
        raise RunError(f"Invalid tag {word!r}: use 1–{TAG_LENGTH} characters, no commas.")
    return word


def _last_author(paths: RunPaths, field: str) -> str:
    return next((change.by for change in reversed(read_changes(paths)) if change.field == field), "")


def _quoted(value: Any) -> str:
    text = " ".join(str(value).split())
    return repr(text if len(text) <= 200 else f"{text[:200]}…")
