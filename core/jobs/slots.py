"""What this machine can train on at once: one slot per GPU, or one for the CPU."""

import os
import platform
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True)
class Slot:
    """One place for one run at a time."""

    name: str
    """`cpu` or `gpu-<index>`; also names its lock file."""
    title: str
    """What it is, in words."""
    cuda_visible_devices: str
    """What the worker's `CUDA_VISIBLE_DEVICES` is set to; empty for the CPU."""


@cache
def list_slots() -> tuple[Slot, ...]:
    """The slots of this machine. Asks `nvidia-smi`, since torch takes seconds to import; honours
    `CUDA_VISIBLE_DEVICES` if it is set."""
    return _gpu_slots() or (Slot("cpu", f"CPU, {cpu_count()} cores: {_cpu_name()}", ""),)


def cpu_count() -> int:
    """Cores this process may use, which in a container are fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _gpu_slots() -> tuple[Slot, ...]:
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None and visible.strip() in ("", "-1", "NoDevFiles"):
        return ()
    command = ["nvidia-smi", "--query-gpu=index,uuid,name", "--format=csv,noheader"]
    try:
        listing = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return ()
    wanted = None if visible is None else [part.strip() for part in visible.split(",")]
    slots = []
    for line in listing.splitlines():
        index, uuid, name = (part.strip() for part in f"{line},,".split(",")[:3])
        if not index.isdecimal():
            continue  # it says in words that there is none
        if wanted is None or index in wanted or any(uuid.startswith(part) for part in wanted if part[:4] == "GPU-"):
            slots.append(Slot(f"gpu-{index}", name, uuid))
    return tuple(slots)


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names and names[0] != "unknown" else platform.machine()
