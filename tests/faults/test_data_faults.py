"""Imports killed at random moments, and a disk that fills up while FER2013 is downloaded."""

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.data.dataset import list_datasets, load_split, read_info
from core.data.importers.fer2013 import import_dataset
from core.data.kaggle import credentials, download
from core.data.kaggle.credentials import parse_credentials
from core.splits import SPLITS
from tests.conftest import PROJECT_ROOT, wait_for
from tests.core.data.importers.conftest import make_zip, picture, small_files
from tests.faults.test_still_and_full import fill
from tests.kaggle_stand_in import TOKEN, StandIn, serve

KILLS = 5
MEGABYTES = 170

SCRIPT = (
    "import sys; from pathlib import Path; from core.data.importers.fer2013 import import_dataset\n"
    "print('ready', flush=True)\n"
    "import_dataset(Path(sys.argv[1]), Path(sys.argv[2]), accept_differences=True)"
)


def test_imports_killed_at_random_moments_leave_nothing_or_the_whole_set(tmp_path: Path, chance: random.Random) -> None:
    files = small_files() | {f"train/fear/Training_9{number}.jpg": picture(number % 256) for number in range(600)}
    path, data_root = make_zip(tmp_path / "a.zip", files), tmp_path / "data"
    whole = import_dataset(path, tmp_path / "once", accept_differences=True)

    def start() -> "subprocess.Popen[str]":
        command = [sys.executable, "-c", SCRIPT, str(path), str(data_root)]
        process = subprocess.Popen(command, cwd=PROJECT_ROOT, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        return process

    began = time.monotonic()
    assert start().wait(120) == 0
    seconds = time.monotonic() - began
    for number in range(KILLS):
        if number % 3 == 0:
            for info in list_datasets(data_root):
                subprocess.run(["rm", "-rf", str(data_root / info.name)], check=True)
        there = bool(list_datasets(data_root))
        process = start()
        time.sleep(chance.uniform(0, 1.1 * seconds))
        process.kill()
        process.wait()
        found = list_datasets(data_root)
        assert len(found) == 1 if there else len(found) <= 1, "what was there stays until the new one is"
        for info in found:
            assert (info.fingerprint, info.counts) == (whole.fingerprint, whole.counts)
            assert [len(load_split(data_root, info.name, split)) for split in SPLITS] == [614, 7, 7]
        left = {entry.name for entry in data_root.iterdir()}
        assert left <= {".import.lock", "fer2013"}, "swept at the next look"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system that holds FER2013 and little else."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={MEGABYTES}m", "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a small file system here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_disk_that_fills_up_ends_the_download_and_the_next_try_works(
    disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("KAGGLE_")] + ["XDG_CONFIG_HOME"]:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    files = small_files() | {"README": os.urandom(4_000_000)}
    content = make_zip(tmp_path / "a.zip", files).read_bytes()
    credentials.keep(parse_credentials(TOKEN))
    with serve(StandIn(content, bytes_per_second=500_000)) as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        download.start_download(disk, accept_differences=True)
        zip_file = disk / ".download" / "fer2013.zip"
        wait_for(lambda: zip_file.exists() and zip_file.stat().st_size > 0, 60, "the first megabyte")
        fill(disk / "filler")
        wait_for(lambda: not running(disk), 60, "the end")
        ended = download.look(disk)
        assert ended is not None and ended.state == "failed"
        assert ended.error.startswith(f"The disk of {disk} is full. Free some space"), ended.error
        assert ended.error.endswith("start again to resume.")
        (disk / "filler").unlink()
        server.bytes_per_second = 0
        download.start_download(disk, accept_differences=True)
        wait_for(lambda: not running(disk), 60, "the end")
    assert read_info(disk, "fer2013").total == 28


def running(data_root: Path) -> bool:
    found = download.look(data_root)
    return found is not None and found.running
