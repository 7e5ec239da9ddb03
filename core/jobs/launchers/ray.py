"""Ray: every start of a run, also a resume, is a job of a cluster, through the Jobs API of its head node.

A job is found by its ID, which is the run's and the number of the attempt. Ray starts no job twice: what was killed, or
lost with the head of the cluster, goes on from its checkpoint when it is resumed.
"""

import json
import logging
import shlex
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from operator import methodcaller
from pathlib import Path
from typing import Any, Final

from core.errors import ConfigError, RunError, system_reason
from core.files import PROJECT_ROOT, touch
from core.jobs.launchers.base import being_submitted, read_statuses
from core.jobs.launchers.ray_head import RayHead
from core.jobs.queue import note_job
from core.jobs.sites import RaySettings, read_site
from core.machine import JOB_CORES_VARIABLE
from core.runs.engines import Answer
from core.runs.paths import RunPaths
from core.runs.records import RunStatus

_STOP_SECONDS: Final = 120
"""From SIGTERM to SIGKILL, for the checkpoint. Ray by itself gives 3 seconds."""

_UNITS: Final = {"K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
_RESUME: Final = "Resume continues from its last checkpoint."
_ENDS: Final = {"STOPPED": "Its Ray job was stopped outside the dashboard.", "FAILED": "Its Ray job has failed."}
_ERRORS: Final = {
    "JOB_SUPERVISOR_ACTOR_START_TIMEOUT": (
        "Ray gave it up before its turn came. Set RAY_JOB_START_TIMEOUT_SECONDS, 900 by default, to more where the "
        "head of the cluster is started."
    ),
    "JOB_SUPERVISOR_ACTOR_UNSCHEDULABLE": "Ray found no node for it.",
    "JOB_SUPERVISOR_ACTOR_DIED": "Its node, or Ray on it, has ended.",
}
"""Of Ray's `JobErrorType`, those that say more than the job's status."""

log = logging.getLogger(__name__)


class RayLauncher:
    """Submits runs to the Ray cluster that the settings of the site name."""

    name = "ray"

    def why_not(self) -> str | None:
        try:
            return _head().trouble()
        except ConfigError as error:
            return str(error)

    def start(self, paths: RunPaths, data_root: Path) -> None:
        """Submit a run.

        Raises:
            RunError: see `RayHead.check`; or its log cannot be written, or the cluster refuses the job. The run is as
                it was.
            ConfigError: the settings of the site cannot be used.
        """
        head = _head()
        head.check()
        job = job_id(paths.run_id, 1 + max(head.jobs().get(paths.run_id, ()), default=0))
        try:
            touch(paths.log)  # in a shared folder, everybody may write it
        except OSError as error:
            raise RunError(f"Can't write the log of run {paths.run_id}: {system_reason(error)}.") from error
        head.ask(methodcaller("submit_job", **_request(paths, data_root, job)))
        log.info("%s is job %s of Ray", paths.run_id, job)
        with suppress(RunError):  # its worker records it, too
            note_job(paths, job)

    def stop(self, paths: RunPaths) -> None:
        """Have Ray end the jobs of a run: a worker gets SIGTERM, and is killed if it takes longer than two minutes. One
        that waits in Ray's queue ends when its turn comes, since Ray cannot take it out.

        Raises:
            RunError: the cluster does not answer.
            ConfigError: the settings of the site cannot be used.
        """
        head = _head()
        for attempt, job in head.jobs().get(paths.run_id, {}).items():
            if not job.status.is_terminal():
                head.ask(methodcaller("stop_job", job_id(paths.run_id, attempt)))

    def alive(self, runs: Sequence[RunPaths]) -> Mapping[str, Answer]:
        before = read_statuses(runs)
        try:
            jobs = _head().recent_jobs({paths.run_id for paths in runs})
        except (RunError, ConfigError) as error:
            return {paths.run_id: Answer("unknown", text=str(error)) for paths in runs}
        return {paths.run_id: _answer(paths, before.get(paths.run_id), jobs.get(paths.run_id, {})) for paths in runs}

    def preview(self, paths: RunPaths, data_root: Path) -> str:
        """The job, a setting a line; at a resume, the number at the end of its ID is higher.

        Raises:
            ConfigError: the settings of the site cannot be used.
        """
        request = _request(paths, data_root, job_id(paths.run_id, 1))
        lines = [f"{key}: {value if isinstance(value, str) else json.dumps(value)}" for key, value in request.items()]
        return "\n".join([f"# A job for the Ray cluster at {_head().address or '?'}", *lines])


def job_id(run_id: str, attempt: int) -> str:
    """Ray's submission ID for an attempt at a run, counted from 1. Ray takes each once."""
    return f"{run_id}.{attempt}"


def _settings() -> RaySettings:
    return read_site().ray or RaySettings()


def _head() -> RayHead:
    return _head_at(_settings().address)


@cache
def _head_at(address: str) -> RayHead:
    """One for the whole process: what it was told last is good for all."""
    return RayHead(address)


def _request(paths: RunPaths, data_root: Path, job: str) -> dict[str, Any]:
    """The arguments of `submit_job`. All nodes see the files under the same paths as this machine."""
    site = _settings()
    worker = [*shlex.split(site.container), site.python or sys.executable, "-m", "core.worker"]
    worker += [
        str(paths.folder.absolute()),
        "--data-root",
        str(data_root.absolute()),
        "--launcher",
        "ray",
        "--job",
        job,
    ]
    log_file, project = shlex.quote(str(paths.log.absolute())), shlex.quote(str(PROJECT_ROOT))
    return {
        "submission_id": job,
        "entrypoint": f"exec >>{log_file} 2>&1; cd {project} && exec {shlex.join(worker)}",
        "entrypoint_num_gpus": site.gpus,
        "entrypoint_num_cpus": site.cpus,
        "entrypoint_memory": _bytes(site.memory),
        "runtime_env": {
            "env_vars": {
                "RAY_JOB_STOP_WAIT_TIME_S": str(_STOP_SECONDS),
                JOB_CORES_VARIABLE: str(site.cpus),
                "PYTHONIOENCODING": "utf-8:backslashreplace",  # logs are UTF-8 whatever the locale
            }
        },
    }


def _bytes(size: str) -> int | None:
    """Of a size such as `16G`; without a letter, of megabytes, as Slurm reads it."""
    return int(size.rstrip("KMGT")) * _UNITS.get(size[-1], _UNITS["M"]) if size else None


def _answer(paths: RunPaths, before: RunStatus | None, attempts: Mapping[int, Any]) -> Answer:
    """What Ray's jobs of a run, by the number of the attempt, say about it, whose status was this before Ray was asked.
    Those that have ended are of starts before, but for the one that was noted since the last."""
    living = [job for job in attempts.values() if not job.status.is_terminal()]
    if any(job.status == "RUNNING" for job in living):
        return Answer("yes")
    if living:
        return Answer("yes", waits=True, text="Waits in Ray for free resources.")
    if submitted := being_submitted(paths, before, "Ray"):
        return submitted
    last = next((job for job in attempts.values() if before and job.submission_id == before.job), None)
    if last is None:
        return Answer("no", text=f"Ray no longer has its job. {_RESUME}")
    why = _ERRORS.get(last.error_type) or _ENDS.get(last.status, "Its Ray job has ended.")
    return Answer("no", text=f"{why} {_RESUME}")
