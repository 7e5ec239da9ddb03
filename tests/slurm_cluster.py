"""A real Slurm on this machine for tests: one controller and two nodes of one CPU and one fake GPU each, on 127.0.0.1.

It needs Debian's packages `slurm-wlm` and `munge`, and root, as whom Slurm and its nodes then run.
"""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from core.jobs.launchers import get_launcher, register_launchers
from tests.conftest import wait_for

DAEMONS = ("slurmctld", "slurmd", "munged")
PATIENCE_SECONDS = 120.0


def why_no_cluster() -> str | None:
    """Why there can be no such cluster here; None if there can."""
    missing = [name for name in DAEMONS if shutil.which(name, path=_path()) is None]
    if missing:
        return f"{', '.join(missing)} not installed: apt-get install slurm-wlm munge"
    return None if os.geteuid() == 0 else "a Slurm of one's own needs root"


def _path() -> str:
    """Debian keeps daemons where only root looks for them."""
    return f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


class SlurmCluster:
    """A cluster that lives for one test.

    Args:
        folder: an empty one for all that it writes.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.conf = folder / "slurm.conf"
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        """Bring it up, and wait until both nodes are idle."""
        for name in ("state", "log", "munge"):
            (self.folder / name).mkdir(mode=0o700)
        key = self.folder / "munge" / "key"
        key.write_bytes(secrets.token_bytes(1024))
        key.chmod(0o400)
        self.conf.write_text(_configuration(self.folder))
        nodes = (("n1", "/dev/null"), ("n2", "/dev/zero"))
        (self.folder / "gres.conf").write_text("".join(f"NodeName={n} Name=gpu File={file}\n" for n, file in nodes))
        munge = [f"--{name}={self.folder}/munge/{name}" for name in ("socket", "seed-file", "log-file", "pid-file")]
        self._run("munged", "--foreground", "--force", f"--key-file={key}", *munge)
        wait_for((self.folder / "munge" / "socket").exists, PATIENCE_SECONDS, "munged")
        self.start_controller()
        for node, _ in nodes:
            self._run(f"slurmd-{node}", "-D", "-N", node, "-f", str(self.conf))
        wait_for(lambda: set(self.ask("sinfo", "-h", "-o", "%t").split()) == {"idle"}, PATIENCE_SECONDS, "two nodes")

    def start_controller(self) -> None:
        """Start the controller, also again: it goes on with the jobs it had."""
        self._run("slurmctld", "-D", "-f", str(self.conf))

    def stop_controller(self) -> None:
        """As for maintenance: the nodes and what runs on them go on."""
        controller = self._daemons.pop("slurmctld")
        controller.terminate()  # killed, it would have forgotten its last five seconds
        controller.wait(PATIENCE_SECONDS)

    def freeze_controller(self) -> None:
        """It takes connections, and answers none."""
        self._daemons["slurmctld"].send_signal(signal.SIGSTOP)

    def thaw_controller(self) -> None:
        """It goes on."""
        self._daemons["slurmctld"].send_signal(signal.SIGCONT)

    def ask(self, command: str, *arguments: str) -> str:
        """What one of Slurm's commands prints; nothing where it fails."""
        environment = {**os.environ, "SLURM_CONF": str(self.conf)}
        done = subprocess.run(
            [command, *arguments],
            env=environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        return done.stdout

    def said(self) -> str:
        """The end of what its daemons have logged."""
        logs = sorted((self.folder / "log").iterdir())
        return "\n".join(f"== {log.name}\n{log.read_text(errors='replace')[-6000:]}" for log in logs)

    def stop(self) -> None:
        """End all jobs and daemons."""
        if "slurmctld" in self._daemons:
            self.thaw_controller()
            self.ask("scancel", "--user=root")
            self.ask("scancel", "--user=root", "--signal=KILL", "--full")
        for daemon in reversed(list(self._daemons.values())):
            daemon.terminate()
            try:
                daemon.wait(3)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()

    def _run(self, name: str, *arguments: str) -> None:
        program = shutil.which(name.split("-")[0], path=_path())
        assert program
        with (self.folder / "log" / f"{name}.log").open("ab") as log:
            # Nothing of a job that this test may itself be in, and no way to the run for those that kill by folder.
            self._daemons[name] = subprocess.Popen(
                [program, *arguments], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )


@contextmanager
def running_cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[SlurmCluster]:
    """A cluster that this process, and what it starts, uses; the test is skipped where there can be none."""
    if reason := why_no_cluster():
        pytest.skip(reason)
    folder = Path(tempfile.mkdtemp(prefix="slurm-"))  # a socket has no room for the path of a test's own folder
    cluster = SlurmCluster(folder)
    monkeypatch.setenv("SLURM_CONF", str(cluster.conf))
    (folder / "site.toml").write_text("[slurm]\npartition = 'main'\ngpus = 1\ncpus = 1\ntime_limit = '1:00:00'\n")
    monkeypatch.setenv("FER_SITE", str(folder / "site.toml"))
    get_launcher.cache_clear()
    register_launchers()
    try:
        cluster.start()
        yield cluster
    except BaseException:
        print(cluster.said())
        raise
    finally:
        cluster.stop()
        get_launcher.cache_clear()
        shutil.rmtree(folder, ignore_errors=True)


def _configuration(folder: Path) -> str:
    host, ports = socket.gethostname().split(".")[0], _free_ports(3)
    nodes = "\n".join(
        f"NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs=1 RealMemory=2000 Gres=gpu:1"
        for node, port in zip(("n1", "n2"), ports[1:], strict=True)
    )
    return f"""\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
AuthType=auth/munge
# A requeued job starts again when its old credential has expired: by default after two minutes.
AuthInfo=socket={folder}/munge/socket,cred_expire=6
CredType=cred/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
ReturnToService=2
SlurmUser=root
SlurmdUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/log/slurmctld
SlurmdLogFile={folder}/log/slurmd-%n
SchedulerType=sched/backfill
SchedulerParameters=bf_interval=5,sched_interval=5
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
GresTypes=gpu
{nodes}
PartitionName=main Nodes=n1,n2 Default=YES MaxTime=INFINITE State=UP
"""


def _free_ports(count: int) -> Sequence[int]:
    """Ports of 127.0.0.1 that nobody listens on at this moment."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()
