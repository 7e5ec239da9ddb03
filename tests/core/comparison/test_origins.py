"""What two runs were made with: older folders, and resumes with something else."""

import json
from pathlib import Path

from core.comparison.origins import compare_origins
from core.config import TrainConfig
from core.runs.create import create_run
from core.runs.reader import read_run
from core.runs.records import Run


def check_of(original: Run, repeated: Run, what: str) -> bool | None:
    return {check.what: check.same for check in compare_origins(original, repeated)}[what]


def test_older_folders_are_compared_by_commit_and_patch(tmp_path: Path) -> None:
    made = [read_run(tmp_path, create_run(tmp_path, TrainConfig(), run_id=name).run_id) for name in ("a", "b")]
    for run, diff in zip(made, ("+x", "+y"), strict=True):
        run.paths.environment.write_text(json.dumps({"git": {"commit": "c" * 40, "dirty": True, "diff": diff}}))
    [code] = [check for check in compare_origins(*made) if check.what == "code"]
    assert (code.same, code.words) == (False, "uncommitted changes")
    assert check_of(made[0], made[0], "code") is True


def test_a_commit_that_was_not_recorded_is_said_so(tmp_path: Path) -> None:
    made = [read_run(tmp_path, create_run(tmp_path, TrainConfig(), run_id=name).run_id) for name in ("a", "b")]
    for run, commit in zip(made, ("c" * 40, None), strict=True):
        run.paths.environment.write_text(json.dumps({"git": {"commit": commit, "dirty": False}}))
    assert check_of(made[0], made[1], "code") is None


def test_a_resume_with_something_else_is_told(tmp_path: Path) -> None:
    made = [read_run(tmp_path, create_run(tmp_path, TrainConfig(), run_id=name).run_id) for name in ("a", "b")]
    resumes = [[], [{"packages": {"torch": "9"}}]]
    for run, resumed in zip(made, resumes, strict=True):
        run.paths.environment.write_text(json.dumps({"packages": {"torch": "2"}, "resumes": resumed}))
    [packages] = [check for check in compare_origins(*made) if check.what == "packages"]
    assert (packages.same, packages.words) == (False, "all 1; changed in a resume of the reproduction")
