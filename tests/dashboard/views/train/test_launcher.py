"""Where a run is trained: asked only where there is a choice, and never another place than the one selected."""

from pathlib import Path

import pytest

from core.jobs.launchers import get_launcher
from core.runs.reader import list_runs
from tests.dashboard.conftest import Opener, words
from tests.dashboard.views.train.test_form import start_is_open
from tests.fake_slurm import FakeSlurm, use_fake_slurm


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeSlurm:
    get_launcher.cache_clear()  # it remembers the cluster of the test before
    made = use_fake_slurm(tmp_path, monkeypatch)
    made.says("sbatch", "12\n")
    return made


def test_nothing_is_asked_where_there_is_only_this_machine(open_page: Opener) -> None:
    app = open_page("train")
    assert "launcher" not in {box.key for box in app.selectbox}
    assert "--launcher" not in words(app) and start_is_open(app)


def test_a_run_is_started_on_the_cluster_that_is_selected(open_page: Opener, slurm: FakeSlurm, runs_root: Path) -> None:
    app = open_page("train")
    field = app.selectbox(key="launcher")
    assert (field.value, field.options) == ("local", ["This machine", "Slurm"])
    assert "SBATCH" not in words(app)
    field.set_value("slurm").run()
    script = next(code.value for code in app.code if code.value.startswith("#!"))
    assert "#SBATCH --job-name=fer-new-run" in script and "--launcher slurm" in words(app)
    assert "20 epochs, queued by Slurm." in words(app) and "Estimated time" not in words(app)
    app.button(key="start").click().run()
    [run] = list_runs(runs_root)
    assert (run.status.launcher, run.status.job) == ("slurm", "12")
    assert slurm.submitted == f"{script}\n".replace("new-run", run.id)


def test_a_cluster_that_is_down_is_not_replaced_by_this_machine(
    open_page: Opener, slurm: FakeSlurm, runs_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "site.toml").write_text("[slurm]\n")
    monkeypatch.setenv("FER_SITE", str(tmp_path / "site.toml"))
    slurm.says("sinfo", stderr="slurm_load_partitions: Unable to contact slurm controller (connect failure)\n", code=1)
    said = "Slurm's controller doesn't answer (Unable to contact slurm controller (connect failure)). Try again later."
    app = open_page("train")
    assert f"Slurm: {said}" in words(app) and start_is_open(app), "this machine is selected"
    app.selectbox(key="launcher").set_value("slurm").run()
    assert said in words(app) and app.error and not start_is_open(app)
    (tmp_path / "site.toml").unlink()
    app.run()
    assert app.selectbox(key="launcher").value == "slurm" and not start_is_open(app)
    assert "Slurm is no longer available here." in words(app) and list_runs(runs_root) == []


def test_what_slurm_refuses_is_one_sentence_on_the_page(open_page: Opener, slurm: FakeSlurm, runs_root: Path) -> None:
    slurm.says("sbatch", stderr="sbatch: error: Batch job submission failed: It is full\n", code=1)
    app = open_page("train")
    app.selectbox(key="launcher").set_value("slurm").run()
    app.button(key="start").click().run()
    said = "Slurm refused: It is full. Check the settings in site.toml."
    assert said in words(app) and list_runs(runs_root) == []
