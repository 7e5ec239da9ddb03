"""Slurm: a run is a batch job. It needs Slurm's own commands, and no package.

Jobs are found by their names, which hold the run's id, so that a submission that was cut off in the middle is found,
too. A run that Slurm interrupts at its time limit, preempts, or whose worker was killed, is requeued by Slurm and goes
on from its checkpoint: see `slurm_script`.
"""

import logging
import os
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Final

from core.errors import ConfigError, RunError
from core.jobs.launchers.base import (
    FRESH_SECONDS,
    POSSIBLE_SECONDS,
    UNASKED_SECONDS,
    being_submitted,
    read_statuses,
)
from core.jobs.launchers.slurm_script import batch_script, job_name
from core.jobs.launchers.slurm_states import Job, answer_of, has_ended, lost_job, read_jobs
from core.jobs.queue import note_job
from core.jobs.sites import SlurmSettings, read_site
from core.runs.engines import Answer
from core.runs.paths import RunPaths
from core.runs.records import RunStatus
from core.text import one_line

SUBMIT_SECONDS: Final = 30.0
SQUEUE_SECONDS: Final = 5.0
"""So long a look at the states may take: pages wait for it."""
LONGEST_REASON: Final = 300
LONGEST_ARGUMENT: Final = 100_000
"""Bytes; Linux takes no argument over 128 KiB."""

_OPTIONS: Final = ("SLURM_", "SBATCH_", "SQUEUE_", "SCANCEL_", "SINFO_", "SCONTROL_", "SACCT_")
"""How the names of variables begin that are options of Slurm's commands, or tell a job what it has."""

log = logging.getLogger(__name__)


class SlurmSilentError(RunError):
    """The controller does not answer."""


class SlurmLauncher:
    """Submits runs to the cluster that this machine has Slurm's commands of."""

    name = "slurm"

    def __init__(self) -> None:
        self._look = _Look()
        self._possible: tuple[float, object, str | None] = (0.0, None, None)

    def why_not(self) -> str | None:
        if shutil.which("sbatch") is None:
            return "Slurm isn't available here: sbatch is not in PATH. Run the dashboard on a login node of a cluster."
        try:
            site = read_site().slurm
        except ConfigError as error:
            return str(error)
        if site is None and not any(map(os.path.exists, _configurations())):  # pages ask: nothing is tried in vain
            return "Slurm has no configuration on this machine. Set SLURM_CONF, or add [slurm] to site.toml."
        asked_at, asked_for, reason = self._possible
        if asked_for != site or time.monotonic() - asked_at > (UNASKED_SECONDS if reason else POSSIBLE_SECONDS):
            reason = _ask_why_not(site or SlurmSettings())
            self._possible = time.monotonic(), site, reason
        return reason

    def start(self, paths: RunPaths, data_root: Path) -> None:
        """Submit a run.

        Raises:
            RunError: Slurm refused it, or does not answer; the run is as it was.
            ConfigError: the settings of the site cannot be used.
        """
        said = _slurm("sbatch", "--parsable", text=self.preview(paths, data_root), seconds=SUBMIT_SECONDS)
        job = said.strip().partition(";")[0]  # followed by the name of the cluster, where there are several
        log.info("%s is job %s of Slurm", paths.run_id, job)
        self._look.forget()
        with suppress(RunError):  # its worker records it, too
            note_job(paths, job)

    def stop(self, paths: RunPaths) -> None:
        """Cancel the job of a run: a worker gets SIGTERM, and is killed if it takes longer than Slurm's `KillWait`.

        Raises:
            RunError: Slurm does not answer.
        """
        _slurm("scancel", f"--name={job_name(paths.run_id)}", seconds=SUBMIT_SECONDS)
        self._look.forget()

    def alive(self, runs: Sequence[RunPaths]) -> Mapping[str, Answer]:
        before = read_statuses(runs)
        try:
            jobs = self._look.jobs({job_name(paths.run_id): before.get(paths.run_id) for paths in runs})
        except RunError as error:
            return {paths.run_id: Answer("unknown", text=str(error)) for paths in runs}
        return {
            paths.run_id: _answer(paths, before.get(paths.run_id), jobs.get(job_name(paths.run_id))) for paths in runs
        }

    def preview(self, paths: RunPaths, data_root: Path) -> str:
        """The batch script.

        Raises:
            RunError: Slurm cannot write to the folder of the run.
            ConfigError: the settings of the site cannot be used.
        """
        return batch_script(_settings(), paths, data_root)


_Handed = tuple[datetime | None, str | None]
"""Which of its submissions a run is at: when it was queued, and the job that was noted since."""


