"""What a run is recorded with: the code to the file, what is not committed as a patch, and old folders still read."""

import json
import subprocess
from pathlib import Path

import pytest

from core import worker
from core.config import TrainConfig
from core.runs import environment
from core.runs.create import create_run
from core.runs.environment import code_files, git_state, read_uncommitted_changes, uncommitted_changes
from core.runs.paths import RunPaths


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with one commit."""
    root = tmp_path / "project"
    (root / "core").mkdir(parents=True)
    (root / "core" / "loop.py").write_text("rate = 1\n")
    (root / "README.md").write_text("Hello\n")
    for command in (["init", "-q"], ["add", "."], ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "x"]):
        subprocess.run(["git", *command], cwd=root, check=True)
    monkeypatch.setattr(environment, "PROJECT_ROOT", root)
    return root


@pytest.fixture
def paths(tmp_path: Path) -> RunPaths:
    return create_run(tmp_path / "runs", TrainConfig())


def test_the_code_is_known_to_the_file(checkout: Path) -> None:
    before = code_files()
    assert list(before) == ["core/loop.py"] and len(before["core/loop.py"]) == 12
    (checkout / "core" / "loop.py").write_text("rate = 2\n")
    assert code_files() != before


def test_what_is_not_committed_can_be_applied_again(checkout: Path, tmp_path: Path) -> None:
    assert git_state() == {"commit": git_state()["commit"], "dirty": False} and uncommitted_changes() == ""  # type: ignore[index]
    (checkout / "core" / "loop.py").write_bytes(b"rate = '\xe9\xc3\xa9'\n")
    (checkout / "core" / "new.py").write_text("momentum = 0.9\n")
    (checkout / "notes.txt").write_text("not code\n")
    patch = uncommitted_changes()
    assert git_state()["dirty"] is True and "notes.txt" not in patch  # type: ignore[index]
    subprocess.run(["git", "checkout", "-q", "."], cwd=checkout, check=True)
    (checkout / "core" / "new.py").unlink()
    (checkout / "core" / "loop.py").write_text("rate = 1\n")
    subprocess.run(["git", "apply"], cwd=checkout, input=patch.encode(), check=True)
    assert (checkout / "core" / "new.py").read_text() == "momentum = 0.9\n"


@pytest.mark.parametrize("name", ["dashboard/deploy/notifications.toml", "dashboard/deploy/fer.env", "README.md"])
def test_settings_of_a_server_are_in_no_patch(checkout: Path, name: str) -> None:
    """Examples are tracked, and some people fill in the example itself."""
    example = checkout / name
    example.parent.mkdir(parents=True, exist_ok=True)
    example.write_text('password = "secret"\n')
    for command in (["add", "."], ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "example"]):
        subprocess.run(["git", *command], cwd=checkout, check=True)
    example.write_text('password = "hunter2"\n')
    (checkout / "core" / "loop.py").write_text("rate = 2\n")
    patch = uncommitted_changes()
    assert "+rate = 2" in patch and "hunter2" not in patch and name not in patch


def test_a_long_patch_is_cut_and_says_so(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "LONGEST_PATCH", 300)
    (checkout / "core" / "loop.py").write_text("long\n" * 1000)
    assert uncommitted_changes().endswith("\n# cut at 300 characters\n") and len(uncommitted_changes()) < 400


def test_without_git_there_is_no_patch_but_the_files_are_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "core").mkdir()
    (tmp_path / "core" / "a.py").touch()
    monkeypatch.setattr(environment, "PROJECT_ROOT", tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert git_state() is None and uncommitted_changes() == "" and list(code_files()) == ["core/a.py"]


def test_the_patch_lies_in_the_run_folder_and_a_resume_adds_its_own(checkout: Path, paths: RunPaths) -> None:
    (checkout / "core" / "loop.py").write_text("rate = 2\n")
    worker.record_environment(paths, {"git": git_state(), "code": code_files()})
    assert "+rate = 2" in read_uncommitted_changes(paths)
    worker.record_environment(paths, {"git": git_state(), "code": code_files()})
    assert not paths.uncommitted(1).exists()  # nothing has changed
    (checkout / "core" / "loop.py").write_text("rate = 3\n")
    worker.record_environment(paths, {"git": git_state(), "code": code_files()})
    assert "+rate = 3" in paths.uncommitted(2).read_text() and "+rate = 2" in read_uncommitted_changes(paths)


def test_older_folders_keep_the_patch_in_their_environment(paths: RunPaths) -> None:
    assert read_uncommitted_changes(paths) == ""
    for content in ('{"git": null}', "[1]", "{", "{}"):
        paths.environment.write_text(content)
        assert read_uncommitted_changes(paths) == ""
    paths.environment.write_text(json.dumps({"git": {"commit": "c", "dirty": True, "diff": "+old"}}))
    assert read_uncommitted_changes(paths) == "+old"
