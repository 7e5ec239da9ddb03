"""`train --sweep`: what is said before anything starts, and what is refused."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from core.__main__ import app
from core.runs.groups import list_groups
from core.runs.reader import list_runs
from tests.conftest import kill_processes_of, wait_for
from tests.core.cli.conftest import SETTINGS, error_of
from tests.core.cli.conftest import fer as core_command
from tests.core.conftest import processes

if TYPE_CHECKING:
    from tests.core.terminal import Terminal

DEMO = ("--set", "dataset=demo", "--set", "epochs=1")


def test_a_sweep_starts_a_run_per_combination_and_prints_their_ids(fer: "Terminal") -> None:
    sweep = ("--sweep", "learning_rate=0.01,0.02", "--sweep", "optimizer=adam, sgd")
    ids = fer("train", *DEMO, *sweep, "--name", "Rates", "--author", "Ada", data=True).splitlines()
    [group] = list_groups(fer.runs_root)
    assert (group.name, group.title, group.run_ids, group.record.author) == ("rates", "Rates", ids, "Ada")
    assert [(member.values["learning_rate"], member.values["optimizer"]) for member in group.record.members] == [
        (0.01, "adam"),
        (0.01, "sgd"),
        (0.02, "adam"),
        (0.02, "sgd"),
    ]
    assert group.record.keep == "all" and group.record.how == "grid"


def test_a_random_sample_that_keeps_the_best(fer: "Terminal") -> None:
    options = ("--sample", "3", "--sample-seed", "7", "--keep", "best", "--json")
    printed = json.loads(fer("train", *DEMO, "--sweep", "seed=0..9", "--sweep", "flip=true,false", *options, data=True))
    [group] = list_groups(fer.runs_root)
    assert printed["name"] == group.name and [run["id"] for run in printed["runs"]] == group.run_ids
    assert (printed["how"], printed["sample"], printed["sample_seed"], printed["keep"]) == ("random", 3, 7, "best")
    assert printed["progress"]["total"] == 3 and printed["progress"]["states"] == {"queued": 3}


def test_a_dry_run_says_what_would_start_and_starts_nothing(fer: "Terminal") -> None:
    roots = ["--runs-root", str(fer.runs_root), "--data-root", str(fer.data_root)]
    result = CliRunner().invoke(app, ["train", *DEMO, "--sweep", "seed=1..3", "--dry-run", *roots])
    assert result.exit_code == 0
    assert result.stdout.splitlines() == ["seed=1", "seed=2", "seed=3"]
    assert result.stderr.startswith("3 runs, about ") and result.stderr.endswith(" of training.\n")
    alone = CliRunner().invoke(app, ["train", *DEMO, "--dry-run", *roots])
    assert alone.stdout == "" and alone.stderr.startswith("1 run, about ")
    elsewhere = CliRunner().invoke(
        app, ["train", *DEMO, "--sweep", "seed=1,2", "--dry-run", "--launcher", "ray", *roots]
    )
    assert elsewhere.stderr == "2 runs.\n", "how long a cluster takes nobody knows"
    settings = json.loads(fer("train", *DEMO, "--dry-run", "--json", data=True))
    assert [each["epochs"] for each in settings] == [1]
    listed = fer("train", *DEMO, "--sweep", "seed=1..3", "--dry-run", "--json", data=True)
    assert json.loads(listed) == [{"seed": 1}, {"seed": 2}, {"seed": 3}]
    assert list_runs(fer.runs_root) == [] and list_groups(fer.runs_root) == []


@pytest.mark.slow
def test_a_sweep_is_trained_to_its_end_and_only_the_best_keeps_its_weights(
    roots: list[str | Path], tmp_path: Path
) -> None:
    """Real processes and real training."""
    runs_root = tmp_path / "runs"
    places = ["--runs-root", runs_root, *roots[2:]]
    sweep = ["--sweep", "seed=1..3", "--keep", "best", "--name", "Seeds", "--wait", "--json"]
    try:
        printed = json.loads(core_command("train", *places, *SETTINGS, *sweep).stdout)
        wait_for(lambda: not processes(runs_root, "core.worker"), 120, "the last worker's end")
    finally:
        kill_processes_of(runs_root)
    assert printed["progress"]["states"] == {"finished": 3} and printed["progress"]["fraction"] == 1
    runs = {run.id: run for run in list_runs(runs_root)}
    best = max(printed["runs"], key=lambda run: run["validation_accuracy"])["id"]
    assert printed["best"] == best and [run.id for run in runs.values() if run.has_weights] == [best]
    other = next(run for run in runs.values() if run.id != best)
    assert other.paths.has_predictions("validation") and not other.paths.checkpoint.exists()
    why = f"Run {other.id} has no weights. Weights removed: group “Seeds” keeps only those of its best run"
    for command in (["evaluate", other.id], ["export", other.id, "--format", "onnx"]):
        assert error_of(*command, "--runs-root", runs_root).startswith(why)


def test_a_sweep_whose_runs_failed_ends_with_an_error(fer: "Terminal", monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.cli.follow.follow_all", lambda root, ids: list(ids)[:1])
    said = fer("train", *DEMO, "--sweep", "seed=1,2", "--wait", data=True, code=1)
    assert "1 of 2 runs failed: " in said


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--sweep", "learning_rate"], "--sweep 'learning_rate' has no values"),
        (["--sweep", "seed=1,2", "--sweep", "seed=3,4"], "--sweep seed is there twice"),
        (["--sweep", "seed=1,x", "--sweep", "optimizer=adam,lion"], "Optimizer must be"),
        (["--sweep", "seed=0..100", "--sweep", "epochs=1,2"], "202 runs are too many for one sweep (max 200)"),
        (["--sweep", "seed=1"], "two values or more"),
        (["--sweep", "epochs=1,2", "--teachers"], "Teachers differ in the seed alone"),
        (["--sweep", "dataset=demo,nope"], "nope"),
        (["--sample", "3"], "require --sweep"),
        (["--keep", "best"], "require --sweep"),
        (["--teachers"], "require --sweep"),
        (["--sample-seed", "5"], "--sample-seed requires --sample"),
        (["--sweep", "seed=1,2", "--sample-seed", "5"], "--sample-seed requires --sample"),
        (["--sweep", "nope=1,2", "--preview"], "nope"),
        (["--preview", "--json"], "--preview and --json exclude each other"),
        (["--preview", "--wait"], "--wait and --preview exclude each other"),
        (["--dry-run", "--wait"], "--wait and --dry-run exclude each other"),
    ],
)
def test_what_is_wrong_is_said_before_anything_starts(fer: "Terminal", options: list[str], words: str) -> None:
    assert words in fer("train", *DEMO, *options, data=True, code=2)
    assert list_runs(fer.runs_root) == [] and list_groups(fer.runs_root) == []
