"""What this machine can train on at once: one slot per GPU, or per slice of one that is cut into slices (MIG); without
a GPU one for the CPU, or as many as `FER_CPU_SLOTS` says."""

import logging
import os
import platform
import re
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from core.jobs.gpus import check_gpus, unusable_gpus
from core.machine import available_cores, cpu_slots, thread_share

_LISTED: Final = re.compile(
    r"GPU (?P<gpu>\d+): (?P<name>.+) \(UUID: (?P<uuid>GPU-[^)]+)\)"
    r"|\s+MIG (?P<profile>\S+)\s+Device\s+(?P<slice>\d+): \(UUID: (?P<slice_uuid>MIG-[^)]+)\)"
)
"""A line of `nvidia-smi -L`: a GPU, or below it one of its slices."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Slot:
    """One place for one run at a time."""

    name: str
    """`gpu-<index>`, `gpu-<index>-mig-<index>` for a slice of one, `cpu`, or `cpu-<index>` where the CPU is shared;
    also names its lock file."""
    title: str
    """What it is, in words."""
    cuda_visible_devices: str
    """What the worker's `CUDA_VISIBLE_DEVICES` is set to; empty for the CPU."""
    notice: str = ""
    """Of the CPU where it takes the place of a GPU: why, in sentences."""


def list_slots(runs_root: Path) -> tuple[Slot, ...]:
    """The slots of this machine. Asks `nvidia-smi`, since torch takes seconds to import; honours
    `CUDA_VISIBLE_DEVICES` if it is set. A GPU counts as usable until `check_slots` has found out that it is not.

    Args:
        runs_root: the folder of all runs, where that is recorded.

    Raises:
        ConfigError: `FER_CPU_SLOTS` makes no sense.
    """
    gpus = gpu_slots()
    unusable = unusable_gpus(runs_root, _kinds(gpus)) if gpus else {}
    return tuple(slot for slot in gpus if slot.title not in unusable) or _cpu_slots(gpu_notice(runs_root))


def check_slots(runs_root: Path) -> None:
    """Find out which of this machine's GPUs PyTorch can use, and record it; takes seconds where there are any."""
    check_gpus(runs_root, _kinds(gpu_slots()))


def gpu_notice(runs_root: Path) -> str:
    """Which GPUs PyTorch cannot use, why, and what to do, in sentences; empty where there is nothing to say."""
    gpus = gpu_slots()
    unusable = unusable_gpus(runs_root, _kinds(gpus)) if gpus else {}
    if not unusable:
        return ""
    where = "the CPU" if all(slot.title in unusable for slot in gpus) else "the other GPUs"
    titles: dict[str, list[str]] = {}
    for title, reason in unusable.items():
        titles.setdefault(reason, []).append(title)
    reasons = [f"PyTorch can't use {' and '.join(those)}: {reason}." for reason, those in titles.items()]
    return (
        f"{' '.join(reasons)} Until then, runs train on {where}. To hide this notice, set CUDA_VISIBLE_DEVICES to the "
        "GPUs to use, or to an empty string."
    )


@cache
def gpu_slots() -> tuple[Slot, ...]:
    """A slot for each GPU, or slice of one, that is listed and may be used, whether PyTorch can use it or not."""
    return _gpu_slots()


def _kinds(gpus: tuple[Slot, ...]) -> dict[str, str]:
    """Title and UUID of the first GPU of each kind."""
    kinds: dict[str, str] = {}
    for slot in gpus:
        kinds.setdefault(slot.title, slot.cuda_visible_devices)
    return kinds


def _cpu_slots(notice: str = "") -> tuple[Slot, ...]:
    number, cores = cpu_slots(), available_cores()
    of_all = f"{cores} core{'' if cores == 1 else 's'}: {_cpu_name()}"
    if number == 1:
        return (Slot("cpu", f"CPU, {of_all}", "", notice),)
    return tuple(Slot(f"cpu-{index}", f"CPU, {thread_share()} of {of_all}", "", notice) for index in range(number))


def _gpu_slots() -> tuple[Slot, ...]:
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None and visible.strip() in ("", "-1", "NoDevFiles"):
        return ()
    try:
        listing = subprocess.run(
            ["nvidia-smi", "-L"], capture_output=True, text=True, errors="replace", timeout=10, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError):
        listing = ""
    allowed = None if visible is None else [part.strip() for part in visible.split(",")]
    slots = _slots_in(listing, allowed)
    if allowed and not slots:
        log.warning("CUDA_VISIBLE_DEVICES is %r, but nvidia-smi lists no such GPU. Runs train on the CPU.", visible)
    return slots


def _slots_in(listing: str, allowed: list[str] | None) -> tuple[Slot, ...]:
    """The slots among what `nvidia-smi -L` lists; of these the `allowed`, by index or UUID, if there is such a list.

    A process sees one slice at most, whatever it is given: so each slice is a slot, and the GPU around it is none.
    """
    gpus: list[tuple[Slot, list[Slot]]] = []
    for found in filter(None, map(_LISTED.match, listing.splitlines())):
        if found["gpu"]:
            gpus.append((Slot(f"gpu-{found['gpu']}", found["name"], found["uuid"]), []))
        elif gpus:
            whole, slices = gpus[-1]
            title = f"{whole.title}, slice {found['profile']}"
            slices.append(Slot(f"{whole.name}-mig-{found['slice']}", title, found["slice_uuid"]))
    slots = []
    for whole, slices in gpus:
        if allowed is None or any(_names(part, whole) for part in allowed):
            slots += slices or [whole]
        else:
            slots += [each for part in dict.fromkeys(allowed) if (each := _slice_named(part, whole, slices))]
    return tuple(slots)


def _names(part: str, gpu: Slot) -> bool:
    """Whether it is this GPU's index or UUID, of which the first digits do."""
    return part == gpu.name.removeprefix("gpu-") or (part[:4] == "GPU-" and gpu.cuda_visible_devices.startswith(part))


def _slice_named(part: str, gpu: Slot, slices: list[Slot]) -> Slot | None:
    """The slice of this GPU that has this UUID, or the older form of one, `MIG-<GPU>/<instance>/<part of it>`."""
    listed = next((each for each in slices if each.cuda_visible_devices == part), None)
    older = re.fullmatch(rf"MIG-{re.escape(gpu.cuda_visible_devices)}/(\d+)/(\d+)", part)
    if listed or not older:
        return listed
    return Slot(f"{gpu.name}-mig-{older[1]}-{older[2]}", f"{gpu.title}, slice {older[1]}/{older[2]}", part)


@cache
def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names and names[0] != "unknown" else platform.machine()
