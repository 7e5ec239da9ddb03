"""GPUs that are listed but that PyTorch cannot use: found out by a process that tries, since torch takes seconds to
import, and recorded in `.queue/gpus.json` for all who ask."""

import json
import logging
import os
import subprocess
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict

from core.errors import system_reason
from core.files import make_folder, read_regular, write_json
from core.machine import boot_id
from core.processes import start_module
from core.runs.paths import QueuePaths

CHECK: Final = "core.models.device"
"""The module that tries one GPU."""
CHECK_SECONDS: Final = 120.0
_DRIVER: Final = Path("/proc/driver/nvidia/version")

log = logging.getLogger(__name__)


class _Record(BaseModel):
    """`.queue/gpus.json`."""

    model_config = ConfigDict(extra="ignore")

    about: dict[str, str]
    """What the answer depends on: it holds as long as this is the same."""
    unusable: dict[str, str]
    """Why PyTorch cannot use a GPU, by its title."""


def unusable_gpus(runs_root: Path, gpus: Mapping[str, str]) -> dict[str, str]:
    """Why PyTorch cannot use some of this machine's GPUs, by title, as last recorded; empty where nothing is.

    Args:
        runs_root: the folder of all runs.
        gpus: title and UUID of one GPU of each kind.
    """
    record = _recorded(runs_root)
    return record.unusable if record and record.about == _about(gpus) else {}


def check_gpus(runs_root: Path, gpus: Mapping[str, str]) -> None:
    """Try each of these GPUs and record which cannot be used; takes seconds. What was recorded as usable is not tried
    again before the machine, its driver or PyTorch changes; the others are, since somebody may have mended them.

    Args:
        runs_root: the folder of all runs, which must exist.
        gpus: title and UUID of one GPU of each kind: what PyTorch can use depends on nothing else.
    """
    about, record = _about(gpus), _recorded(runs_root)
    if not gpus or (record and record.about == about and not record.unusable):
        return
    reasons = {title: _try(uuid) for title, uuid in gpus.items()}
    record = _Record(about=about, unusable={title: reason for title, reason in reasons.items() if reason})
    queue = QueuePaths(runs_root)
    try:
        make_folder(queue.folder)
        write_json(queue.gpus, record.model_dump())
    except OSError as error:
        log.warning("gpus.json can't be written: %s", system_reason(error))


def _try(uuid: str) -> str:
    """Why PyTorch cannot use the GPU of this UUID; empty where it can, or where nobody can tell: its worker will."""
    said = ""
    try:
        with start_module(
            CHECK,
            environment={**os.environ, "CUDA_VISIBLE_DEVICES": uuid},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process:
            try:
                out, err = process.communicate(timeout=CHECK_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
        said = err.decode(errors="replace").strip()[-1000:]
        return str(json.loads(out)["reason"])
    except (OSError, subprocess.SubprocessError, ValueError, KeyError, TypeError) as error:
        log.warning("%s can't be checked: %s", uuid, said or error)
    return ""


def _recorded(runs_root: Path) -> _Record | None:
    try:
        return _Record.model_validate_json(read_regular(QueuePaths(runs_root).gpus))
    except (OSError, ValueError):  # nothing yet, or of another version
        return None


def _about(gpus: Mapping[str, str]) -> dict[str, str]:
    try:
        driver = _DRIVER.read_text(errors="replace")
    except OSError:  # as in WSL
        driver = ""
    return {"boot": boot_id(), "driver": driver, "torch": metadata.version("torch"), **gpus}
