"""The shipped files of a team server, with the places of this machine in them."""

import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from core.bench.server import free_port
from dashboard.deploy.health import health_request
from tests.conftest import PROJECT_ROOT, wait_for
from tests.listeners import make_certificate

KIT = PROJECT_ROOT / "dashboard" / "deploy"
HOST = "fer.example.org"


def unit_commands(unit: str, replaced: Mapping[str, str]) -> tuple[list[list[str]], dict[str, str]]:
    """What a unit runs, the command that stays being the last, and the environment that it sets.

    Args:
        unit: the file's name.
        replaced: text to what stands in its place on this machine.
    """
    text = (KIT / unit).read_text()
    for old, new in replaced.items():
        assert old in text, f"{unit} does not name {old}"
        text = text.replace(old, new)
    entries = [line.partition("=")[::2] for line in text.splitlines() if re.match(r"[A-Z]\w+=", line)]
    commands = [shlex.split(value.lstrip("-")) for name, value in entries if name in ("ExecStartPre", "ExecStart")]
    environment = [
        part.partition("=")[::2] for name, value in entries if name == "Environment" for part in value.split()
    ]
    return commands, dict(environment)


def env_file(text: str) -> dict[str, str]:
    """What systemd and compose read from a file of variables."""
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return {name: value for name, _, value in (line.partition("=") for line in lines)}


@dataclass
class Served:
    """A dashboard that is up as the kit puts it up."""

    port: int
    environment: dict[str, str]
    runs_root: Path
    log: Path
    commands: list[list[str]]


@contextmanager
def web_server(folder: Path, base_path: str = "") -> Iterator[Served]:
    """The web server of the kit: its unit's command, with `fer.env`."""
    port = free_port()
    (folder / "home").mkdir(exist_ok=True)
    replaced = {
        "/opt/fer-dashboard/.venv/bin": str(Path(sys.executable).parent),
        "/srv/fer": str(folder),
        "/var/lib/fer-dashboard": str(folder / "home"),
    }
    [command], environment = unit_commands("fer-dashboard.service", replaced)
    for name in ("runs", "data"):
        (folder / name).mkdir(exist_ok=True)
    own = {
        "STREAMLIT_SERVER_PORT": str(port),
        "STREAMLIT_SERVER_BASE_URL_PATH": base_path,
        "STREAMLIT_SERVER_ALLOWED_HOSTS": f"{HOST} fer.lan",
        "FER_WITHOUT_LOGIN": "1",  # tests/browser/test_login.py has one
    }
    environment = {**environment, **env_file((KIT / "fer.env").read_text()), **own}
    served = Served(port, environment, folder / "runs", folder / "server.log", [command])
    with served.log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=PROJECT_ROOT, env={**os.environ, **environment}, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        wait_for(lambda: is_healthy(environment) or process.poll() is not None, 90, "the server's first answer")
        assert process.poll() is None, served.log.read_text()
        yield served
    finally:
        process.terminate()
        process.wait(20)


def is_healthy(environment: Mapping[str, str]) -> bool:
    """Whether the server answers, as `health.py` asks it."""
    try:
        urllib.request.urlopen(health_request(environment), timeout=2).close()
    except OSError:
        return False
    return True


def need(program: str) -> str:
    """The path of a program; a test without it is skipped."""
    found = shutil.which(program) or shutil.which(program, path="/usr/sbin:/sbin")
    if not found:
        pytest.skip(f"no {program} here: install Debian's package {program}")
    return found


def replaced_all(text: str, pairs: Mapping[str, str]) -> str:
    """A text with others in the place of those it must hold."""
    for old, new in pairs.items():
        assert old in text, f"{old!r} is not there"
        text = text.replace(old, new)
    return text


@contextmanager
def nginx(folder: Path, upstream: int) -> Iterator[int]:
    """nginx with the shipped site, on ports that everybody may open: the one of TLS."""
    program, port, plain = need("nginx"), free_port(), free_port()
    certificate, key = make_certificate(folder, HOST)
    site = replaced_all(
        (KIT / "nginx.conf").read_text(),
        {
            "listen 80;": f"listen 127.0.0.1:{plain};",
            "listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
            "    listen [::]:80;\n": "",
            "    listen [::]:443 ssl http2;\n": "",
            f"/etc/letsencrypt/live/{HOST}/fullchain.pem": str(certificate),
            f"/etc/letsencrypt/live/{HOST}/privkey.pem": str(key),
            "127.0.0.1:8501": f"127.0.0.1:{upstream}",
        },
    )
    paths = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in "client_body proxy fastcgi uwsgi scgi".split())
    (folder / "nginx.conf").write_text(
        f"daemon off;\npid {folder}/nginx.pid;\nerror_log stderr;\nworker_processes 1;\n"
        f"events {{}}\nhttp {{\naccess_log off;\n{paths}{site}\n}}\n"
    )
    with _proxy([program, "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", "stderr"], folder, port):
        yield port


@contextmanager
def caddy(folder: Path, upstream: int) -> Iterator[int]:
    """Caddy with the shipped file, likewise; its own authority signs the certificate."""
    program, port = need("caddy"), free_port()
    options = "{\n\tadmin off\n\tauto_https disable_redirects\n\tskip_install_trust\n\tlocal_certs\n}\n"
    (folder / "Caddyfile").write_text(options + (KIT / "Caddyfile").read_text())
    environment = {
        "FER_HOST": f"{HOST}:{port}",
        "FER_UPSTREAM": f"127.0.0.1:{upstream}",
        "XDG_DATA_HOME": str(folder),
        "XDG_CONFIG_HOME": str(folder),
    }
    command = [program, "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"]
    with _proxy(command, folder, port, environment):
        yield port


@contextmanager
def _proxy(command: list[str], folder: Path, port: int, environment: Mapping[str, str] | None = None) -> Iterator[None]:
    def listens() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    with (folder / "proxy.log").open("wb") as log:
        process = subprocess.Popen(command, env={**os.environ, **(environment or {})}, stdout=log, stderr=log)
    try:
        wait_for(lambda: listens() or process.poll() is not None, 30, "the proxy listening")
        assert process.poll() is None, (folder / "proxy.log").read_text()
        yield
    finally:
        process.terminate()
        process.wait(20)
