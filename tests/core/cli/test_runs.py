"""`python -m core runs ...`: lists, comparisons, what people say, and deleting."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from core.__main__ import app
from core.cli.runs import runs_delete
from core.config import TrainConfig
from core.files import write_json
from core.review.corrections import save_corrections
from core.review.draft import make_corrections
from core.review.images import add_label_reviews
from core.review.runs import read_changes
from core.runs.create import create_run, write_status
from core.runs.delete import what_is_lost
from core.runs.reader import list_runs, read_run, read_status
from core.runs.table import spreadsheet_safe
from tests.core.cli.conftest import error_of, fer, runs_cli, table
from tests.dashboard_fixtures import FakeRun, write_run


@pytest.fixture
def runs(runs_root: Path, demo_root: Path) -> list[FakeRun]:
    """Three finished runs of one recipe with different seeds, one of another."""
    made = [write_run(runs_root, demo_root, "finished", epochs=1, seed=seed) for seed in range(3)]
    return [*made, write_run(runs_root, demo_root, "finished", epochs=2, seed=0, name="=1+1")]


def test_compare_says_what_the_data_say(runs_root: Path, runs: list[FakeRun]) -> None:
    ids = [run.id for run in runs]
    lines = runs_cli(runs_root, "compare", *ids).splitlines()
    assert lines[0].startswith(ids[0]) and lines[0].endswith("baseline")
    assert "p = " in lines[1] or "p < " in lines[1]
    assert any(line.startswith(f"3 seeds of {ids[0]}: mean") for line in lines)
    assert any(line.split()[:3] == ["epochs", "1", "1"] for line in lines)
    found = json.loads(runs_cli(runs_root, "compare", *ids, "--split", "test", "--json"))
    assert found["baseline"] == ids[0] and found["split"] == "test"
    assert set(found["settings"]) == {"epochs", "seed"} and found["settings"]["seed"][ids[2]] == 2
    assert found["seed_groups"][0]["runs"] == ids[:3]
    rows = table(runs_cli(runs_root, "compare", *ids, "--csv"))
    assert [row["run"] for row in rows] == ids and rows[0]["difference"] == "" and rows[0]["says"] == "baseline"
    assert rows[3]["difference"] == "0.0" and rows[3]["p_value"] == "1.0" and "not significant" in rows[3]["says"]


def test_compare_needs_two_runs(runs_root: Path, runs: list[FakeRun]) -> None:
    assert "two or more different runs" in runs_cli(runs_root, "compare", runs[0].id, runs[0].id, code=2)
    assert "Run “nope” not found" in runs_cli(runs_root, "compare", runs[0].id, "nope", code=2)


def test_annotate_changes_what_is_said_and_the_list_can_be_asked_for_it(runs_root: Path, runs: list[FakeRun]) -> None:
    run = runs[0]
    said = runs_cli(
        runs_root, "annotate", run.id, "--name", "n", "--note", "fine", "--tag", "a", "--tag", "b", "--by", "Ada"
    )
    assert said == f"{run.id}: unreviewed, tags a, b.\n"
    said = runs_cli(
        runs_root, "annotate", run.id, "--untag", "b", "--star", "--review", "approved", "--by", "Ben", "--json"
    )
    assert json.loads(said)["reviewer"] == "Ben" and json.loads(said)["tags"] == ["a"]
    assert [change.by for change in read_changes(run.paths)] == ["Ada"] * 3 + ["Ben"] * 3
    assert [row["id"] for row in json.loads(runs_cli(runs_root, "list", "--tag", "a", "--json"))] == [run.id]
    assert "approved" in runs_cli(runs_root, "list")
    assert "Nothing to change" in runs_cli(runs_root, "annotate", run.id, code=2)
    assert "Unknown review state 'good'" in runs_cli(runs_root, "annotate", run.id, "--review", "good", code=2)


def test_archived_runs_are_left_out_until_asked_for(runs_root: Path, runs: list[FakeRun]) -> None:
    runs_cli(runs_root, "archive", runs[0].id, runs[1].id)
    assert len(table(runs_cli(runs_root, "list", "--csv"))) == 2
    assert len(table(runs_cli(runs_root, "list", "--csv", "--archived"))) == 4
    runs_cli(runs_root, "archive", "--undo", runs[0].id)
    assert len(json.loads(runs_cli(runs_root, "list", "--json"))) == 3


def test_the_csv_has_figures_settings_and_no_formulas(runs_root: Path, runs: list[FakeRun]) -> None:
    rows = table(runs_cli(runs_root, "list", "--csv"))
    by_id = {row["run"]: row for row in rows}
    assert by_id[runs[3].id]["name"] == "'=1+1"
    assert by_id[runs[1].id]["seed"] == "1" and 0 < float(by_id[runs[1].id]["test_accuracy"]) < 1
    assert [spreadsheet_safe(text) for text in ("@x", "x", "")] == ["'@x", "x", ""]
    add_label_reviews(runs[0].paths, "=1+1", "validation", ["happy/validation-00180"], "ambiguous")
    save_corrections(runs_root, make_corrections("list", [read_run(runs_root, runs[0].id)]).corrections)
    shown = CliRunner().invoke(app, ["corrections", "show", "list", "--csv", "--runs-root", str(runs_root)])
    assert [row["by"] for row in table(shown.stdout)] == ["'=1+1"]
    runs_cli(runs_root, "archive", *[run.id for run in runs])
    assert table(runs_cli(runs_root, "list", "--csv")) == []
    assert "archived" in runs_cli(runs_root, "list") and "No run has that tag" in runs_cli(
        runs_root, "list", "--tag", "x"
    )


def test_delete_asks_and_refuses_live_runs(runs_root: Path, demo_root: Path, runs: list[FakeRun]) -> None:
    waiting = write_run(runs_root, demo_root, "queued")
    assert "is queued. Stop it" in runs_cli(runs_root, "delete", runs[0].id, waiting.id, "--yes", code=2)
    assert "add --yes" in runs_cli(runs_root, "delete", runs[0].id, code=2)
    assert len(list_runs(runs_root)) == 5
    assert "the trained weights" in what_is_lost(read_run(runs_root, runs[0].id))
    assert runs_cli(runs_root, "delete", runs[0].id, "--yes") == f"{runs[0].id}: deleted.\n"
    assert len(list_runs(runs_root)) == 4


def test_a_clone_or_a_retry_from_what_is_not_here_is_refused(
    runs_root: Path, demo_root: Path, runs: list[FakeRun]
) -> None:
    run = runs[0]
    config = json.loads(run.paths.config.read_text())
    run.paths.config.write_text(json.dumps(config | {"dataset": "team", "corrections": "look-1"}))
    clone = ["clone", run.id, "--data-root", str(demo_root)]
    said = runs_cli(runs_root, *clone, code=2)
    assert "The dataset 'team' is not on this server" in said and "--set dataset=NAME; available: demo)" in said
    assert "the correction set 'look-1' is not on this server" in said and "--set corrections= for none" in said
    assert "'team'" not in runs_cli(runs_root, *clone, "--set", "dataset=demo", code=2)
    assert "not on this server" in runs_cli(runs_root, "retry", run.id, "--data-root", str(demo_root), code=2)
    assert len(list_runs(runs_root)) == len(runs)


def test_delete_asks_twice_for_the_shipped_run(
    runs_root: Path, runs: list[FakeRun], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shipped = runs_root / "reference-of-a-test"
    runs[0].paths.folder.rename(shipped)
    assert "add --shipped" in runs_cli(runs_root, "delete", runs[1].id, shipped.name, "--yes", code=2)
    assert runs[1].paths.folder.exists() and shipped.exists()

    def answer(*said: str) -> str:
        """What is printed while somebody at a terminal says these words."""
        words = iter(said)
        monkeypatch.setattr("builtins.input", lambda question: next(words))
        monkeypatch.setattr("sys.stdin", SimpleNamespace(isatty=lambda: True))
        runs_delete([shipped.name], runs_root)
        return capsys.readouterr().out

    assert answer("no") == answer("yes", "yes") == "Kept.\n" and shipped.exists()
    assert answer("yes", shipped.name) == f"{shipped.name}: deleted.\n" and not shipped.exists()


def test_runs_list_and_show_agree_with_it(trained: dict[str, Any], roots: list[str | Path]) -> None:
    runs = roots[:2]
    [listed] = json.loads(fer("runs", "list", *runs, "--json").stdout)
    assert listed == trained
    described = json.loads(fer("runs", "show", trained["id"][:20], *runs, "--json").stdout)
    assert described == {**trained, "reproduction": None}
    table = fer("runs", "list", *runs).stdout.splitlines()
    assert len(table) == 2
    assert trained["id"] in table[1]
    assert "finished" in table[1]
    shown = fer("runs", "show", Path(runs[1]) / trained["id"]).stdout
    assert trained["id"] in shown
    assert "original-test" in shown
    assert "model=cnn-model-1" in shown


def test_unknown_runs_are_refused_in_one_line(runs_root: Path, demo_root: Path) -> None:
    runs = ["--runs-root", runs_root]
    for command in ("show", "stop"):
        assert error_of("runs", command, "nope", *runs).startswith("Run “nope” not found.")
    assert error_of("runs", "show", "../x", *runs) == (
        "Invalid run ID '../x': use 1–64 characters: a–z, 0–9 and hyphens."
    )
    assert "Run “nope” not found" in error_of("runs", "resume", "nope", *runs, "--data-root", demo_root)
    assert "Run “nope” not found" in error_of("evaluate", "nope", *runs, "--data-root", demo_root)
    assert error_of("predict", "x.png", *runs) == (
        "No trained run yet. Start one with `python -m core train --preset quick`."
    )


def test_a_damaged_run_is_listed_and_shown_with_its_problem(runs_root: Path) -> None:
    good, bad = create_run(runs_root, TrainConfig()), create_run(runs_root, TrainConfig())
    write_status(good, read_status(good).model_copy(update={"state": "finished"}))
    write_json(good.summary, {"best": None, "evaluation": {"test": 3}})
    bad.status.write_text("{")
    listed = {run["id"]: run for run in json.loads(fer("runs", "list", "--runs-root", runs_root, "--json").stdout)}
    assert listed[bad.run_id]["state"] == "damaged"
    assert len(fer("runs", "list", "--runs-root", runs_root).stdout.splitlines()) == 3
    assert (
        f"Can't read status.json of run '{bad.run_id}'"
        in fer("runs", "show", bad.run_id, "--runs-root", runs_root).stdout
    )


def test_no_runs_yet_says_how_to_start_one(tmp_path: Path) -> None:
    assert "No runs yet" in fer("runs", "list", "--runs-root", tmp_path / "none").stdout
    assert json.loads(fer("runs", "list", "--runs-root", tmp_path / "none", "--json").stdout) == []
    assert not (tmp_path / "none").exists()
