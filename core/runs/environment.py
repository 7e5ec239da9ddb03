"""`environment.json`: what a run was made with, so that it can be made again."""

import hashlib
import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib import metadata
from typing import Any, Final

from pydantic import BaseModel, ConfigDict

from core.files import PROJECT_ROOT, read_regular
from core.machine import host_name
from core.runs.paths import RunPaths
from core.runs.teachers import TeachingRun

LONGEST_PATCH: Final = 1_000_000
"""Characters."""
MOST_NEW: Final = 200
"""New files in a patch."""


class _Record(BaseModel):
    """Part of `environment.json`. Strict; what newer versions add is ignored."""

    model_config = ConfigDict(strict=True, extra="ignore", allow_inf_nan=False, frozen=True)


class GitState(_Record):
    """The commit of the code, and whether it had been changed since."""

    commit: str | None = None
    dirty: bool | None = None
    diff: str | None = None
    """What had been changed, in older folders."""


class DataRecord(_Record):
    """The dataset."""

    name: str | None = None
    fingerprint: str | None = None
    ordered_fingerprint: str | None = None
    kind: str | None = None


class Environment(_Record):
    """`environment.json`; None for what was not recorded."""

    time: str | None = None
    python: str | None = None
    platform: str | None = None
    host: str | None = None
    cpu_count: int | None = None
    git: GitState | None = None
    code: dict[str, str] | None = None
    packages: dict[str, str] | None = None
    command: str | None = None
    device: str | None = None
    threads: int | None = None
    precision: str | None = None
    dataset: DataRecord | None = None
    initial_weights: list[TeachingRun] | None = None
    teachers: list[TeachingRun] | None = None
    soft_labels: list[TeachingRun] | None = None
    resumes: list[dict[str, Any]] = []
    """Of each resume, what had changed since the start."""


def read_environment(paths: RunPaths) -> Environment:
    """What the run was made with.

    Raises:
        OSError: it is not recorded, or cannot be read.
        ValueError: an entry has no value that it may have.
    """
    return Environment.model_validate_json(read_regular(paths.environment))


def describe_environment(**more: Any) -> dict[str, Any]:
    """Python, operating system, packages, code version and time; `more` adds command, device and data."""
    return {
        "time": datetime.now(UTC).isoformat(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "host": host_name(),
        "cpu_count": os.cpu_count(),
        "git": git_state(),
        "code": code_files(),
        "packages": {dist.metadata["Name"]: dist.version for dist in metadata.distributions() if dist.metadata["Name"]},
        **more,
    }


def code_files() -> dict[str, str]:
    """Each file of the engine with the beginning of its SHA-256: says which code it was, with or without git."""
    files = sorted((PROJECT_ROOT / "core").rglob("*.py"))
    return {
        path.relative_to(PROJECT_ROOT).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()[:12] for path in files
    }


def git_state() -> dict[str, Any] | None:
    """Commit of this checkout, and whether anything was changed since; None where it is none."""
    commit = _git("rev-parse", "HEAD")
    if commit is None:
        return None
    return {"commit": commit.strip(), "dirty": bool((_git("status", "--porcelain") or "").strip())}


def uncommitted_changes() -> str:
    """What was changed in this checkout since its commit, as a patch: the Python files that git tracks, and new ones of
    the engine. Other tracked files may be filled in with secrets, such as the settings of a server.

    Empty where nothing was, or without git. Cut at `LONGEST_PATCH`, with a last line that says so.
    """
    patch = _git("diff", "HEAD", "--", "*.py") or ""
    for name in (_git("ls-files", "--others", "--exclude-standard", "--", "core/*.py") or "").splitlines()[:MOST_NEW]:
        patch += _git("diff", "--no-index", "--", os.devnull, name, differs=1) or ""
        if len(patch) > LONGEST_PATCH:
            break
    return patch if len(patch) <= LONGEST_PATCH else f"{patch[:LONGEST_PATCH]}\n# cut at {LONGEST_PATCH:,} characters\n"


def read_uncommitted_changes(paths: RunPaths) -> str:
    """The patch a run was recorded with; empty if there is none. Older folders keep it inside `environment.json`."""
    try:
        return read_regular(paths.uncommitted()).decode(errors="replace")
    except OSError:
        pass
    try:
        git = read_environment(paths).git
    except (OSError, ValueError):
        return ""
    return git.diff or "" if git else ""


def _git(*arguments: str, differs: int = 0) -> str | None:
    try:
        result = subprocess.run(
            ["git", *arguments], cwd=PROJECT_ROOT, capture_output=True, encoding="utf-8", errors="replace", timeout=10
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return result.stdout if result.returncode in (0, differs) else None
