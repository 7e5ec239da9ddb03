"""People of a team, and runs, a dataset and a token of Kaggle for them to change."""

import os
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from core.config import TrainConfig
from core.jobs import control
from core.runs.create import create_run
from core.runs.group_changes import add_group, group_lock
from core.runs.groups import Group, GroupMember, GroupRecord
from core.runs.paths import RunPaths
from core.team.log import ActivityEntry, read_activity
from core.team.people import Actor, Role

ADA = Actor("Ada", Role.MEMBER, "page", "ada@example.org")
"""Who has started the run."""
BEN = Actor("Ben", Role.MEMBER, "page", "ben@example.org")
EVE = Actor("Eve", Role.ADMIN, "API", "eve@example.org")
ZOE = Actor("Zoe", Role.VIEWER, "page", "zoe@example.org")
ANYBODY = Actor("Kim", Role.ADMIN, "page")
"""Where there is no login."""

CONFIG = TrainConfig(dataset="demo", epochs=1)


@dataclass(frozen=True)
class Place:
    """Where something can be changed."""

    runs_root: Path
    data_root: Path
    home: Path
    run: RunPaths
    """Of Ada, queued."""

    def activity(self) -> list[ActivityEntry]:
        """What the logs of both folders say, newest first."""
        return list(read_activity([self.runs_root, self.data_root]))

    def content(self) -> dict[str, bytes]:
        """All files but the logs, and the locks, which stay behind empty."""
        return {
            str(path): path.read_bytes()
            for root in (self.runs_root, self.data_root, self.home)
            for path in sorted(root.rglob("*"))
            if path.is_file() and ".activity" not in path.parts and not path.name.endswith("lock")
        }


def run_of(actor: Actor, runs_root: Path, run_id: str = "of-ada") -> RunPaths:
    """A queued run that somebody has started."""
    return create_run(runs_root, CONFIG, run_id=run_id, author=actor.name, started_by=actor.identity)


def group_of_runs(place: Place, *ids: str) -> Group:
    """A group `some` of runs that are there."""
    members = tuple(GroupMember.of(run_id, {}) for run_id in ids)
    record = GroupRecord(created_at=datetime.now(UTC), members=members)
    with group_lock(place.runs_root):
        return add_group(place.runs_root, record, "some")


@pytest.fixture
def place(tmp_path: Path, demo_root: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """Folders that nobody else sees; runs stay queued."""
    monkeypatch.setattr(control, "ensure_runner", lambda runs_root, data_root: None)
    for name in [name for name in os.environ if name.startswith("KAGGLE_")] + ["XDG_CONFIG_HOME"]:
        monkeypatch.delenv(name, raising=False)
    runs_root, data_root, home = (tmp_path / name for name in ("runs", "data", "home"))
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    shutil.copytree(demo_root, data_root)
    return Place(runs_root, data_root, home, run_of(ADA, runs_root))
