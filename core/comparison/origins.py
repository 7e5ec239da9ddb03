"""What two runs were made with: settings, data, code, packages and machine, as recorded, and where they differ."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from pydantic import BaseModel, ConfigDict

from core.config import as_typed
from core.data.identity import REARRANGED, DataIdentity, same_images
from core.runs.environment import read_environment, read_uncommitted_changes
from core.runs.records import Run
from core.runs.roles import ROLES
from core.runs.values import OneLine

NAMED: Final = 6
"""So many differences of a kind are named; the others are counted."""


class Check(BaseModel):
    """One thing that should be the same."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    what: OneLine
    """`settings`, `data`, `teachers`, `soft labels`, `code`, `packages`, `Python`, `system`, `machine`, `device`,
    `threads` or `precision`."""
    same: bool | None
    """None: missing in one of the runs."""
    words: OneLine
    """What differs, or that nothing does."""


def compare_origins(original: Run, again: Run) -> list[Check]:
    """Whether settings, data, code, packages and machine of the two match, as recorded."""
    old, new = recorded_environment(original), recorded_environment(again)
    checks = [
        _settings(original, again),
        _same_data(recorded_data(original, old), recorded_data(again, new)),
        *(_sources(name, old, new) for name in ROLES if old.get(name) or new.get(name)),
        _code(original, again, old, new),
        _packages(old, new),
        _plain("Python", old.get("python"), new.get("python")),
        _plain("system", old.get("platform"), new.get("platform")),
        _plain("machine", old.get("host"), new.get("host")),
        *(_plain(what, old.get(what), new.get(what)) for what in ("device", "threads", "precision")),
    ]
    return [_resumed(check, old, new) for check in checks]


def _plain(what: str, old: Any, new: Any) -> Check:
    if old is None or new is None:
        return Check(what=what, same=None, words="not recorded")
    return Check(what=what, same=old == new, words=str(old) if old == new else f"{old} → {new}")


def _same_data(old: DataIdentity, new: DataIdentity) -> Check:
    if old.content == new.content and not same_images([old, new]):
        return Check(what="data", same=False, words=f"{old.content[:12]}, {REARRANGED}")
    return _plain("data", old.content[:12] or None, new.content[:12] or None)


def _sources(name: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Check:
    """The runs that both learned from, with what each contributed."""
    before, after = (
        ", ".join(f"{source['run']} ({source['sha256'][:12]})" for source in each.get(name) or ()) or None
        for each in (old, new)
    )
    return _plain(name.replace("_", " "), before, after)


def _settings(original: Run, again: Run) -> Check:
    old, new = (run.config.model_dump() if run.config else {} for run in (original, again))
    changed = [
        f"{field} {as_typed(old.get(field))} → {as_typed(new.get(field))}"
        for field in {**old, **new}
        if old.get(field) != new.get(field)
    ]
    return Check(what="settings", same=not changed, words=_named(changed) or f"all {len(new)}")


def _packages(old: Mapping[str, Any], new: Mapping[str, Any]) -> Check:
    before, after = old.get("packages"), new.get("packages")
    if not before or not after:
        return Check(what="packages", same=None, words="not recorded")
    changed = [
        f"{name} {before.get(name, 'missing')} → {after.get(name, 'missing')}"
        for name in sorted({*before, *after}, key=str.lower)
        if before.get(name) != after.get(name)
    ]
    return Check(what="packages", same=not changed, words=_named(changed) or f"all {len(after)}")


def _code(original: Run, again: Run, old: Mapping[str, Any], new: Mapping[str, Any]) -> Check:
    commits = [((each.get("git") or {}).get("commit") or "")[:9] for each in (old, new)]
    before, after = old.get("code"), new.get("code")
    if before and after:
        changed = [name for name in sorted({*before, *after}) if before.get(name) != after.get(name)]
        words = _named(changed) or f"all {len(after)} files of the engine"
    elif all(commits):
        patches = [read_uncommitted_changes(run.paths) for run in (original, again)]
        changed = ["uncommitted changes"] if patches[0] != patches[1] else []
        changed += ["the commit"] if commits[0] != commits[1] else []
        words = _named(changed) or "the same commit and uncommitted changes"
    else:
        return Check(what="code", same=None, words="not recorded")
    between = f" (commit {commits[0]} → {commits[1]})" if all(commits) and commits[0] != commits[1] else ""
    return Check(what="code", same=not changed, words=words + between)


def _resumed(check: Check, old: Mapping[str, Any], new: Mapping[str, Any]) -> Check:
    """A run that was resumed elsewhere, or with something else, was not trained with one thing alone."""
    keys = {"data": "dataset", "system": "platform", "machine": "host", "Python": "python"}
    key = keys.get(check.what, check.what.replace(" ", "_"))
    who = [
        name
        for name, environment in (("the original", old), ("the reproduction", new))
        if any(key in resume for resume in environment.get("resumes", []))
    ]
    if not who:
        return check
    return check.model_copy(
        update={"same": False, "words": f"{check.words}; changed in a resume of {' and '.join(who)}"}
    )


def _named(changed: Sequence[str]) -> str:
    more = f" and {len(changed) - NAMED} more" if len(changed) > NAMED else ""
    return ", ".join(changed[:NAMED]) + more


def recorded_environment(run: Run) -> dict[str, Any]:
    """The entries of its `environment.json`; none where it cannot be used."""
    try:
        return read_environment(run.paths).model_dump(exclude_unset=True)
    except (OSError, ValueError):
        return {}


def recorded_data(run: Run, environment: Mapping[str, Any]) -> DataIdentity:
    """Which data a run was trained on, or was about to be when it ended before its first epoch."""
    recorded = environment.get("dataset") or {}
    names = ("fingerprint", "ordered_fingerprint")
    return DataIdentity(*(str(getattr(run.summary, f"dataset_{name}") or recorded.get(name) or "") for name in names))
