"""What a site has for runs beyond this machine: `site.toml`, with a section per launcher. How a run is trained is in
its own settings; where, and with how much of the cluster, is here."""

import os
import re
import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from core.files import PROJECT_ROOT
from core.jobs.toml_settings import read_toml
from core.machine import user_path

SITE_VARIABLE: Final = "FER_SITE"
SHORTEST_LIMIT_SECONDS: Final = 600

_OWN_OPTIONS: Final = frozenset(
    "array chdir error export help input job-name no-requeue open-mode output parsable quiet requeue signal test-only "
    "usage version wait wrap".split()
)
"""What this project says itself, or what would have `sbatch` do something else than submit one job."""
_CLUSTER_OPTIONS: Final = frozenset("cluster clusters cluster-constraint".split())


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("it must be printable text in one line")
    return text


def _option(text: str) -> str:
    """One option of `sbatch`, such as `--qos=normal`."""
    if not re.fullmatch(r"--[a-z][a-z0-9-]*(=.+)?", _printable(text)):
        raise ValueError("each option must be written like --qos=normal")
    name = text.removeprefix("--").partition("=")[0]
    if _means(name, _CLUSTER_OPTIONS):
        raise ValueError(f"--{name} can't be used: jobs are looked for on the cluster of this machine only")
    if _means(name, _OWN_OPTIONS):
        raise ValueError(f"--{name} is set by the dashboard itself")
    return text


def _means(name: str, options: Iterable[str]) -> bool:
    """Whether it is one of these options for `sbatch`, which takes the beginning of a name for the whole."""
    return any(option.startswith(name) for option in options)


def _command(text: str) -> str:
    """A command in the notation of a shell."""
    try:
        shlex.split(_printable(text))
    except ValueError as error:
        raise ValueError(f"it isn't a command ({error})") from None
    return text


def _time_limit(text: str) -> str:
    """As `sbatch --time` takes it: minutes, minutes:seconds, hours:minutes:seconds, or with days-hours before them."""
    found = re.fullmatch(r"(?:([0-9]{1,4})-)?([0-9]{1,6}(?::[0-5][0-9]){0,2})", text)
    if text and not found:
        raise ValueError("it must be written like 08:00:00 or 2-12:00:00")
    if found and _seconds(found[1], found[2].split(":")) < SHORTEST_LIMIT_SECONDS:
        raise ValueError("it must be 10 minutes or more: a run is asked to end two minutes before it")
    return text


def _seconds(days: str | None, parts: list[str]) -> int:
    """Of a time limit: what its parts are depends on how many there are, and on whether days come before them."""
    units = (3600, 60, 1) if days is not None or len(parts) == 3 else (60, 1)
    return int(days or 0) * 86_400 + sum(int(part) * unit for part, unit in zip(parts, units, strict=False))


def _like(pattern: str, said: str) -> AfterValidator:
    def check(text: str) -> str:
        if text and not re.fullmatch(pattern, text):
            raise ValueError(said)
        return text

    return AfterValidator(check)


_Word = Annotated[str, _like(r"[A-Za-z0-9_.,@+-]+", "it must be a name of letters, digits and _ . , @ + -")]
_Size = Annotated[str, _like(r"[1-9][0-9]{0,8}[KMGT]?", "it must be written like 16G")]
_Line = Annotated[str, AfterValidator(_printable)]
_Command = Annotated[str, AfterValidator(_command)]


class Resources(BaseModel):
    """What one run gets of a cluster."""

    model_config = ConfigDict(strict=True, extra="forbid", hide_input_in_errors=True)

    gpus: int = Field(default=0, ge=0, le=1)
    """GPUs per run: a run trains on one, or with 0 on the CPU."""
    cpus: int = Field(default=4, ge=1, le=1024)
    memory: _Size = ""
    """Such as `16G`; empty: what the cluster gives by default."""
    python: _Line = ""
    """The Python of the virtual environment, as the nodes see it; empty: the one that runs the dashboard."""
    container: _Command = ""
    """What to put before Python to have it run in a container, such as `apptainer exec --nv fer.sif`."""


class SlurmSettings(Resources):
    """`[slurm]`."""

    partition: _Word = ""
    account: _Word = ""
    gpu_type: _Word = ""
    """Such as `a100`; empty: any."""
    time_limit: Annotated[str, AfterValidator(_time_limit)] = ""
    """As `sbatch --time` takes it, such as `08:00:00`. A run that takes longer is requeued and continues."""
    options: list[Annotated[str, AfterValidator(_option)]] = []
    """More options of `sbatch`."""
    restarts: int = Field(default=20, ge=0, le=1000)
    """How many times a run that was interrupted or killed is requeued."""


class RaySettings(Resources):
    """`[ray]`."""

    address: _Line = ""
    """Of the dashboard of its head node, such as `http://head:8265`; `RAY_ADDRESS` overrules it."""


class SiteSettings(BaseModel):
    """`site.toml`."""

    model_config = ConfigDict(strict=True, extra="forbid", hide_input_in_errors=True)

    slurm: SlurmSettings | None = None
    ray: RaySettings | None = None


def site_file() -> Path:
    """`FER_SITE`, else `.streamlit/site.toml` of this checkout.

    Raises:
        ConfigError: it begins with `~`, and there is no such home folder.
    """
    return user_path(os.environ.get(SITE_VARIABLE) or PROJECT_ROOT / ".streamlit" / "site.toml")


def read_site(path: Path | None = None) -> SiteSettings:
    """The settings of this site; of a launcher that has no section, None.

    Raises:
        ConfigError: they cannot be used.
    """
    return read_toml(path or site_file(), SiteSettings) or SiteSettings()
