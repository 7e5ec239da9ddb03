"""What this machine can train on at once: one slot per GPU; without a GPU one for the CPU, or as many as
`FER_CPU_SLOTS` says."""

import os
import platform
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from core.config import available_cores, cpu_slots


@dataclass(frozen=True)
class Slot:
    """One place for one run at a time."""

    name: str
    """`gpu-<index>`, or `cpu`, or `cpu-<index>` where the CPU is shared; also names its lock file."""
    title: str
    """What it is, in words."""
    cuda_visible_devices: str
    """What the worker's `CUDA_VISIBLE_DEVICES` is set to; empty for the CPU."""
    threads: int = 0
    """CPU threads for a run that does not ask for a number; 0 leaves it to the worker."""


@cache
def list_slots() -> tuple[Slot, ...]:
    """The slots of this machine. Asks `nvidia-smi`, since torch takes seconds to import; honours
    `CUDA_VISIBLE_DEVICES` if it is set.

    Raises:
        ConfigError: `FER_CPU_SLOTS` makes no sense.
    """
    return _gpu_slots() or _cpu_slots(cpu_slots())


def _cpu_slots(number: int) -> tuple[Slot, ...]:
    cores = available_cores()
    if number == 1:
        return (Slot("cpu", f"CPU, {cores} cores: {_cpu_name()}", ""),)
    threads = max(1, cores // number)
    title = f"CPU, {threads} of {cores} cores: {_cpu_name()}"
    return tuple(Slot(f"cpu-{index}", title, "", threads) for index in range(number))


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
