"""What the tests that kill real processes share."""

import os
import random
import secrets
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.dashboard.conftest import open_page as open_page


@pytest.fixture
def chance() -> random.Random:
    """Randomness whose seed is printed, so that a failure can be had again: `FER_FAULT_SEED` sets it."""
    seed = int(os.environ.get("FER_FAULT_SEED") or secrets.randbelow(10**6))
    print(f"FER_FAULT_SEED={seed}")
    return random.Random(seed)


@pytest.fixture(autouse=True)
def no_process_is_left(tmp_path: Path) -> Iterator[None]:
    """Kill whatever a test started that names its folder."""
    yield
    for process in processes_of(tmp_path):
        process.kill()


def processes_of(folder: Path, module: str | None = None) -> list[psutil.Process]:
    """Living processes whose command line names this folder; only those of `python -m MODULE`, if one is given."""
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        command = process.info["cmdline"] or []
        named = any(str(folder) in part for part in command) and (not module or command[1:3] == ["-m", module])
        if named and process.pid != os.getpid() and process.info["status"] != psutil.STATUS_ZOMBIE:
            found.append(process)
    return found
