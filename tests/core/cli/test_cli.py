"""The command line as people call it: real processes, exit codes, one-line errors, JSON that parses."""

import json
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from core.__main__ import app
from core.config import TrainConfig
from core.data.importers import demo
from core.evaluation.predictions import read_predictions
from core.files import write_json
from core.jobs.queue import take_queued
from core.labels import LABELS
from core.runs.create import create_run, write_status
from core.runs.paths import RunPaths
from core.runs.reader import list_runs, read_run, read_status
from core.runs.records import RunState
from tests.conftest import PROJECT_ROOT, kill_processes_of

TINY = "dataset=demo epochs=1 batch_size=16 images_per_epoch=48 model=cnn-model-1 threads=1 device=cpu".split()
SETTINGS = [part for text in TINY for part in ("--set", text)]


def fer(*arguments: str | Path, code: int = 0) -> subprocess.CompletedProcess[str]:
    """Run `python -m core ARGUMENTS`, which must end with this exit code."""
    result = subprocess.run(
        [sys.executable, "-m", "core", *map(str, arguments)],
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert result.returncode == code, result.stderr + result.stdout
    return result


def error_of(*arguments: str | Path, code: int = 2) -> str:
    """The one line that a failing command prints; nothing goes to standard output."""
    result = fer(*arguments, code=code)
    assert result.stdout == ""
    [line] = result.stderr.splitlines()
    return line


@pytest.fixture(scope="module")
def roots(demo_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str | Path]]:
    """The options that name a folder of runs, which `trained` fills, and the demo set."""
    runs_root = tmp_path_factory.mktemp("cli") / "runs"
    yield ["--runs-root", runs_root, "--data-root", demo_root]
    kill_processes_of(runs_root)


@pytest.fixture(scope="module")
def trained(roots: list[str | Path]) -> dict[str, Any]:
    """What `train --wait --json` printed."""
    result = fer("train", *roots, *SETTINGS, "--name", "First", "--author", "Ada", "--wait", "--json")
    run: dict[str, Any] = json.loads(result.stdout)
    assert result.stderr.splitlines()[0] == run["id"]
    assert result.stderr.rstrip().endswith("finished")
    return run


# --- commands that print results


def test_train_and_wait_prints_the_finished_run(trained: dict[str, Any]) -> None:
    assert trained["state"] == "finished"
    assert trained["problem"] is None
    assert trained["config"] == TrainConfig(**dict(text.split("=") for text in TINY)).model_dump(mode="json")
    assert trained["meta"]["name"] == trained["name"] == "First"
    assert trained["meta"]["author"] == "Ada"
    assert trained["summary"]["epochs_done"] == 1


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


def test_evaluate_repeats_the_metrics_of_the_run(trained: dict[str, Any], roots: list[str | Path]) -> None:
    metrics = json.loads(fer("evaluate", trained["id"], *roots, "--split", "original-test", "--tta", "--json").stdout)
    assert (metrics["run"], metrics["split"], metrics["tta"]) == (trained["id"], "original-test", True)
    expected = trained["summary"]["evaluation"]["original-test"]["tta"]
    assert {key: metrics[key] for key in ("images", "correct", "accuracy", "interval")} == {
        key: expected[key] for key in ("images", "correct", "accuracy", "interval")
    }
    shifted = fer("evaluate", trained["id"], *roots, "--tta", "--shifts").stdout
    assert "test with flip and shift TTA: " in shifted
    refused = fer("evaluate", trained["id"], *roots, "--shifts", code=2)
    assert refused.stderr == "--shifts requires --tta.\n"


