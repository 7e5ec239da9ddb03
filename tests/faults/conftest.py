"""What the tests that kill real processes share."""

import contextlib
import os
import random
import secrets
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from core.bench.sandbox import processes_of as processes_of
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
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
