"""Which launchers there are, and which are offered here."""

import subprocess
import sys
from pathlib import Path

import pytest

from core.cli.options import LauncherName
from core.errors import ConfigError
from core.jobs import launchers
from core.jobs.launchers import (
    LAUNCHERS,
    LOCAL,
    TITLES,
    get_launcher,
    offered_launchers,
    preview_start,
    register_launchers,
    why_not_launcher,
)
from core.runs import engines
from core.runs.paths import RunPaths
from tests.conftest import PROJECT_ROOT
from tests.fake_slurm import FakeSlurm


def test_the_command_line_and_the_titles_know_all_of_them() -> None:
    assert tuple(LauncherName) == LAUNCHERS == tuple(TITLES)


def test_an_unknown_one_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"^Unknown launcher 'pbs'. Use one of local, slurm, ray.$"):
        get_launcher("pbs")
    assert why_not_launcher("pbs") == "Unknown launcher 'pbs'. Use one of local, slurm, ray."


def test_where_there_is_no_cluster_only_this_machine_is_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launchers, "why_not_launcher", lambda name: None if name == LOCAL else "Not here.")
    assert offered_launchers() == {LOCAL: None}


def test_what_the_site_names_is_offered_with_why_it_cannot_be_used(
    slurm: FakeSlurm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launchers, "why_not_launcher", lambda name: None if name == LOCAL else f"No {name}.")
    (tmp_path / "site.toml").write_text("[slurm]\n")
    monkeypatch.setenv("FER_SITE", str(tmp_path / "site.toml"))
    assert offered_launchers() == {LOCAL: None, "slurm": "No slurm."}
    (tmp_path / "site.toml").write_text("[slurm\n")
    assert offered_launchers() == {LOCAL: None, "slurm": "No slurm.", "ray": "No ray."}, "a mistake in it is told"


def test_registered_engines_are_asked_about_their_runs(slurm: FakeSlurm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "_ENGINES", {})
    paths = RunPaths(Path("/runs"), "a-run")
    assert engines.ask_engine("slurm", [paths])["a-run"].text == "slurm can't be asked from here."
    register_launchers()
    slurm.says("squeue", "1|RUNNING|None|fer-a-run\n")
    get_launcher.cache_clear()
    assert engines.ask_engine("slurm", [paths])["a-run"].alive == "yes"
    assert LOCAL not in engines._ENGINES, "the locks of this machine tell"


def test_the_preview_is_of_a_run_to_come(slurm: FakeSlurm) -> None:
    said = preview_start("slurm", Path("/runs"), Path("/data"))
    assert (
        "#SBATCH --output=/runs/new-run/train.log\n" in said
        and "-m core.worker /runs/new-run --data-root /data" in said
    )


def test_neither_torch_nor_ray_is_imported_before_somebody_asks_for_it() -> None:
    code = (
        "import sys, core.jobs.control, core.jobs.launchers.slurm, core.worker, core.team.actions\n"
        "core.jobs.launchers.register_launchers()\n"
        "print(sorted({'torch', 'ray', 'core.jobs.launchers.ray'} & set(sys.modules)))\n"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=PROJECT_ROOT, capture_output=True, text=True, check=True)
    assert result.stdout == "[]\n"
