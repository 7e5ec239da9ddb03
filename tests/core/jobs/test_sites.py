"""The settings of a site: what its file may say, and the one sentence about what it may not."""

from pathlib import Path

import pytest

from core.errors import ConfigError
from core.jobs.sites import SiteSettings, SlurmSettings, read_site


def write(folder: Path, text: str) -> Path:
    path = folder / "site.toml"
    path.write_text(text)
    return path


def test_without_a_file_no_launcher_is_set_up(tmp_path: Path) -> None:
    assert read_site(tmp_path / "site.toml") == SiteSettings(slurm=None, ray=None)


def test_the_variable_names_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FER_SITE", str(write(tmp_path, "[slurm]\npartition = 'gpu'\n")))
    assert read_site().slurm == SlurmSettings(partition="gpu")


@pytest.mark.parametrize("limit", ["", "10", "600:00", "00:10:00", "0-1", "1-00:00:00", "2-12", "90"])
def test_time_limits_are_written_as_slurm_takes_them(tmp_path: Path, limit: str) -> None:
    site = read_site(write(tmp_path, f"[slurm]\ntime_limit = '{limit}'\n"))
    assert site.slurm and site.slurm.time_limit == limit


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("partition = 'gpu; rm -rf'", "slurm.partition: it must be a name of letters, digits and _ . , @ + -."),
        ("account = 7", "slurm.account: Input should be a valid string."),
        ("gpus = 2", "slurm.gpus: Input should be less than or equal to 1."),
        ("cpus = 0", "slurm.cpus: Input should be greater than or equal to 1."),
        ("memory = '16 GB'", "slurm.memory: it must be written like 16G."),
        ("time_limit = '8h'", "slurm.time_limit: it must be written like 08:00:00 or 2-12:00:00."),
        (
            "time_limit = '9:59'",
            "slurm.time_limit: it must be 10 minutes or more: a run is asked to end two minutes before it.",
        ),
        ('python = "a\\nb"', "slurm.python: it must be printable text in one line."),
        ("""container = 'apptainer "exec'""", "slurm.container: it isn't a command (No closing quotation)."),
        ("options = ['-q normal']", "slurm.options.0: each option must be written like --qos=normal."),
        ("options = ['--qos=a', '--output=x']", "slurm.options.1: --output is set by the dashboard itself."),
        ("options = ['--outp=x']", "slurm.options.0: --outp is set by the dashboard itself."),
        *(
            (
                f"options = ['--{name}=north']",
                f"slurm.options.0: --{name} can't be used: jobs are looked for on the cluster of this machine only.",
            )
            for name in ("clusters", "cluster", "clust", "cluster-constraint")
        ),
        ('options = ["--comment=a\\n#SBATCH --wrap=x"]', "slurm.options.0: it must be printable text in one line."),
        ("gpu = 1", "slurm.gpu is not a setting."),
        ("partition = ", "it isn't valid TOML at line 2, column 13."),
    ],
    ids=lambda value: value.split(" ")[0],
)
def test_a_wrong_setting_is_one_sentence(tmp_path: Path, line: str, said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        read_site(write(tmp_path, f"[slurm]\n{line}\n"))
    assert str(refused.value) == f"Can't use site.toml: {said}"


def test_other_options_of_sbatch_are_left_to_the_site(tmp_path: Path) -> None:
    options = [
        "--qos=normal",
        "--time-min=60",
        "--constraint=a100",
        "--no-kill",
        "--export-file=x",
        "--wait-all-nodes=1",
    ]
    site = read_site(write(tmp_path, f"[slurm]\noptions = {options}\n"))
    assert site.slurm and site.slurm.options == options


def test_an_unknown_launcher_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^Can't use site.toml: pbs is not a setting.$"):
        read_site(write(tmp_path, "[pbs]\n"))
