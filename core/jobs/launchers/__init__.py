"""What starts a training process: this machine's runner, or the engine of a cluster."""

from collections.abc import Mapping, Sequence
from functools import cache, partial
from importlib import import_module
from pathlib import Path
from typing import Final

from core.errors import ConfigError, FerError, quote
from core.jobs.launchers.base import Launcher
from core.jobs.sites import read_site
from core.runs.engines import Answer, register_engine
from core.runs.paths import RunPaths

LOCAL: Final = "local"

_CLASSES: Final = {LOCAL: "LocalLauncher", "slurm": "SlurmLauncher", "ray": "RayLauncher"}
"""Each in the module of its launcher's name, imported when first asked for: not every machine has Ray."""

LAUNCHERS: Final = tuple(_CLASSES)
PREVIEW_ID: Final = "new-run"
RESTARTING: Final = frozenset({"slurm"})
"""Those whose engine starts an interrupted run again by itself, unless somebody has cancelled it."""
TITLES: Final = {LOCAL: "This machine", "slurm": "Slurm", "ray": "Ray"}


@cache
def get_launcher(name: str) -> Launcher:
    """The launcher of that name.

    Raises:
        ConfigError: there is none.
    """
    if name not in _CLASSES:
        raise ConfigError(f"Unknown launcher {quote(name)}. Use one of {', '.join(LAUNCHERS)}.")
    try:
        module = import_module(f"{__name__}.{name}")
    except ModuleNotFoundError as error:
        raise ConfigError(f"Launcher {quote(name)} is not part of this installation ({error}).") from None
    made: Launcher = getattr(module, _CLASSES[name])()
    return made


def launcher_title(name: str) -> str:
    """What people read; of one that only another version knows, its name."""
    return TITLES.get(name, name)


def why_not_launcher(name: str) -> str | None:
    """Why nothing can be started with a launcher from here, in one sentence; None if it can."""
    try:
        return get_launcher(name).why_not()
    except FerError as error:
        return str(error)


def preview_start(name: str, runs_root: Path, data_root: Path) -> str:
    """What a launcher would start for a new run, as text to read before; `new-run` stands for the id it will have.

    Raises:
        FerError: there is no such launcher, or it could not be started, as the settings of the site or the folders are.
    """
    return get_launcher(name).preview(RunPaths(runs_root.resolve(), PREVIEW_ID), data_root.resolve())


def offered_launchers() -> dict[str, str | None]:
    """The launchers that people may choose here, each with why it can't be used now: this machine, what else is
    possible, and what the settings of the site name."""
    try:
        site = read_site()
        configured = {name for name in LAUNCHERS if getattr(site, name, None) is not None}
    except ConfigError:  # `why_not` says so
        configured = set(LAUNCHERS)
    reasons = {name: why_not_launcher(name) for name in LAUNCHERS}
    return {name: reason for name, reason in reasons.items() if reason is None or name in configured}


def register_launchers() -> None:
    """Have the runs on clusters judged by what their engines say of them; for the entry points of all processes that
    read runs."""
    for name in LAUNCHERS:
        if name != LOCAL:
            register_engine(name, partial(_alive, name))


def _alive(name: str, runs: Sequence[RunPaths]) -> Mapping[str, Answer]:
    """Ask the launcher of that name, which is imported when there are runs to ask about."""
    try:
        return get_launcher(name).alive(runs)
    except ConfigError as error:
        return {paths.run_id: Answer("unknown", text=str(error)) for paths in runs}
