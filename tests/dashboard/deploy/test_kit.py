"""The files of a team server: what they run runs, and what they say of each other is so."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from streamlit import config

from core.files import lock_is_held
from core.jobs.notify.settings import read_settings, settings_file
from core.jobs.sites import read_site, site_file
from core.runs.paths import QueuePaths
from core.team.allow_list import allow_list_path
from tests.conftest import PROJECT_ROOT, wait_for
from tests.core.conftest import processes
from tests.kit import HOST, KIT, env_file, need, unit_commands, web_server

UNITS = ("fer-runner.service", "fer-dashboard.service")


def units_of_this_checkout(folder: Path) -> list[Path]:
    """The units with the programs of this checkout."""
    for name in UNITS:
        text = (KIT / name).read_text()
        (folder / name).write_text(text.replace("/opt/fer-dashboard/.venv/bin", str(Path(sys.executable).parent)))
    return [folder / name for name in UNITS]


def test_systemd_understands_the_units(tmp_path: Path) -> None:
    program, units = need("systemd-analyze"), units_of_this_checkout(tmp_path)
    checked = subprocess.run([program, "verify", *map(str, units)], capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")
    units[0].write_text(units[0].read_text().replace("KillMode=process", "KillMode=none-such"))
    wrong = subprocess.run([program, "verify", *map(str, units)], capture_output=True, text=True, check=False)
    assert "kill mode" in wrong.stderr, "it would say so"


def test_the_units_leave_little_to_whoever_breaks_in(tmp_path: Path) -> None:
    program, units = need("systemd-analyze"), units_of_this_checkout(tmp_path)
    for unit in units:
        command = [program, "security", "--offline=true", "--threshold=45", str(unit)]
        judged = subprocess.run(command, capture_output=True, text=True, check=False)
        assert judged.returncode == 0, judged.stdout[-500:]


def test_the_commands_of_the_units_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The runner on empty folders, as after an installation; then the web server, with `fer.env`."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    for name in ("runs", "data", "home"):
        (tmp_path / name).mkdir()
    places = {
        "/opt/fer-dashboard/.venv/bin": str(Path(sys.executable).parent),
        "/srv/fer": str(tmp_path),
        "/var/lib/fer-dashboard": str(tmp_path / "home"),
    }
    (recover, serve), environment = unit_commands("fer-runner.service", places)
    own = {**os.environ, **environment}
    done = subprocess.run(recover, cwd=PROJECT_ROOT, env=own, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "No interrupted run.\n"
    runner = subprocess.Popen(serve, cwd=PROJECT_ROOT, env=own, stderr=subprocess.DEVNULL)
    queue = QueuePaths(tmp_path / "runs")
    try:
        wait_for(lambda: lock_is_held(queue.runner_lock) or runner.poll() is not None, 60, "the runner")
        assert [each.pid for each in processes(tmp_path / "runs", "core.jobs.runner")] == [runner.pid]
        with web_server(tmp_path) as served:
            assert f"It listens on 127.0.0.1 and answers to {HOST}, fer.lan" in served.log.read_text()
            check = [sys.executable, str(KIT / "health.py")]
            assert subprocess.run(check, env={**os.environ, **served.environment}, check=False).returncode == 0
    finally:
        runner.terminate()
    assert runner.wait(20) == 0


def test_a_runner_whose_folder_is_not_mounted_says_so_and_makes_none(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "core.jobs.runner", "--stay", "--runs-root", str(tmp_path / "gone"), "--data-root"]
    ended = subprocess.run([*command, str(tmp_path)], cwd=PROJECT_ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stderr == f"Can't use the runs folder {tmp_path / 'gone'}: No such file or directory.\n"
    assert not (tmp_path / "gone").exists()


def test_the_variables_are_settings_there_are() -> None:
    lines = [line.lstrip("#") for line in (KIT / "fer.env").read_text().splitlines() if re.match(r"#?[A-Z_]+=", line)]
    known = {option.env_var for option in config._config_options_template.values()}
    ours = {"FER_IMPORT_ROOTS", "FER_NOTIFICATIONS", "FER_WITHOUT_LOGIN"}
    assert {line.partition("=")[0] for line in lines} <= known | ours
    assert env_file("A=1\n#B=2\nC=x=y\n") == {"A": "1", "C": "x=y"}


def test_the_proxies_let_the_largest_upload_through() -> None:
    largest = int(env_file((KIT / "fer.env").read_text())["STREAMLIT_SERVER_MAX_UPLOAD_SIZE"])
    [of_nginx] = re.findall(r"client_max_body_size (\d+)m;", (KIT / "nginx.conf").read_text())
    [of_caddy] = re.findall(r"max_size (\d+)MB", (KIT / "Caddyfile").read_text())
    assert int(of_nginx) > largest * 1.04, "of nginx, a megabyte is 2**20 bytes"
    assert int(of_caddy) > largest * 1.04


def test_the_example_of_notifications_can_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FER_NOTIFICATIONS", str(KIT / "notifications.toml"))
    settings = read_settings()
    assert settings and settings.email
    shown = set(tomllib.loads((KIT / "notifications.toml").read_text()))
    assert shown == set(type(settings).model_fields), "all of them, each with what it is for"


def test_the_example_of_a_site_can_be_used_and_names_all_of_it() -> None:
    site = read_site(KIT / "site.toml")
    shown = tomllib.loads((KIT / "site.toml").read_text())
    for name in type(site).model_fields:
        assert set(shown[name]) == set(type(getattr(site, name)).model_fields), name


def test_compose_and_the_image_name_what_there_is() -> None:
    compose = yaml.safe_load((KIT / "compose.yaml").read_text())
    web, runner = compose["services"]["web"], compose["services"]["runner"]
    assert web["image"] == runner["image"] and web["volumes"] == runner["volumes"]
    assert (KIT / web["build"]["context"] / web["build"]["dockerfile"]).resolve() == KIT / "Dockerfile"
    image = (KIT / "Dockerfile").read_text()
    assert "\nUSER fer\n" in image and image.count("\nFROM ") == 2
    for path in ("requirements.txt", "dashboard/Home.py", "dashboard/deploy/health.py"):
        assert path in image and (PROJECT_ROOT / path).is_file()
    assert compose["services"]["caddy"]["volumes"][0].startswith("./Caddyfile:")
    for secret in ("secrets.toml", "notifications.toml", "site.toml"):
        assert f".streamlit/{secret}" in (KIT / "Dockerfile.dockerignore").read_text()
        assert f".streamlit/{secret}" in (PROJECT_ROOT / ".gitignore").read_text()


def test_containers_see_what_is_saved_over_the_settings_of_the_login(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is mounted by itself stays what it was for them when an editor replaces it; a folder does not."""
    services = yaml.safe_load((KIT / "compose.yaml").read_text())["services"]
    for service in (services["web"], services["runner"]):
        mounted = [volume.split(":") for volume in service["volumes"] if volume.startswith(".")]
        assert mounted == [["./private", "/etc/fer", "ro"]]
        for name, value in service["environment"].items():
            monkeypatch.setenv(name, str(value))
        read = [allow_list_path(), settings_file(), site_file(), Path(os.environ["STREAMLIT_SECRETS_FILES"])]
        assert [path.parent for path in read] == [Path("/etc/fer")] * 4
        assert [path.name for path in read] == ["people.toml", "notifications.toml", "site.toml", "secrets.toml"]
    assert services["web"]["environment"]["STREAMLIT_SERVER_ADDRESS"] == "0.0.0.0"
    for ignored in (KIT / "Dockerfile.dockerignore", PROJECT_ROOT / ".gitignore"):
        assert "dashboard/deploy/private" in [line.rstrip("/") for line in ignored.read_text().splitlines()]


def test_caddy_understands_its_file(tmp_path: Path) -> None:
    command = [need("caddy"), "validate", "--config", str(KIT / "Caddyfile"), "--adapter", "caddyfile"]
    environment = {**os.environ, "XDG_DATA_HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}
    assert subprocess.run(command, env=environment, capture_output=True, check=False).returncode == 0
