"""Run folders, command lines and links with the names that presets, splits and schedules had before."""

import json
from pathlib import Path

import pytest
import typer.main
from typer.testing import CliRunner

from core.__main__ import app
from core.cli.options import SplitName
from core.comparison.baseline import reseed_key, setting_differences
from core.comparison.origins import compare_origins
from core.config import OLD_SCHEDULES, TrainConfig
from core.files import read_json, write_json
from core.jobs import control
from core.presets import OLD_PRESETS, PRESETS, get_preset
from core.runs.create import create_run
from core.runs.paths import RunPaths
from core.runs.reader import list_runs, read_run
from core.runs.records import Run
from core.splits import OLD_SPLITS, ORIGINAL_TEST
from core.training.final_report import REPORTED
from core.training.loop import Stopped
from tests.conftest import PROJECT_ROOT
from tests.core.training.test_loop import OLDER, assert_bit_equal, run_training, train_on

SHIPPED = RunPaths(PROJECT_ROOT / "runs", "reference-cnn-model-2")
OLD_CONFIG = PROJECT_ROOT / "tests" / "faults" / "run_folders" / "a4-no-tta" / "config.json"
METRICS = {"images": 10, "accuracy": 0.5, "interval": [0.2, 0.8]}


def make_old(paths: RunPaths) -> None:
    """Give a folder the `config.json` of a folder from before: the old name of the schedule, and only the settings that
    there were."""
    config, older = read_json(paths.config), read_json(OLD_CONFIG)
    assert config["schedule"] == "linear" and older.keys() < config.keys()
    write_json(paths.config, {name: config[name] for name in older} | {"schedule": "one-cycle"})


def old_and_new(root: Path) -> tuple[Run, Run]:
    """Two runs with the same settings and metrics, of which the first has a folder from before."""
    config = TrainConfig(schedule="linear")
    for run_id, split in (("old", "seed-test"), ("new", ORIGINAL_TEST)):
        paths = create_run(root, config, run_id=run_id)
        write_json(paths.summary, {"dataset_fingerprint": "f", "evaluation": {"test": METRICS, split: METRICS}})
    make_old(RunPaths(root, "old"))
    return read_run(root, "old"), read_run(root, "new")


def test_every_old_name_stands_for_one_that_exists_and_is_not_one_itself() -> None:
    for old, present in ((OLD_PRESETS, PRESETS), (OLD_SPLITS, REPORTED)):
        assert set(old.values()) <= set(present) and not set(old) & set(present)
    for old_name, name in OLD_SCHEDULES.items():
        assert TrainConfig.model_validate({"schedule": old_name}).schedule == name


def test_the_shipped_run_has_old_names_in_its_files_and_new_ones_when_read() -> None:
    assert read_json(SHIPPED.config)["schedule"] == "one-cycle"
    assert list(read_json(SHIPPED.summary)["evaluation"]) == ["validation", "test", "seed-test"]
    run = read_run(SHIPPED.root, SHIPPED.run_id)
    assert run.config == get_preset("best").config and run.config.schedule == "linear"
    metrics = run.metrics(ORIGINAL_TEST)
    assert metrics is not None and metrics.images == 7178
    assert list(run.summary.evaluation) == ["validation", "test", ORIGINAL_TEST]


def test_an_old_folder_and_a_new_one_do_not_differ(tmp_path: Path) -> None:
    old, new = old_and_new(tmp_path)
    assert (old.problem, old.summary) == (None, new.summary)
    assert old.config == new.config
    assert setting_differences([old, new]) == {}
    assert reseed_key(old) == reseed_key(new)
    [settings] = [check for check in compare_origins(old, new) if check.what == "settings"]
    assert settings.same is True


def test_a_stopped_run_of_an_older_version_resumes_bit_equal(tmp_path: Path, demo_root: Path) -> None:
    whole = run_training(tmp_path / "whole", demo_root, OLDER)
    with pytest.raises(Stopped):
        run_training(tmp_path / "parts", demo_root, OLDER, stop_after=7)
    paths = RunPaths(tmp_path / "parts", "run")
    make_old(paths)
    config = read_run(paths.root, paths.run_id).config
    assert config is not None
    train_on(paths, config, demo_root)
    assert_bit_equal(whole, paths)


def test_an_old_command_line_starts_a_run_with_the_new_names(
    runs_root: Path, demo_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "ensure_runner", lambda *_: None)
    roots = ["--runs-root", str(runs_root), "--data-root", str(demo_root)]
    settings = ["--set", "dataset=demo", "--set", "schedule=one-cycle"]
    result = CliRunner().invoke(app, ["train", "--preset", "seed", *settings, *roots], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    [run] = list_runs(runs_root)
    assert run.config == get_preset("original").config.model_copy(update={"dataset": "demo", "schedule": "linear"})
    assert json.loads(run.paths.config.read_text())["schedule"] == "linear"


def test_an_old_command_line_evaluates_the_original_test_set() -> None:
    evaluate = typer.main.get_command(app).commands["evaluate"]  # type: ignore[attr-defined]
    for name in ("seed-test", ORIGINAL_TEST):
        assert evaluate.make_context("evaluate", ["RUN", "--split", name]).params["split"] is SplitName.ORIGINAL_TEST
