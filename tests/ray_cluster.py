"""A Ray cluster on this machine, for tests: a head and a second node on loopback, each with one CPU and one GPU that is
none, and a token."""

import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from core.bench.server import free_port
from core.errors import RunError
from core.jobs.launchers import ray, register_launchers
from core.jobs.launchers.ray_head import RayHead
from tests.conftest import wait_for

PATIENCE = 240
"""Seconds for anything of a cluster of some twenty processes on two busy cores."""

RAY_ON_LOOPBACK = """
from ray._private import ray_constants, services
services.get_node_ip_address = lambda address=None: "127.0.0.1"
ray_constants.ENABLE_RAY_CLUSTER = True  # this process may start a second node all the same
from ray.scripts.scripts import main
main()
"""
"""The command `ray`. With the setting for systems on which Ray keeps to one machine, all that it starts keeps to
loopback; else it puts an address that others can reach in the place of 127.0.0.1."""


class Cluster:
    """Two nodes of `ray start`, each with all that belongs to it."""

    def __init__(self, *, token: str | None) -> None:
        self.token = token
        self.folder = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))  # sockets in it allow for no long path
        self.port, self.dashboard_port = free_port(), free_port()
        self.address = f"http://127.0.0.1:{self.dashboard_port}"
        self.nodes: dict[str, subprocess.Popen[bytes]] = {}

    def start_head(self) -> None:
        """Start the node that everything is asked of."""
        dashboard = ["--dashboard-host=127.0.0.1", f"--dashboard-port={self.dashboard_port}"]
        head = ["--head", f"--port={self.port}", f"--ray-client-server-port={free_port()}", *dashboard]
        self._start("head", [*head, f"--temp-dir={self.folder}"])
        wait_for(self._answers, PATIENCE, "the head of the cluster")

    def start_second(self) -> None:
        """Start another node, and wait until the head knows it."""
        self._start("second", [f"--address=127.0.0.1:{self.port}"])
        wait_for(lambda: b"Ray runtime started" in self._log("second").read_bytes(), PATIENCE, "the second node")

    def kill(self, name: str, *, spare: Sequence[str] = ()) -> None:
        """Kill all of a node, but not what has one of these texts in its command line."""
        for process, command in self._processes_of(name):
            with suppress(psutil.NoSuchProcess):
                if not any(text in command for text in spare):
                    process.kill()
        self.nodes.pop(name).wait()

    def stop(self) -> None:
        """Leave nothing."""
        for name in list(self.nodes):
            self.kill(name)
        shutil.rmtree(self.folder, ignore_errors=True)

    def processes(self) -> list[tuple[psutil.Process, str]]:
        """All of all nodes, with their command lines."""
        return [found for name in self.nodes for found in self._processes_of(name)]

    def _processes_of(self, name: str) -> list[tuple[psutil.Process, str]]:
        root = psutil.Process(self.nodes[name].pid)
        found = []
        for process in (root, *root.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                found.append((process, " ".join(process.cmdline())))
        return found

    def environment(self) -> dict[str, str]:
        """What makes a node, or a client, one of this cluster."""
        own = {"RAY_AUTH_MODE": "disabled"}
        if self.token:
            own = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": self.token}
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "CUDA_"))}
        return {**inherited, **own, "HOME": str(self.folder), "OMP_NUM_THREADS": "1"}

    def _start(self, name: str, options: list[str]) -> None:
        resources = ["--num-cpus=1", "--num-gpus=1", "--object-store-memory=80000000"]
        ports = [f"--dashboard-agent-listen-port={free_port()}", f"--metrics-export-port={free_port()}"]
        command = [sys.executable, "-c", RAY_ON_LOOPBACK, "start", "--block", "--disable-usage-stats"]
        own = {
            "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
            "RAY_gcs_rpc_server_reconnect_timeout_s": "5",
            "RAY_JOB_START_TIMEOUT_SECONDS": "3600",
        }
        with self._log(name).open("wb") as log:
            self.nodes[name] = subprocess.Popen(
                [*command, "--node-ip-address=127.0.0.1", *resources, *ports, *options],
                env={**self.environment(), **own},
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def _log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def _answers(self) -> bool:
        with suppress(RunError):
            RayHead(self.address).jobs()
            return True
        return False


@contextmanager
def running_cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """Both nodes up; this process, and what it starts, has their token."""
    made = Cluster(token=secrets.token_hex(16))
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN", str(made.token))
    for name in ("RAY_ADDRESS", "RAY_API_SERVER_ADDRESS", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    try:
        made.start_head()
        made.start_second()
        yield made
    finally:
        made.stop()


def name_in_site(cluster: Cluster, site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Write settings of a site that name this cluster, and have them used."""
    site.write_text(f'[ray]\naddress = "{cluster.address}"\ngpus = 1\ncpus = 1\n')
    monkeypatch.setenv("FER_SITE", str(site))
    ray._head_at.cache_clear()
    register_launchers()
