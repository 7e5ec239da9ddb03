"""`environment.json`: what a run was made with, so that it can be made again."""

import os
import platform
import socket
import subprocess
from datetime import UTC, datetime
from importlib import metadata
from typing import Any

from core.config import PROJECT_ROOT


def describe_environment(**more: Any) -> dict[str, Any]:
    """Python, operating system, packages, code version and time; `more` adds command, device and data."""
    return {
        "time": datetime.now(UTC).isoformat(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "host": socket.gethostname(),
        "cpu_count": os.cpu_count(),
        "git": git_state(),
        "packages": {dist.metadata["Name"]: dist.version for dist in metadata.distributions() if dist.metadata["Name"]},
        **more,
    }


def git_state() -> dict[str, Any] | None:
    """Commit and uncommitted changes of this checkout; None where it is none.

    The changes are kept as a patch, cut at 200 kB; a number can only be repeated if its code is known.
    """
    commit = _git("rev-parse", "HEAD")
    if commit is None:
        return None
    changes = _git("diff", "HEAD", "--", "core") or ""
    dirty = bool((_git("status", "--porcelain") or "").strip())
    return {"commit": commit.strip(), "dirty": dirty, "diff": changes[:200_000]}


def _git(*arguments: str) -> str | None:
    try:
        result = subprocess.run(
            ["git", *arguments], cwd=PROJECT_ROOT, capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return result.stdout
