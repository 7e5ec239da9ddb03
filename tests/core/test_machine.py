"""The cores of this machine are counted, and divided between processes, in one place; whose folders are whose."""

import ast
import os
import resource
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from core import machine
from core.errors import ConfigError
from core.machine import (
    JOB_CORES_VARIABLE,
    available_cores,
    cpu_quota,
    default_runs_root,
    is_local,
    local_lock_option,
    memory_bytes,
    name_in_files,
    thread_share,
    user_path,
)
from tests.conftest import PROJECT_ROOT

COUNTING = {"cpu_count", "process_cpu_count", "sched_getaffinity"}
RECORDING = ("core/runs/environment.py", "core/bench/pages.py", "dashboard/views/run/environment.py")
"""These write down, or show, how many cores the machine has, whoever may use them."""


def divisions_of_cores(root: Path) -> list[str]:
    """Where cores are counted or divided, but for `core/machine.py`."""
    found = []
    for path in sorted(each for top in ("core", "dashboard") for each in (root / top).rglob("*.py")):
        name = str(path.relative_to(root))
        if name == "core/machine.py":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            counts = isinstance(node, ast.Attribute | ast.Name) and ast.unparse(node).split(".")[-1] in COUNTING
            divides = isinstance(node, ast.BinOp) and "available_cores()" in ast.unparse(node)
            if divides or (counts and name not in RECORDING):
                found.append(f"{name}:{node.lineno}")
    return found


def test_cores_are_divided_nowhere_else() -> None:
    assert divisions_of_cores(PROJECT_ROOT) == []


@pytest.mark.parametrize("text", ["import os\nn = os.cpu_count() // 2\n", "n = available_cores() - 1\n"])
def test_a_second_division_is_noticed(text: str, tmp_path: Path) -> None:
    (tmp_path / "core" / "jobs").mkdir(parents=True)
    (tmp_path / "core" / "jobs" / "x.py").write_text(text)
    assert divisions_of_cores(tmp_path)


