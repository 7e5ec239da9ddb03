"""Runs on the demo set whose images somebody has judged."""

from pathlib import Path

import pytest

from core.bench import synthetic_records
from core.config import TrainConfig
from core.data.dataset import load_split, read_identity
from core.files import write_json
from core.review.images import add_label_reviews
from core.runs.create import create_run
from core.runs.reader import read_run
from core.runs.records import Run


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "runs"


def trained(root: Path, demo_root: Path, run_id: str = "parent") -> Run:
    """A run that says which data it was trained on."""
    paths = create_run(root, TrainConfig(dataset="demo"), run_id=run_id)
    data = read_identity(demo_root, "demo")
    summary = synthetic_records.summary(fingerprint=data.content, ordered_fingerprint=data.ordered)
    write_json(paths.summary, summary)
    return read_run(root, run_id)


def ids(demo_root: Path, label: str, split: str = "train") -> list[str]:
    return [str(each) for each in load_split(demo_root, "demo", split).ids if each.startswith(f"{label}/")]


def judged(root: Path, demo_root: Path) -> Run:
    """Eight verdicts that lead to five corrections."""
    run, fear = trained(root, demo_root), ids(demo_root, "fear")
    add_label_reviews(
        run.paths, "Ada", "train", fear[:2], "label is wrong", label="surprise", present=dict.fromkeys(fear, "fear")
    )
    add_label_reviews(run.paths, "Ada", "train", fear[2:3], "not a face")
    add_label_reviews(run.paths, "Ada", "train", fear[3:4], "hard but right")
    add_label_reviews(
        run.paths, "Ben", "train", fear[:1], "label is wrong", label="surprise", present=dict.fromkeys(fear, "fear")
    )
    sad = ids(demo_root, "sad", "validation")
    add_label_reviews(run.paths, "Ada", "validation", sad[:1], "ambiguous")
    relabelled = dict.fromkeys(sad, "sad")
    add_label_reviews(run.paths, "Ada", "validation", sad[1:2], "label is wrong", label="fear", present=relabelled)
    add_label_reviews(run.paths, "Ada", "test", ids(demo_root, "sad", "test")[:1], "not a face")
    return run
