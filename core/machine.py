"""What this machine offers: where runs and data live, its cores and its memory, the slots of its CPU, its name, which
boot this is, and which folders other machines may have open, too."""

import os
import re
import resource
import socket
from collections.abc import Iterator
from contextlib import suppress
from functools import cache, lru_cache
from pathlib import Path, PurePosixPath
from typing import Final, NamedTuple

from core.errors import ConfigError, quote
from core.files import PROJECT_ROOT

LOCAL_FILE_SYSTEMS: Final = frozenset(
    "apfs bcachefs btrfs ext2 ext3 ext4 f2fs hfs jfs overlay ramfs reiserfs tmpfs ufs xfs zfs".split()
)
"""Those that one machine has to itself: unless it exports them, no other one can have a file on them open."""

_LOCK_OPTIONS: Final = {
    **dict.fromkeys(("nfs", "nfs4"), ("nolock", "local_lock=flock", "local_lock=all")),
    "lustre": ("localflock",),
    **dict.fromkeys(("cifs", "smb3"), ("nobrl",)),
}
"""Mount options of network file systems with which `flock` works, but tells other machines nothing: see nfs(5),
mount.lustre(8) and mount.cifs(8)."""

_EXPORTS: Final = Path("/var/lib/nfs/etab")
"""What this machine exports over NFS, a folder per line: see exports(5)."""

_MOST_OPEN_FILES: Final = 65_536


def user_path(text: str | Path) -> Path:
    """A path as people type it, where `~` is the home folder.

    Raises:
        ConfigError: it begins with `~`, and there is no such home folder.
    """
    try:
        return Path(text).expanduser()
    except RuntimeError:  # without HOME, and under a user number that has no name, as in a container
        raise ConfigError(
            f"There is no home folder for {quote(str(text))}: use an absolute path, or set HOME."
        ) from None


def default_runs_root() -> Path:
    """Where runs are written: `FER_RUNS_ROOT`, else `runs/` of this checkout.

    Raises:
        ConfigError: it begins with `~`, and there is no such home folder.
    """
    return user_path(os.environ.get("FER_RUNS_ROOT") or PROJECT_ROOT / "runs").resolve()


def default_data_root() -> Path:
    """Where imported datasets are cached: `FER_DATA_ROOT`, else `data/` of this checkout (ignored by git).

    Raises:
        ConfigError: it begins with `~`, and there is no such home folder.
    """
    return user_path(os.environ.get("FER_DATA_ROOT") or PROJECT_ROOT / "data").resolve()


def cpu_slots() -> int:
    """How many runs a machine without a GPU trains at once: `FER_CPU_SLOTS`, else one.

    Raises:
        ConfigError: it is not a number from 1 to 64.
    """
    text = os.environ.get("FER_CPU_SLOTS") or "1"
    if not re.fullmatch(r"[0-9]{1,2}", text) or not 1 <= int(text) <= 64:
        raise ConfigError(f"FER_CPU_SLOTS must be a number from 1 to 64 (got {text!r}).")
    return int(text)


JOB_CORES_VARIABLE: Final = "FER_JOB_CORES"
"""How many cores a job of Ray was given, which Ray itself does not say."""


def available_cores() -> int:
    """Cores this process may use: in a container often fewer than the machine has, as a set of cores (`--cpuset-cpus`)
    or as a share of their time (`--cpus`, Kubernetes limits). Of a share, whole cores count, at least one: a thread
    more would only have the kernel pause them all. In a job of Slurm or Ray, those allocated to it, also where nothing
    keeps it to them."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    for allocated in (os.environ.get("SLURM_CPUS_ON_NODE", ""), os.environ.get(JOB_CORES_VARIABLE, "")):
        if allocated.isdecimal() and int(allocated):
            cores = min(cores, int(allocated))
    quota = cpu_quota()
    return cores if quota is None else max(1, min(cores, int(quota)))


def cpu_quota(proc: Path = Path("/proc/self")) -> float | None:
    """How many cores' time the control groups of this process may use per second, versions 1 and 2; None without limit.

    A group has no more than the groups around it, so the smallest quota counts. See cgroups(7) and
    https://docs.kernel.org/admin-guide/cgroup-v2.html.

    Args:
        proc: the folder of a process in procfs.
    """
    quotas = [quota for group in _control_groups(proc, "cpu") if (quota := _quota_of(group)) is not None]
    return min(quotas, default=None)


def _quota_of(group: Path) -> float | None:
    """The quota of one control group: `cpu.max` of version 2 holds "max 100000" or "50000 100000", microseconds of
    computing per period; version 1 has a file for each."""
    try:
        if (file := group / "cpu.max").is_file():
            quota, period = file.read_text().split()
        else:
            quota, period = ((group / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
        return int(quota) / int(period) if int(quota) > 0 else None
    except (OSError, ValueError, ZeroDivisionError):  # no such file, as at the root, or "max"
        return None


def memory_bytes(proc: Path = Path("/proc/self")) -> int:
    """Bytes of memory that this process may use: those of the machine, or the smallest limit of its control groups.

    Args:
        proc: the folder of a process in procfs.
    """
    import psutil

    limits = [limit for group in _control_groups(proc, "memory") if (limit := _memory_limit_of(group)) is not None]
    return min([int(psutil.virtual_memory().total), *limits])


def _memory_limit_of(group: Path) -> int | None:
    """The limit of one control group: `memory.max` of version 2 holds a number or "max"; version 1 has a number in any
    case, an absurdly large one without limit."""
    for name in ("memory.max", "memory.limit_in_bytes"):
        with suppress(OSError, ValueError):
            return int((group / name).read_text())
    return None


def _control_groups(proc: Path, controller: str) -> Iterator[Path]:
    """The folders of the control groups that a process is in and that are visible to it, for each version: its own and
    those around it.

    Args:
        proc: the folder of a process in procfs.
        controller: what the groups of version 1 limit, such as `cpu`.
    """
    try:
        memberships = (proc / "cgroup").read_text().splitlines()
        mounts = (proc / "mountinfo").read_text().splitlines()
    except OSError:
        return
    groups = {}
    for line in memberships:  # "4:cpu,cpuacct:/path" of version 1, "0::/path" of version 2
        _, controllers, path = line.split(":", 2)
        if not controllers or controller in controllers.split(","):
            groups["cgroup" if controllers else "cgroup2"] = PurePosixPath(path)
    for line in mounts:  # "33 24 0:28 /root /mounted/at rw - cgroup cgroup rw,cpu,cpuacct"
        fields, _, system = line.partition(" - ")
        root, mounted = fields.split()[3:5]
        kind, _, options = system.split(" ", 2)
        if kind in groups and (kind == "cgroup2" or controller in options.split(",")):
            group = groups[kind]  # seen from the root of the hierarchy, of which a container may have a part mounted
            inside = group.relative_to(root) if group.is_relative_to(root) else PurePosixPath()
            below = [PurePosixPath()] if ".." in inside.parts else [inside, *inside.parents]
            yield from (Path(mounted) / each for each in below)


def thread_share(*, beside_runs: bool = False) -> int:
    """Default number of CPU threads of one process: this machine's cores, split between the runs that may train on the
    CPU at once. Oversubscribed cores cost more than they bring.

    Args:
        beside_runs: for an evaluation or the server's predictions, which count as one more run.

    Raises:
        ConfigError: `FER_CPU_SLOTS` is invalid.
    """
    return max(1, available_cores() // (cpu_slots() + beside_runs))


@cache
def boot_id() -> str:
    """A name for the time since this machine last started: monotonic clocks compare only within it."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        import psutil

        return f"boot-{psutil.boot_time():.0f}"


