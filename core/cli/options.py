"""Options that several commands share."""

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from core.config import TrainConfig
from core.errors import ConfigError, RunError
from core.machine import default_data_root, default_runs_root
from core.splits import ORIGINAL_TEST, current_split
from core.team.people import Actor, Role

if TYPE_CHECKING:
    from core.runs.ensembles import Candidate
    from core.runs.records import Run

RunsRoot = Annotated[
    Path,
    typer.Option(
        "--runs-root",
        help="Folder of the runs.",
        default_factory=default_runs_root,
        show_default="FER_RUNS_ROOT, else runs/",
    ),
]
DataRoot = Annotated[
    Path,
    typer.Option(
        "--data-root",
        help="Folder of the imported datasets.",
        default_factory=default_data_root,
        show_default="FER_DATA_ROOT, else data/",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
AsCsv = Annotated[bool, typer.Option("--csv", help="Print CSV.")]
RunName = Annotated[
    str, typer.Argument(metavar="RUN", help="Run id, an unambiguous prefix of it, or the path of the run folder.")
]
Flip = Annotated[
    bool, typer.Option("--flip/--no-flip", help="Flip TTA: average over each face and its horizontal flip.")
]
Settings = Annotated[
    list[str] | None, typer.Option("--set", metavar="FIELD=VALUE", help="Override one setting; repeatable.")
]


class LauncherName(StrEnum):
    """What starts the process of a run, as in `LAUNCHERS`."""

    LOCAL = "local"
    SLURM = "slurm"
    RAY = "ray"


class SplitName(StrEnum):
    """The splits that metrics are reported for."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"
    ORIGINAL_TEST = ORIGINAL_TEST


def reported_split(name: str) -> SplitName:
    """The split of that name, present or old.

    Raises:
        ValueError: there is none; the message lists the valid ones.
    """
    try:
        return SplitName(current_split(name))
    except ValueError:
        raise ValueError(f"{name!r} is not one of {', '.join(SplitName)}.") from None


class Device(StrEnum):
    """What a model is computed on, as in `TrainConfig.device`."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


def pairs(settings: list[str] | None) -> dict[str, str]:
    """The settings of `--set FIELD=VALUE`.

    Raises:
        ConfigError: one has no value.
    """
    parts = [text.partition("=") for text in settings or []]
    for field, separator, _ in parts:
        if not separator:
            raise ConfigError(f"--set {field!r} has no value. Use --set FIELD=VALUE, e.g. --set epochs=5.")
    return {field.strip(): value.strip() for field, _, value in parts}


def terminal_user() -> Actor:
    """Who uses this terminal: an admin, since the files are theirs to change anyway."""
    from core.review.runs import local_user

    return Actor(name=local_user(), role=Role.ADMIN, way="command line")


def find_runs(runs_root: Path, texts: Sequence[str]) -> "list[Run]":
    """The runs that ids, their beginnings or folders stand for, each once, in the order given.

    Raises:
        RunError: one of them stands for none or for several.
    """
    from core.runs.reader import find_run

    return list({run.id: run for run in (find_run(runs_root, text) for text in texts)}.values())


def find_candidates(runs_root: Path, texts: Sequence[str]) -> "list[Candidate]":
    """The runs and ensembles that ids, their beginnings, folders or names stand for, each once, in the order given.

    Raises:
        RunError: one of them stands for none or for several, or is an ensemble that cannot be used.
    """
    from core.runs.ensembles import find_candidate

    return list({found.id: found for found in (find_candidate(runs_root, text) for text in texts)}.values())


def find_members(runs_root: Path, texts: Sequence[str]) -> "list[Run]":
    """As `find_candidates`, with the members in place of each ensemble.

    Raises:
        RunError: as for `find_candidates`.
    """
    from core.runs.ensembles import runs_of

    found = [run for candidate in find_candidates(runs_root, texts) for run in runs_of(candidate)]
    return list({run.id: run for run in found}.values())


def config_of(run: "Run") -> TrainConfig:
    """The settings of a run.

    Raises:
        RunError: they cannot be read.
    """
    if run.config is None:
        raise RunError(f"Can't use run {run.id}: {run.problem}")
    return run.config
