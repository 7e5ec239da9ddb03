"""Fifty kills while a checkpoint is written."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import torch

from core.config import TrainConfig
from core.runs.create import create_run, sweep_run
from core.training.checkpoint import load_checkpoint
from tests.conftest import PROJECT_ROOT
from tests.faults.checkpoint_writer import parts

KILLS = 50


def inode(path: Path) -> int:
    return path.stat().st_ino if path.exists() else -1


def test_the_last_checkpoint_always_loads(runs_root: Path, chance: random.Random) -> None:
    paths = create_run(runs_root, TrainConfig())
    command = [sys.executable, "-m", "tests.faults.checkpoint_writer", str(paths.checkpoint)]
    read = parts()
    step, leftovers, last = 0, 0, -1
    with subprocess.Popen(
        command, cwd=PROJECT_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as forker:
        assert forker.stdin is not None and forker.stdout is not None
        for _ in range(KILLS):
            print("go", file=forker.stdin, flush=True)
            child = int(forker.stdout.readline())
            deadline = time.monotonic() + 60
            while inode(paths.checkpoint) == last:  # the child is at work when it has written one
                assert time.monotonic() < deadline
            time.sleep(chance.uniform(0, 0.03))
            os.kill(child, signal.SIGKILL)
            assert forker.stdout.readline() == "gone\n"
            progress, _ = load_checkpoint(paths.checkpoint, read, torch.device("cpu"))
            assert progress.step >= step, "it never goes back"
            assert all((weight == progress.step).all() for weight in read.model.parameters()), "and is of one moment"
            step, last = progress.step, inode(paths.checkpoint)
            if list(paths.folder.glob(".tmp-*")):
                leftovers += 1
                sweep_run(paths)  # as the next worker does
                assert list(paths.folder.glob(".tmp-*")) == []
        forker.stdin.close()
    print(f"{step} checkpoints written; {leftovers} of {KILLS} kills left a half-written one")
    assert leftovers > 0, "no kill met a write: the test proves nothing"
