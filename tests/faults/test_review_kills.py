"""Two reviewers save reviews at once and are killed at random moments: no call that returned is lost, none is there by
half."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

from core.config import TrainConfig
from core.review.images import add_label_reviews, current_label_reviews, read_label_reviews
from core.runs.create import create_run
from core.runs.paths import RunPaths
from tests.conftest import PROJECT_ROOT
from tests.faults.reviewer import IMAGES, images_of

KILLS = 40


class Reviewer:
    """A process that saves reviews, and what it has promised."""

    def __init__(self, paths: RunPaths, name: str) -> None:
        command = [sys.executable, "-m", "tests.faults.reviewer", str(paths.folder), name]
        self.process = subprocess.Popen(
            command, cwd=PROJECT_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        self.name, self.promised, self.next_call = name, set[int](), 0

    def set_to_work(self) -> None:
        assert self.process.stdin is not None and self.process.stdout is not None
        print(self.next_call, file=self.process.stdin, flush=True)
        self.promised.add(int(self.process.stdout.readline()))  # at work when the first call has returned

    def kill(self) -> None:
        assert self.process.stdout is not None
        [child] = psutil.Process(self.process.pid).children()
        os.kill(child.pid, signal.SIGKILL)
        while (line := self.process.stdout.readline()) != "gone\n":
            self.promised.add(int(line))
        self.next_call = max(self.promised) + 2  # the one in between may be there or not


def test_no_promised_review_is_lost_and_none_is_there_by_half(runs_root: Path, chance: random.Random) -> None:
    paths = create_run(runs_root, TrainConfig())
    reviewers = [Reviewer(paths, name) for name in ("Ada", "Ben")]
    in_flight = torn = 0
    try:
        for reviewer in reviewers:
            reviewer.set_to_work()
        for _ in range(KILLS):
            victim = chance.choice(reviewers)
            time.sleep(chance.uniform(0, 0.01))
            victim.kill()
            with paths.reviews.open("rb") as file:
                file.seek(-1, os.SEEK_END)
                torn += file.read() != b"\n"
            victim.set_to_work()
    finally:
        for reviewer in reviewers:
            for child in psutil.Process(reviewer.process.pid).children():
                child.kill()
            reviewer.process.kill()
            reviewer.process.wait()
            if reviewer.process.stdout is not None:
                reviewer.promised |= {int(line) for line in reviewer.process.stdout.read().split() if line != "gone"}

    current = current_label_reviews(read_label_reviews(paths), "train")
    for reviewer in reviewers:
        calls = [image.partition("-")[0] for image, authors in current.items() if reviewer.name in authors]
        there = {int(call.partition("/")[2]): calls.count(call) for call in set(calls)}
        assert set(there.values()) == {IMAGES}, "a call is there as a whole"
        assert reviewer.promised <= set(there), "what a call promised is there"
        in_flight += len(set(there) - reviewer.promised)
    promised = sum(len(reviewer.promised) for reviewer in reviewers)
    print(f"{promised} calls returned; {in_flight} of {KILLS} killed ones were whole, {torn} left a torn line")
    add_label_reviews(paths, "Cleo", "train", images_of(0), "not a face")
    assert (
        sum("Cleo" in authors for authors in current_label_reviews(read_label_reviews(paths), "train").values())
        == IMAGES
    )


def test_a_review_on_a_full_disk_is_refused_and_leaves_no_half(runs_root: Path) -> None:
    """The limit on the size of files stands in for the disk: the system takes a part of the line, and then no more."""
    paths = create_run(runs_root, TrainConfig())
    add_label_reviews(paths, "Ada", "train", ["fear/1"], "ambiguous")
    limit = paths.reviews.stat().st_size + 100
    code = (
        "import resource, signal, sys; from pathlib import Path; from core.errors import RunError\n"
        "from core.runs.paths import RunPaths; from core.review.images import add_label_reviews\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))\n"
        f"paths = RunPaths(Path({str(runs_root)!r}), {paths.run_id!r})\n"
        "try: add_label_reviews(paths, 'Ben', 'train', ['fear/2', 'fear/3'], 'ambiguous', comment='x' * 500)\n"
        "except RunError as error: print(error)\n"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=PROJECT_ROOT, capture_output=True, text=True, check=True)
    assert "Can't save the review" in result.stdout and "File too large" in result.stdout
    assert paths.reviews.stat().st_size == limit - 100, "the part that was written is taken back"
    assert [each.by for each in read_label_reviews(paths)] == ["Ada"]
    add_label_reviews(paths, "Ben", "train", ["fear/2"], "ambiguous")
    assert [each.by for each in read_label_reviews(paths)] == ["Ada", "Ben"]
