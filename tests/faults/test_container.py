"""As in a container: no home folder, a user number without a name, the C locale, a checkout that is only read, and
small temporary folders. Commands and pages are right, or say in one sentence what is wrong."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from tests.conftest import PROJECT_ROOT, kill_processes_of

USER = 54_321
"""A number that has no name."""

WORK = "/mnt"
"""Where such a process finds its own folder: its `/tmp` is another."""

TINY = "dataset=demo epochs=1 batch_size=16 images_per_epoch=48 model=cnn-model-1".split()

PAGES = """
import sys
from streamlit.testing.v1 import AppTest
app = AppTest.from_file("dashboard/Home.py", default_timeout=60).run()
for page in sys.argv[1:]:
    app.switch_page(f"views/{page}/page.py").run()
    wrong = [*(each.message for each in app.exception), *(each.value for each in app.error)]
    print(page, wrong)
"""


class Container:
    """Runs commands as that user, in a mount namespace of its own."""

    def __init__(self, folder: Path, temporary: str) -> None:
        self.folder = folder
        small = f"mount -t tmpfs -o mode=1777,size={temporary} tmpfs"
        self._start = " && ".join(
            [
                f"mount --bind {PROJECT_ROOT} {PROJECT_ROOT}",
                f"mount -o remount,bind,ro {PROJECT_ROOT}",
                f"mount --bind {folder} {WORK}",
                *(f"{small} {place}" for place in ("/tmp", "/var/tmp")),
                f"cd {PROJECT_ROOT}",
                # The right to read everything, since the Python of this machine may be in a home folder.
                f"exec setpriv --reuid {USER} --regid {USER} --clear-groups --inh-caps +dac_read_search "
                '--ambient-caps +dac_read_search "$@"',
            ]
        )

    def __call__(self, *words: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        """`python WORDS` with nothing but this in its environment."""
        known = {
            "PATH": "/usr/bin:/bin",
            "LANG": "C",
            "OMP_NUM_THREADS": "1",
            "FER_RUNS_ROOT": f"{WORK}/runs",
            "FER_DATA_ROOT": f"{WORK}/data",
            "FER_MACHINE_LOCKS": WORK,
        }
        result = subprocess.run(
            ["unshare", "--mount", "sh", "-c", self._start, "sh", sys.executable, *words],
            env=known | environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=240,
        )
        if result.stderr.startswith(("unshare: ", "mount: ", "setpriv: ")):
            pytest.skip(f"not possible on this machine: {result.stderr.strip()}")
        assert "Traceback" not in result.stdout + result.stderr, result.stdout + result.stderr
        return result

    def fer(self, *words: str, code: int = 0, **environment: str) -> str:
        """`python -m core WORDS`; what it printed."""
        result = self("-m", "core", *words, **environment)
        assert result.returncode == code, result.stdout + result.stderr
        return result.stdout + result.stderr


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder of that user; not one of pytest's, which only their owner may enter."""
    if sys.platform != "linux" or os.geteuid() != 0 or not all(map(shutil.which, ("unshare", "setpriv"))):
        pytest.skip("only root on Linux may make such a place, with unshare and setpriv")
    path = Path(tempfile.mkdtemp(prefix="fer-container-"))
    os.chown(path, USER, USER)
    yield path
    kill_processes_of(Path(WORK, "runs"))
    shutil.rmtree(path, ignore_errors=True)


@pytest.mark.parametrize("locale", [{}, {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}], ids=["utf-8", "ascii"])
def test_a_bare_container_trains_and_predicts(folder: Path, demo_root: Path, locale: dict[str, str]) -> None:
    container = Container(folder, "1m")
    shutil.copytree(demo_root, folder / "data")
    (folder / "data").chmod(0o755)
    settings = [part for each in TINY for part in ("--set", each)]
    said = container.fer("train", *settings, "--name", "größer ☺", "--wait", **locale)
    assert said.rstrip().endswith("finished"), said
    [run] = json.loads(container.fer("runs", "list", "--json", **locale))
    assert (run["state"], run["name"]) == ("finished", "größer ☺")
    Image.new("L", (48, 48), 99).save(folder / "bild ä.png")
    assert container.fer("predict", f"{WORK}/bild ä.png", **locale).count("\n") >= 1


@pytest.mark.parametrize(
    ("words", "environment", "part"),
    [
        (["data", "demo"], {"FER_DATA_ROOT": ""}, "Set FER_DATA_ROOT to a folder that can be written."),
        (["runs", "list"], {"FER_RUNS_ROOT": "~/runs"}, "There is no home folder for '~/runs'"),
        (["labels", "review", "reference-cnn-model-2", "--split", "test", "--image", "x"], {"FER_RUNS_ROOT": ""}, ""),
    ],
)
def test_what_a_bare_container_cannot_do_is_one_sentence(
    folder: Path, words: list[str], environment: dict[str, str], part: str
) -> None:
    said = Container(folder, "1m").fer(*words, code=2, **environment)
    assert part in said and len(said.strip().splitlines()) <= 3, said


def test_a_bare_container_without_room_for_temporary_files_shows_all_pages(folder: Path) -> None:
    container = Container(folder, "4k")
    assert "demo" in container.fer("data", "demo")
    shutil.copytree(PROJECT_ROOT / "runs" / "reference-cnn-model-2", folder / "runs" / "reference-cnn-model-2")
    pages = ["data", "train", "runs", "run", "compare", "errors", "predict", "overview"]
    shown = container("-c", PAGES, *pages, HOME=WORK)  # Streamlit itself does not start without one
    assert shown.stdout.splitlines() == [f"{page} []" for page in pages], shown.stdout + shown.stderr