def test_predict_prints_seven_probabilities_per_face_and_goes_on_after_a_bad_file(
    trained: dict[str, Any], roots: list[str | Path], tmp_path: Path
) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (48, 48), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "good.png")
    (tmp_path / "bad.jpg").write_text("not an image")
    images = [tmp_path / "bad.jpg", tmp_path / "good.png"]
    result = fer("predict", *images, *roots[:2], "--run", trained["id"], "--json", code=2)
    assert len(result.stderr.splitlines()) == 1
    assert "bad.jpg" in result.stderr
    [line] = result.stdout.splitlines()
    answer = json.loads(line)
    assert answer["file"] == str(tmp_path / "good.png")
    [face] = answer["faces"]
    assert set(face["probabilities"]) == set(LABELS)
    assert sum(face["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    assert face["label"] == max(face["probabilities"], key=face["probabilities"].get)


def test_label_reviews_by_their_old_and_present_commands(trained: dict[str, Any], roots: list[str | Path]) -> None:
    table = read_predictions(RunPaths(Path(roots[1]), trained["id"]).predictions("test"))
    old, new = table["image_id"].tolist()[:2]
    said = [trained["id"], *roots, "--split", "test", "--by", "Ada"]
    fer("runs", "verdict", *said, "--image", old, "--verdict", "ambiguous")
    fer("labels", "review", *said, "--image", new, "--decision", "not a face")
    listed = fer("labels", "reviews", trained["id"], *roots[:2], "--json").stdout
    assert [row["image"] for row in json.loads(listed)] == [old, new]
    assert fer("runs", "verdicts", trained["id"], *roots[:2], "--json").stdout == listed
    refused = fer("labels", "review", *said, "--image", new, "--decison", "ambiguous", code=2)
    assert "--decision" in refused.stderr and "verdict" not in fer("labels", "review", "--help").stdout
    assert "verdict" not in fer("runs", "--help").stdout


def test_predictions_of_the_run_are_readable(trained: dict[str, Any], roots: list[str | Path]) -> None:
    table = read_predictions(RunPaths(Path(roots[1]), trained["id"]).predictions("test"))
    assert len(table) == trained["summary"]["evaluation"]["test"]["images"]
    assert table["correct"].sum() == trained["summary"]["evaluation"]["test"]["correct"]


def test_data_demo_and_status(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "No dataset yet" in fer("data", "status", "--data-root", tmp_path).stdout
    small = partial(demo.import_demo, train_per_class=4, validation_per_class=1, test_per_class=1)
    monkeypatch.setattr(demo, "import_demo", small)  # in this process: drawing them all takes seconds
    app(["data", "demo", "--data-root", str(tmp_path), "--json"], standalone_mode=False)
    made = json.loads(capsys.readouterr().out)
    assert made["kind"] == "drawn"
    assert json.loads(fer("data", "status", "--data-root", tmp_path, "--json").stdout) == [made]
    assert made["fingerprint"][:12] in fer("data", "status", "--data-root", tmp_path).stdout


# --- commands that act on runs


def test_stop_takes_a_waiting_run_out_of_the_queue_and_may_be_said_twice(runs_root: Path) -> None:
    paths = create_run(runs_root, TrainConfig())
    assert "stopping" in fer("runs", "stop", paths.run_id, "--runs-root", runs_root).stdout
    assert read_run(runs_root, paths.run_id).state is RunState.STOPPED
    assert "is already stopped" in fer("runs", "stop", paths.run_id, "--runs-root", runs_root).stdout


def test_resume_puts_a_crashed_run_back(runs_root: Path, demo_root: Path) -> None:
    paths = create_run(runs_root, TrainConfig(dataset="not-imported"))
    take_queued(paths, {})
    assert read_run(runs_root, paths.run_id).state is RunState.CRASHED
    result = fer("runs", "resume", paths.run_id, "--runs-root", runs_root, "--data-root", demo_root)
    assert result.stdout == f"{paths.run_id}: requeued.\n"


def test_a_run_given_by_its_folder_is_stopped_there(runs_root: Path) -> None:
    paths = create_run(runs_root, TrainConfig())
    fer("runs", "stop", paths.folder)
    assert read_run(runs_root, paths.run_id).state is RunState.STOPPED


def test_train_prints_the_id_at_once(roots: list[str | Path], runs_root: Path, demo_root: Path) -> None:
    result = fer("train", "--runs-root", runs_root, "--data-root", demo_root, *SETTINGS)
    [run] = list_runs(runs_root)
    assert result.stdout == f"{run.id}\n"
    assert run.config is not None
    assert run.config.epochs == 1


def test_a_run_that_fails_ends_the_waiting_command_with_code_1(runs_root: Path, demo_root: Path) -> None:
    """The device is wrong: the worker says so, and `train --wait` passes it on."""
    command = ["train", "--runs-root", runs_root, "--data-root", demo_root, *SETTINGS, "--set", "device=cuda", "--wait"]
    if torch.cuda.is_available():
        pytest.skip("this machine has a CUDA device")
    result = fer(*command, code=1)
    assert "device is 'cuda', but PyTorch finds no CUDA device here" in result.stderr.splitlines()[-1]


# --- errors: one line, exit code 2


def test_bad_input_is_refused_in_one_line_and_leaves_nothing_behind(runs_root: Path, demo_root: Path) -> None:
    train = ["train", "--runs-root", runs_root, "--data-root", demo_root]
    assert error_of(*train, "--preset", "sed").startswith("Unknown preset 'sed': choose one of original, ")
    assert error_of(*train, "--set", "learning_rate=-1") == "learning_rate is '-1', but should be greater than 0."
    assert error_of(*train, "--set", "epochs") == (
        "--set 'epochs' has no value. Use --set FIELD=VALUE, e.g. --set epochs=5."
    )
    assert error_of(*train, "--set", "color=red").startswith("Unknown setting 'color': choose from model, ")
    assert "is not imported" in error_of(*train, "--set", "dataset=nothing-here")
    assert list(runs_root.iterdir()) == []


def test_unknown_runs_are_refused_in_one_line(runs_root: Path, demo_root: Path) -> None:
    runs = ["--runs-root", runs_root]
    for command in ("show", "stop"):
        assert error_of("runs", command, "nope", *runs).startswith("There is no run 'nope' under ")
    assert error_of("runs", "show", "../x", *runs) == "'../x' is not a run id: 1 to 64 of a-z, 0-9 and -."
    assert "There is no run" in error_of("runs", "resume", "nope", *runs, "--data-root", demo_root)
    assert "There is no run" in error_of("evaluate", "nope", *runs, "--data-root", demo_root)
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
    assert "has no readable status.json" in fer("runs", "show", bad.run_id, "--runs-root", runs_root).stdout


def test_missing_data_is_refused_in_one_line(tmp_path: Path) -> None:
    line = error_of("data", "import", tmp_path / "nothing.zip", "--data-root", tmp_path / "data")
    assert "nothing.zip" in line


def test_wrong_usage_ends_with_code_2() -> None:
    assert "No such command" in fer("fly", code=2).stderr
    assert "Missing argument" in fer("runs", "show", code=2).stderr


def test_no_runs_yet_says_how_to_start_one(tmp_path: Path) -> None:
    assert "No runs yet" in fer("runs", "list", "--runs-root", tmp_path / "none").stdout
    assert json.loads(fer("runs", "list", "--runs-root", tmp_path / "none", "--json").stdout) == []
    assert not (tmp_path / "none").exists()


def test_a_reader_that_has_seen_enough_is_no_error(runs_root: Path) -> None:
    for _ in range(3):
        create_run(runs_root, TrainConfig())
    command = f"{sys.executable} -m core runs list --json --runs-root {runs_root} | head -1"
    result = subprocess.run(command, shell=True, cwd=PROJECT_ROOT, capture_output=True, text=True, check=False)
    assert (result.stdout, result.stderr) == ("[\n", "")