@pytest.mark.parametrize(
    ("cores", "slots", "beside", "share"), [(8, 1, False, 8), (8, 1, True, 4), (8, 3, True, 2), (2, 4, False, 1)]
)
def test_each_process_gets_an_equal_share_and_at_least_one(
    cores: int, slots: int, beside: bool, share: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.machine.available_cores", lambda: cores)
    monkeypatch.setenv("FER_CPU_SLOTS", str(slots))
    assert thread_share(beside_runs=beside) == share


@pytest.mark.parametrize("variable", ["SLURM_CPUS_ON_NODE", JOB_CORES_VARIABLE])
@pytest.mark.parametrize(("allocated", "cores"), [("1", 1), ("4096", None), ("0", None), ("two", None), ("", None)])
def test_a_job_of_an_engine_has_the_cores_that_were_allocated_to_it(
    allocated: str, cores: int | None, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SLURM_CPUS_ON_NODE", JOB_CORES_VARIABLE):
        monkeypatch.delenv(name, raising=False)
    before = available_cores()
    monkeypatch.setenv(variable, allocated)
    assert available_cores() == (cores or before)


# --- quotas: what `docker run --cpus` and Kubernetes limits set


def process_in(folder: Path, membership: str, mount: str, files: dict[str, str]) -> Path:
    """The procfs folder of a process in a control group, and the files of the hierarchy, which is mounted at
    `folder`/fs."""
    for name, text in files.items():
        file = folder / "fs" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{text}\n")
    (folder / "cgroup").write_text(f"12:pids:/elsewhere\n{membership}\n")
    others = "22 1 0:20 / /proc rw,nosuid - proc proc rw\n35 30 0:31 / /x rw shared:9 - cgroup cgroup rw,cpuset\n"
    (folder / "mountinfo").write_text(others + mount.replace("AT", str(folder / "fs")) + "\n")
    return folder


V1 = "33 30 0:29 / AT rw,nosuid shared:8 - cgroup cgroup rw,cpu,cpuacct"
V2 = "30 22 0:26 / AT rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate"


@pytest.mark.parametrize(
    ("membership", "mount", "files", "quota"),
    [
        ("0::/", V2, {"cpu.max": "150000 100000"}, 1.5),
        ("0::/", V2, {"cpu.max": "max 100000"}, None),
        ("0::/", V2, {}, None),
        ("0::/kubepods/pod1/c", V2, {"kubepods/pod1/c/cpu.max": "max 100000", "kubepods/pod1/cpu.max": "2 1"}, 2.0),
        ("0::/a/b", V2, {"a/cpu.max": "300000 100000", "a/b/cpu.max": "400000 100000"}, 3.0),
        ("0::/../other", V2, {"cpu.max": "100000 50000"}, 2.0),
        ("4:cpu,cpuacct:/", V1, {"cpu.cfs_quota_us": "50000", "cpu.cfs_period_us": "100000"}, 0.5),
        ("4:cpu,cpuacct:/", V1, {"cpu.cfs_quota_us": "-1", "cpu.cfs_period_us": "100000"}, None),
        ("4:cpu:/docker/1", V1, {"docker/1/cpu.cfs_quota_us": "200000", "docker/1/cpu.cfs_period_us": "100000"}, 2.0),
        # a container of version 1 without a namespace of its own: its group is mounted as the root
        (
            "4:cpu:/docker/1",
            V1.replace(" / AT", " /docker/1 AT"),
            {"cpu.cfs_quota_us": "300000", "cpu.cfs_period_us": "100000"},
            3.0,
        ),
        ("4:cpuset:/", V1, {"cpu.cfs_quota_us": "50000", "cpu.cfs_period_us": "100000"}, None),
        ("0::/", V2, {"cpu.max": "nonsense"}, None),
    ],
)
def test_a_quota_of_a_control_group_is_found(
    tmp_path: Path, membership: str, mount: str, files: dict[str, str], quota: float | None
) -> None:
    assert cpu_quota(process_in(tmp_path, membership, mount, files)) == quota


def test_where_there_are_no_control_groups_there_is_no_quota(tmp_path: Path) -> None:
    assert cpu_quota(tmp_path) is None


@pytest.mark.parametrize(
    ("membership", "mount", "files", "limit"),
    [
        ("0::/a/b", V2, {"a/memory.max": "3000000", "a/b/memory.max": "max"}, 3_000_000),
        ("0::/", V2, {}, None),
        ("4:memory:/", V1.replace("cpu,cpuacct", "memory"), {"memory.limit_in_bytes": "2000000"}, 2_000_000),
        ("4:memory:/", V1.replace("cpu,cpuacct", "memory"), {"memory.limit_in_bytes": "9223372036854771712"}, None),
    ],
)
def test_a_limit_of_memory_is_found(
    tmp_path: Path, membership: str, mount: str, files: dict[str, str], limit: int | None
) -> None:
    expected = limit or psutil.virtual_memory().total
    assert memory_bytes(process_in(tmp_path, membership, mount, files)) == expected


@pytest.mark.parametrize(("quota", "cores"), [(None, 8), (0.5, 1), (1.9, 1), (3.0, 3), (64.0, 8)])
def test_a_quota_counts_as_whole_cores(monkeypatch: pytest.MonkeyPatch, quota: float | None, cores: int) -> None:
    monkeypatch.setattr("core.machine.cpu_quota", lambda: quota)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    assert available_cores() == cores


def test_a_real_quota_is_seen_by_a_real_process(one_cpu: Path) -> None:
    join = f"echo $$ > {one_cpu}/cgroup.procs && exec {sys.executable} -c"
    code = "from core.machine import available_cores, cpu_quota; print(cpu_quota(), available_cores())"
    result = subprocess.run(
        ["sh", "-c", f'{join} "{code}"'], cwd=PROJECT_ROOT, capture_output=True, text=True, check=True
    )
    assert result.stdout.split() == ["1.0", "1"]


# --- folders


@pytest.mark.parametrize(
    ("folder", "local"),
    [
        ("/data/runs", True),
        ("/data/shared/runs", False),
        ("/data/shared-not/runs", True),
        ("/cluster/runs", False),
        ("/over/runs", False),
    ],
)
def test_a_folder_is_local_by_the_file_system_it_is_on(
    monkeypatch: pytest.MonkeyPatch, folder: str, local: bool
) -> None:
    mounts = {"/": "overlay", "/data": "ext4", "/data/shared": "nfs4", "/cluster": "lustre"}
    listed = [*mounts.items(), ("/over", "xfs"), ("/over", "fuse.sshfs")]
    partitions = [SimpleNamespace(mountpoint=place, fstype=kind, opts="rw") for place, kind in listed]
    monkeypatch.setattr("psutil.disk_partitions", lambda all: partitions)
    assert is_local(Path(folder)) is local


@pytest.mark.parametrize(
    ("kind", "options", "found"),
    [
        ("nfs4", "rw,relatime,vers=4.2,hard,local_lock=none", None),
        ("nfs", "rw,vers=3,nolock,local_lock=all", "nolock"),
        ("nfs", "rw,vers=3,local_lock=flock", "local_lock=flock"),
        ("nfs", "rw,vers=3,local_lock=posix", None),  # flock still asks the server
        ("lustre", "rw,localflock", "localflock"),
        ("lustre", "rw,flock", None),
        ("cifs", "rw,nobrl", "nobrl"),
        ("ext4", "rw,nolock", None),
    ],
)
def test_a_mount_whose_locks_stay_on_one_machine_is_known_by_its_options(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: str, options: str, found: str | None
) -> None:
    partitions = [
        SimpleNamespace(mountpoint="/", fstype="nfs", opts="nolock"),
        SimpleNamespace(mountpoint=str(tmp_path), fstype=kind, opts=options),
    ]
    monkeypatch.setattr("psutil.disk_partitions", lambda all: partitions)
    assert local_lock_option(tmp_path / "runs") == found


def test_what_this_machine_exports_is_not_its_own_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The locks of its clients are not seen on the server."""
    monkeypatch.setattr("psutil.disk_partitions", lambda all: [SimpleNamespace(mountpoint="/", fstype="xfs", opts="")])
    exports, shared = tmp_path / "etab", tmp_path / "with space"
    monkeypatch.setattr(machine, "_EXPORTS", exports)
    assert is_local(shared / "runs")
    exports.write_text(f"/other\t*(rw)\n{str(shared).replace(' ', chr(92) + '040')}\t10.0.0.0/24(rw,sync)\n")
    assert not is_local(shared / "runs") and not is_local(shared)
    assert is_local(tmp_path)


def test_the_files_of_a_machine_have_its_name_where_others_may_have_theirs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(machine, "host_name", lambda: "Node 1.example.org")
    assert name_in_files(tmp_path / "local") == ""
    monkeypatch.setattr(machine, "is_local", lambda _: False)
    assert name_in_files(tmp_path / "shared") == "Node_1.example.org"


def test_without_a_home_folder_a_path_with_a_tilde_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert user_path("~/runs") == tmp_path / "runs"
    with pytest.raises(ConfigError, match="There is no home folder for '~nobody-of-this-name/runs'"):
        user_path("~nobody-of-this-name/runs")
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(os, "getuid", lambda: 54_321)  # a number that has no name
    monkeypatch.setenv("FER_RUNS_ROOT", "~/runs")
    with pytest.raises(ConfigError, match="or set HOME"):
        default_runs_root()


def test_a_server_may_open_as_many_files_as_the_system_allows() -> None:
    allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    hard = 4096 if allowed == resource.RLIM_INFINITY else min(4096, allowed)
    code = (
        f"import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (256, {hard}))\n"
        "from core.machine import raise_open_files_limit; print(raise_open_files_limit())"
    )
    said = subprocess.run([sys.executable, "-c", code], cwd=PROJECT_ROOT, capture_output=True, text=True, check=True)
    assert int(said.stdout) == hard
