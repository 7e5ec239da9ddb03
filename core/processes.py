"""Starting the project's own modules as processes."""

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from typing import Any, Final

from core.files import PROJECT_ROOT

_LESS_PRIORITY: Final = 10
_LEAST_PRIORITY: Final = 19
"""Nice values, see setpriority(2): more is less."""


def start_module(
    module: str, *arguments: str, environment: Mapping[str, str] | None = None, **options: Any
) -> subprocess.Popen[bytes]:
    """`python -m MODULE ARGUMENTS`, in the project's folder, whatever folder this process is in.

    Args:
        module: such as `core.worker`.
        arguments: what follows it.
        environment: all of its environment; by default that of this process.
        options: of `subprocess.Popen`.

    Raises:
        OSError: the system has no room for another process.
    """
    environment = os.environ if environment is None else environment
    path = os.pathsep.join(filter(None, [str(PROJECT_ROOT), environment.get("PYTHONPATH", "")]))
    return subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        cwd=PROJECT_ROOT,
        env={**environment, "PYTHONPATH": path},
        **options,
    )


def lower_priority(process: "subprocess.Popen[bytes]") -> None:
    """Let others have the cores first. Set at its start, it applies to all threads that it starts; where the system
    refuses or has no priorities, nothing changes."""
    if hasattr(os, "setpriority"):
        with contextlib.suppress(OSError):
            own = os.getpriority(os.PRIO_PROCESS, 0)
            os.setpriority(os.PRIO_PROCESS, process.pid, min(_LEAST_PRIORITY, own + _LESS_PRIORITY))


def reap(process: "subprocess.Popen[bytes]") -> None:
    """Wait for a process in the background: it must not stay behind as a zombie for as long as this one lives."""
    threading.Thread(target=process.wait, name=f"wait-for-{process.pid}", daemon=True).start()
