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
from typing import Any

import pytest
from PIL import Image

from core.labels import LABELS
from tests.conftest import PROJECT_ROOT, kill_processes_of

USER = 54_321
"""A number that has no name."""

SETTINGS = "dataset=demo epochs=1 batch_size=16 images_per_epoch=48 model=cnn-model-1".split()
TINY = [part for setting in SETTINGS for part in ("--set", setting)]

REFERENCE = "reference-cnn-model-2"

PAGES = """
import sys
from streamlit.testing.v1 import AppTest
app = AppTest.from_file("dashboard/Home.py", default_timeout=60).run()
for page in sys.argv[1:]:
    app.switch_page(f"views/{page}/page.py").run()
    wrong = [*(each.message for each in app.exception), *(each.value for each in app.error)]
    print(page, wrong)
"""


def closed_above(place: Path) -> Path | None:
    """The outermost folder above a place that only its owner may enter, such as a home folder."""
    return next((above for above in reversed(place.parents) if not above.stat().st_mode & 0o001), None)


class Container:
    """Runs commands as that user, in a mount namespace of its own, in which `/tmp` is another.

    The folder keeps its name, which is like no other: what a test kills at its end is found by it, and must not be what
    another test has just started.
    """

    def __init__(self, folder: Path, temporary: str = "4k", group: Path | None = None) -> None:
        self.folder = folder
        small = f"mount -t tmpfs -o mode=1777,size={temporary} tmpfs"
        needed = [PROJECT_ROOT, Path(sys.prefix), Path(sys.base_prefix), folder]
        replaced = sorted({"/tmp", "/var/tmp"} | {str(closed) for place in needed if (closed := closed_above(place))})
        self._start = " && ".join(
            [
                f"echo $$ > {group}/cgroup.procs" if group else "true",
                "mount --rbind / /mnt",
                *(f"{small} {place}" for place in replaced),
                *(
                    f"mkdir -p {place} && mount --bind /mnt{place} {place}"
                    for place in needed
                    if any(place.is_relative_to(above) for above in replaced) or place == PROJECT_ROOT
                ),
                f"mount -o remount,bind,ro {PROJECT_ROOT}",
                "umount --lazy /mnt",
                f"cd {PROJECT_ROOT}",
                # The right to read everything: who made a file may have kept it to themselves.
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
            "FER_RUNS_ROOT": f"{self.folder}/runs",
            "FER_DATA_ROOT": f"{self.folder}/data",
            "FER_MACHINE_LOCKS": str(self.folder),
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
    kill_processes_of(path)
    shutil.rmtree(path, ignore_errors=True)


def give_data(folder: Path, demo_root: Path) -> None:
    shutil.copytree(demo_root, folder / "data")
    (folder / "data").chmod(0o755)


def train(container: Container, demo_root: Path, **environment: str) -> dict[str, Any]:
    """Train a tiny run in it to the end; what `runs list` says of it."""
    give_data(container.folder, demo_root)
    said = container.fer("train", *TINY, "--name", "größer ☺", "--wait", **environment)
    assert said.rstrip().endswith("finished"), said
    [run] = json.loads(container.fer("runs", "list", "--json", **environment))
    return dict(run)


def test_a_bare_container_lists_runs_and_predicts(folder: Path) -> None:
    container = Container(folder)
    shutil.copytree(PROJECT_ROOT / "runs" / REFERENCE, folder / "runs" / REFERENCE)
    Image.new("L", (48, 48), 99).save(folder / "bild ä.png")
    assert REFERENCE in container.fer("runs", "list")
    answer = json.loads(container("-m", "core", "predict", f"{folder}/bild ä.png", "--no-faces", "--json").stdout)
    assert answer["file"] == f"{folder}/bild ä.png" and answer["faces"][0]["label"] in LABELS


@pytest.mark.slow
@pytest.mark.parametrize("locale", [{}, {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}], ids=["utf-8", "ascii"])
def test_a_bare_container_trains_and_predicts(folder: Path, demo_root: Path, locale: dict[str, str]) -> None:
    container = Container(folder)
    run = train(container, demo_root, **locale)
    assert (run["state"], run["name"]) == ("finished", "größer ☺")
    Image.new("L", (48, 48), 99).save(folder / "bild ä.png")
    assert "bild" in container.fer("predict", f"{folder}/bild ä.png", "--run", run["id"], **locale)


@pytest.mark.slow
def test_a_container_with_one_cpu_trains_in_one_thread(one_cpu: Path, folder: Path, demo_root: Path) -> None:
    run = train(Container(folder, group=one_cpu), demo_root)
    environment = json.loads((folder / "runs" / run["id"] / "environment.json").read_text())
    assert environment["threads"] == 1


@pytest.mark.parametrize(
    ("words", "environment", "part"),
    [
        (["data", "demo"], {"FER_DATA_ROOT": ""}, "Set FER_DATA_ROOT to a folder that can be written."),
        (["train", *TINY], {"FER_RUNS_ROOT": ""}, "Set FER_RUNS_ROOT to a folder that can be written."),
        (["runs", "list"], {"FER_RUNS_ROOT": "~/runs"}, "There is no home folder for '~/runs'"),
        (["labels", "review", REFERENCE, "--split", "test", "--image", "x"], {"FER_RUNS_ROOT": ""}, ""),
    ],
)
def test_what_a_bare_container_cannot_do_is_one_sentence(
    folder: Path, demo_root: Path, words: list[str], environment: dict[str, str], part: str
) -> None:
    give_data(folder, demo_root)
    said = Container(folder).fer(*words, code=2, **environment)
    assert part in said and len(said.strip().splitlines()) <= 3, said


@pytest.mark.slow
def test_a_bare_container_without_room_for_temporary_files_shows_all_pages(folder: Path) -> None:
    container = Container(folder)
    assert "demo" in container.fer("data", "demo")
    shutil.copytree(PROJECT_ROOT / "runs" / REFERENCE, folder / "runs" / REFERENCE)
    pages = ["data", "train", "runs", "run", "group", "compare", "errors", "predict", "overview"]
    shown = container("-c", PAGES, *pages, HOME=str(folder))  # Streamlit itself does not start without one
    assert shown.stdout.splitlines() == [f"{page} []" for page in pages], shown.stdout + shown.stderr
