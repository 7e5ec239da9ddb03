"""A cluster that does what it is told."""

from pathlib import Path

import pytest

from tests.fake_slurm import FakeSlurm, use_fake_slurm


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeSlurm:
    return use_fake_slurm(tmp_path, monkeypatch)
