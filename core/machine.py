"""What this machine offers: where runs and data live, its cores, the slots of its CPU, and which boot this is."""

import os
import re
from functools import cache
from pathlib import Path

from core.errors import ConfigError
from core.files import PROJECT_ROOT


def default_runs_root() -> Path:
    """Where runs are written: `FER_RUNS_ROOT`, else `runs/` of this checkout."""
    return Path(os.environ.get("FER_RUNS_ROOT") or PROJECT_ROOT / "runs").expanduser().resolve()


def default_data_root() -> Path:
    """Where imported datasets are cached: `FER_DATA_ROOT`, else `data/` of this checkout (ignored by git)."""
    return Path(os.environ.get("FER_DATA_ROOT") or PROJECT_ROOT / "data").expanduser().resolve()


def cpu_slots() -> int:
    """How many runs a machine without a GPU trains at once: `FER_CPU_SLOTS`, else one.

    Raises:
        ConfigError: it is not a number from 1 to 64.
    """
    text = os.environ.get("FER_CPU_SLOTS") or "1"
    if not re.fullmatch(r"[0-9]{1,2}", text) or not 1 <= int(text) <= 64:
        raise ConfigError(f"FER_CPU_SLOTS must be a number from 1 to 64 (got {text!r}).")
    return int(text)


def available_cores() -> int:
    """Cores this process may use, which in a container are fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def thread_share(*, beside_runs: bool = False) -> int:
    """Default number of CPU threads of one process: this machine's cores, split between the runs that may train on the
    CPU at once. Oversubscribed cores cost more than they bring.

    Args:
        beside_runs: for an evaluation or the server's predictions, which count as one more run.

    Raises:
        ConfigError: `FER_CPU_SLOTS` is invalid.
    """
    return max(1, available_cores() // (cpu_slots() + beside_runs))


@cache
def boot_id() -> str:
    """A name for the time since this machine last started: monotonic clocks compare only within it."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        import psutil

        return f"boot-{psutil.boot_time():.0f}"
