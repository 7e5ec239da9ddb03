"""Creating runs, and changing what people say about them."""

import os
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from core.__main__ import app
from core.config import TrainConfig
from core.errors import RunError
from core.files import write_json
from core.jobs import control
from core.review.runs import annotate
from core.runs.create import ABANDONED_AFTER_SECONDS, create_run, sweep_drafts, write_meta, write_status
from core.runs.paths import QueuePaths, RunPaths
from core.runs.reader import list_runs, read_run, read_status
from core.runs.records import RunMeta, RunState, RunStatus
from tests.core.runs.conftest import CONFIG


def test_a_new_run_waits_and_has_its_settings(root: Path) -> None:
    before = datetime.now(UTC)
    paths = create_run(root, CONFIG, name="First", author="Ada", parent="older")
    run = read_run(root, paths.run_id)
    assert run.state is RunState.QUEUED
    assert run.state.is_live
    assert run.config == CONFIG
    assert (run.meta.name, run.meta.author, run.meta.parent) == ("First", "Ada", "older")
    assert run.name == "First"
    assert before <= run.status.created_at <= datetime.now(UTC)
    assert run.status.epochs == 2
    assert run.problem is None
    assert sorted(path.name for path in paths.folder.iterdir()) == ["config.json", "meta.json", "status.json"]
    assert list(QueuePaths(root).drafts.iterdir()) == []


def test_a_run_without_a_name_goes_by_its_id(root: Path) -> None:
    paths = create_run(root, CONFIG)
    assert read_run(root, paths.run_id).name == paths.run_id


def test_an_id_is_given_once(root: Path, paths: RunPaths) -> None:
    with pytest.raises(RunError, match="A run named “a-run” already exists"):
        create_run(root, CONFIG, run_id="a-run")
    assert list(QueuePaths(root).drafts.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_explained(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match=r"Can't write a run folder under .*Not a directory"):
        create_run(tmp_path / "file" / "runs", CONFIG)


@pytest.mark.parametrize("hours", [-2, 0, 2])
def test_drafts_of_the_dead_are_swept_and_those_of_the_living_are_not(
    root: Path, hours: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the clock of this machine says: others may be making them."""
    drafts = QueuePaths(root).drafts
    for name in ("old", "new"):
        (drafts / name / "a-run").mkdir(parents=True)
    long_ago = time.time() - ABANDONED_AFTER_SECONDS - 10
    os.utime(drafts / "old", (long_ago, long_ago))
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + 3600 * hours)
    sweep_drafts(root)
    assert [path.name for path in drafts.iterdir()] == ["new"]


def test_what_people_may_not_say_is_refused_and_the_old_stays(root: Path, paths: RunPaths) -> None:
    write_meta(paths, lambda meta: meta.model_copy(update={"notes": "keep"}))
    with pytest.raises(RunError, match=r"Can't change meta.json of run 'a-run': review: .*\.$"):
        write_meta(paths, lambda meta: meta.model_copy(update={"review": "superb"}))
    assert read_run(root, "a-run").meta.notes == "keep"


def test_damaged_words_of_people_are_not_written_over(paths: RunPaths) -> None:
    paths.meta.write_text('{"notes": "a long st')
    with pytest.raises(RunError, match=r"Can't change meta.json of run 'a-run'"):
        write_meta(paths, lambda meta: meta.model_copy(update={"starred": True}))
    assert paths.meta.read_text() == '{"notes": "a long st'


def test_missing_words_of_people_are_begun(paths: RunPaths) -> None:
    paths.meta.unlink()
    assert write_meta(paths, lambda meta: meta.model_copy(update={"starred": True})).starred
    assert read_run(paths.root, "a-run").meta == RunMeta(starred=True)


def test_a_run_that_is_gone_cannot_be_changed(root: Path) -> None:
    with pytest.raises(RunError, match="No such file"):
        write_meta(RunPaths(root, "gone"), lambda meta: meta)
    assert not root.exists(), "and does not come back"


def test_a_status_survives_its_file(paths: RunPaths) -> None:
    status = RunStatus(created_at=datetime.now(UTC), state="running", heartbeat=1.25, error="größer", epoch=3)
    write_status(paths, status)
    assert read_status(paths) == status


HOSTILE_LINE = "a\x1b]8;;http://evil.test\x07b\x1b[2J\u202ec\n\r\x00d"


def test_names_hold_no_control_characters_and_are_not_longer_than_people_may_enter(root: Path) -> None:
    """On every way in: a start, a change, and a folder from elsewhere."""
    long = HOSTILE_LINE + "x" * 100_000
    paths = create_run(root, TrainConfig(), run_id="own", name=HOSTILE_LINE, author=HOSTILE_LINE)
    annotate(paths, HOSTILE_LINE, {"notes": "line\n\x1b[31mred", "review": "approved"}, tag=[HOSTILE_LINE])
    foreign = create_run(root, TrainConfig(), run_id="foreign")
    values = {"name": long, "author": long, "reviewer": long, "tags": [long], "notes": HOSTILE_LINE}
    write_json(foreign.meta, values)
    for run_id in ("own", "foreign"):
        meta = read_run(root, run_id).meta
        for text in (meta.name, meta.author, meta.reviewer, *meta.tags):
            assert text.replace(" ", "").isprintable()
            assert text.startswith("a]8;;http://evil.testb[2Jc")
            assert len(text) <= 120
        assert not set("\x1b\x00\x07") & set(meta.notes)
    assert read_run(root, "own").meta.notes == "line\n[31mred"


def test_a_name_that_is_too_long_is_refused_at_the_start(root: Path) -> None:
    with pytest.raises(RunError, match=r"The name is too long: 121 characters \(max 120\)"):
        control.start(root, root, TrainConfig(), name="x" * 121)
    assert not root.exists() or list_runs(root) == []


def test_hostile_names_do_not_reach_the_terminal(root: Path) -> None:
    for run_id in ("one", "two"):
        paths = create_run(root, TrainConfig(), run_id=run_id)
        write_json(paths.meta, {"name": HOSTILE_LINE, "tags": [HOSTILE_LINE], "reviewer": HOSTILE_LINE})
        status = read_status(paths).model_dump(mode="json")
        write_json(paths.status, {**status, "state": "failed", "error": HOSTILE_LINE, "device": HOSTILE_LINE})
    for command in (
        ["list"],
        ["show", "one"],
        ["annotate", "one", "--tag", "x"],
        ["delete", "one"],
        ["changes", "one"],
    ):
        said = CliRunner().invoke(app, ["runs", *command, "--runs-root", str(root)]).output
        assert not set("\x1b\x00\x07\u202e") & set(said), command