class _Look:
    """What `squeue` says, asked once for all threads of this process that look within two seconds.

    That a run has no living job is only believed as long as the run is at the same submission as before Slurm was
    asked: since then its next job may have been submitted.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._handed: dict[str, _Handed | None] = {}
        self._jobs: Mapping[str, Job] = {}
        self._silence = ""
        self._until = 0.0

    def jobs(self, statuses: Mapping[str, RunStatus | None]) -> Mapping[str, Job]:
        """The jobs of runs, by the names of the jobs.

        Args:
            statuses: of the runs, by the names of their jobs, as they were before this call.

        Raises:
            RunError: Slurm does not answer.
        """
        handed = {name: (status.queued_at, status.job) if status else None for name, status in statuses.items()}
        with self._lock:
            if time.monotonic() >= self._until or not (self._silence or self._tells(handed)):
                self._ask(handed)
            if self._silence:
                raise SlurmSilentError(self._silence)
            return self._jobs

    def forget(self) -> None:
        """What was said is no longer so: something was submitted or cancelled."""
        with self._lock:
            self._until = 0.0

    def _tells(self, handed: Mapping[str, _Handed | None]) -> bool:
        """Whether what was said last is all that these runs need."""
        return all(
            (name in self._handed and self._handed[name] == now)
            or (name in self._jobs and not has_ended(self._jobs[name]))
            for name, now in handed.items()
        )

    def _ask(self, handed: dict[str, _Handed | None]) -> None:
        listed = ",".join(sorted(handed))
        only = [f"--name={listed}"] if len(listed) <= LONGEST_ARGUMENT else []
        try:
            said = _slurm("squeue", "--noheader", "--states=all", "--format=%i|%T|%r|%j", *only, seconds=SQUEUE_SECONDS)
        except RunError as error:
            self._silence, self._until = str(error), time.monotonic() + UNASKED_SECONDS
            return
        self._handed, self._jobs, self._silence = handed, read_jobs(said), ""
        self._until = time.monotonic() + FRESH_SECONDS


def _answer(paths: RunPaths, before: RunStatus | None, job: Job | None) -> Answer:
    """What it means for a run, whose status was this before Slurm was asked, that Slurm has this job of it. One that
    has ended is of a start before, unless its number was noted since the last."""
    if job and not has_ended(job):
        return answer_of(job)
    if submitted := being_submitted(paths, before, "Slurm"):
        return submitted
    return answer_of(job) if job and before and before.job == str(job.number) else lost_job()


def _configurations() -> tuple[str, ...]:
    """Where Slurm's commands look for their configuration; see slurm.conf(5) and "Configless" Slurm."""
    return os.environ.get("SLURM_CONF") or "/etc/slurm/slurm.conf", "/run/slurm/conf/slurm.conf"


def _settings() -> SlurmSettings:
    return read_site().slurm or SlurmSettings()


def _ask_why_not(site: SlurmSettings) -> str | None:
    """Whether there is a controller, and the partition."""
    try:
        said = _slurm("sinfo", "--noheader", "--format=%R", seconds=SQUEUE_SECONDS)
    except RunError as error:
        return str(error)
    partitions = sorted(set(said.split()))
    unknown = [name for name in filter(None, site.partition.split(",")) if name not in partitions]
    if not unknown:
        return None
    return f"This Slurm has no partition {unknown[0]!r}. Set partition in site.toml to one of {', '.join(partitions)}."


def _slurm(command: str, *arguments: str, seconds: float, text: str = "") -> str:
    """What one of Slurm's commands prints.

    Raises:
        RunError: it is not installed, fails or takes too long; the sentence is for people.
    """
    silent = f"Slurm's controller doesn't answer ({command} took longer than {seconds:.0f} s). Try again later."
    try:
        done = subprocess.run(
            [command, *arguments],
            input=text,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
            env=dict(_environment(os.environ.items())),
            check=False,
        )
    except OSError:
        raise RunError(f"Slurm isn't available here: {command} can't be run.") from None
    except subprocess.TimeoutExpired:
        raise SlurmSilentError(silent) from None
    if done.returncode == 0:
        return done.stdout
    said = _reasons(done.stderr) or f"{command} ended with code {done.returncode}"
    if re.search(r"[Uu]nable to contact|[Cc]onnection|[Tt]imed out", said):
        raise SlurmSilentError(f"Slurm's controller doesn't answer ({said}). Try again later.")
    raise RunError(f"Slurm refused: {said}. Check the settings in site.toml.")


def _environment(variables: Iterable[tuple[str, str]]) -> Iterable[tuple[str, str]]:
    """This process's environment without what a job that it may itself be in has there, since `sbatch` would take its
    allocation for the new one's; and without the options of Slurm's commands that somebody has set there for his own
    use: they overrule what the script says that people have read, and hide jobs from `squeue`."""
    return ((key, value) for key, value in variables if not key.startswith(_OPTIONS) or key == "SLURM_CONF")


def _reasons(text: str) -> str:
    """What a command of Slurm has written to its standard error, without who says it."""
    begin = r"^\w+(: | )(error|fatal): |^\w+: "  # "sbatch: error: ", "slurm_load_jobs error: ", "scancel: "
    lines = [re.sub(begin, "", line).removeprefix("Batch job submission failed: ") for line in text.splitlines()]
    return "; ".join(one_line(line).rstrip(".") for line in lines if line)[:LONGEST_REASON]