def trains_runs() -> bool:
    """Whether this machine has a runner: not with `FER_RUNNER=0`, as where it only shows the runs of a folder in which
    others train."""
    return os.environ.get("FER_RUNNER") != "0"


def host_name() -> str:
    """The name of this machine; in a container, that of the container."""
    return socket.gethostname()


def is_local(folder: Path) -> bool:
    """Whether a folder is on a file system that only this machine can have open, by the kind of it. Then a lock in it
    that is free is held nowhere. False where that is not certain, as on all network file systems, and below what this
    machine exports over NFS: the locks of its clients are not seen here."""
    place, exports = _stat(folder), _stat(_EXPORTS)
    return _is_local(folder, place and place.st_dev, exports and exports.st_mtime_ns)


@lru_cache(maxsize=200)  # asked about every crashed run at every look, and mounts are slow to list
def _is_local(folder: Path, device: int | None, exported: int | None) -> bool:
    """As `is_local`; what else it depends on is another number when something is mounted there or exported."""
    place = folder.resolve()
    return _mount_of(place).kind in LOCAL_FILE_SYSTEMS and not _is_exported(place)


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except OSError:
        return None


def local_lock_option(folder: Path) -> str | None:
    """The mount option that keeps locks in a folder from other machines, such as `nolock`; None if there is none."""
    place = _stat(folder)
    return _local_lock_option(folder, place and place.st_dev)


@lru_cache(maxsize=200)  # asked at each start, and mounts are slow to list
def _local_lock_option(folder: Path, device: int | None) -> str | None:
    """As `local_lock_option`; what is mounted there later has another number."""
    mount = _mount_of(folder.resolve())
    return next((each for each in _LOCK_OPTIONS.get(mount.kind, ()) if each in mount.options), None)


def name_in_files(folder: Path) -> str:
    """What tells the files of this machine from those of others in a folder that they share: its name; empty where no
    other machine can have the folder open."""
    return "" if is_local(folder) else as_file_name(host_name())


def as_file_name(host: str) -> str:
    """The name of a machine in the name of a file, whatever stands in it."""
    return re.sub(r"[^A-Za-z0-9.-]+", "_", host)[:64]


class _Mount(NamedTuple):
    kind: str
    options: list[str]


def _mount_of(place: Path) -> _Mount:
    """What a path is on; of no kind where nobody can tell."""
    import psutil

    mounts = {each.mountpoint: each for each in psutil.disk_partitions(all=True)}  # the last mount counts
    above = [mount for mount in mounts if place.is_relative_to(mount)]
    if not above:
        return _Mount("", [])
    found = mounts[max(above, key=len)]
    return _Mount(found.fstype.lower(), found.opts.split(","))


def _is_exported(place: Path) -> bool:
    try:
        lines = _EXPORTS.read_text("utf-8", errors="replace").splitlines()
    except OSError:
        return False
    exported = (re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), line.split("\t")[0]) for line in lines)
    return any(each and place.is_relative_to(each) for each in exported)


def raise_open_files_limit() -> int:
    """Let this process open as many files as the system allows it to, within reason; the limit from now on.

    Each open tab takes four, and the usual soft limit of 1,024 is there for programs that still use `select`.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST_OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, _MOST_OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):  # refused in some sandboxes: then the old one stays
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]
