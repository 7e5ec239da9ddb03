"""The batch script of a run under Slurm: what is asked of the cluster, and what is done when the worker has ended."""

import shlex
import sys
from pathlib import Path
from typing import Final

from core.errors import RunError, quote
from core.files import PROJECT_ROOT
from core.jobs.sites import SlurmSettings
from core.runs.paths import RunPaths

SECONDS_BEFORE_THE_END: Final = 120
"""So long before its time limit a worker is asked to end with a checkpoint."""
ATTEMPTS: Final = 60
"""How often a controller that does not answer is asked to requeue a job, every ten seconds."""

_BODY: Final = r"""
cd -- {project} || exit 1
export PYTHONPATH={project}${{PYTHONPATH:+:$PYTHONPATH}} PYTHONUNBUFFERED=1 PYTHONIOENCODING=utf-8:backslashreplace
export FER_CPU_SLOTS=1  # the cores of this job are for this run
[ -n "${{SLURM_JOB_GPUS-}}" ] || export CUDA_VISIBLE_DEVICES=  # no GPU but one that Slurm has given

asked=
trap 'asked=yes; kill -TERM "$worker" 2>/dev/null' TERM
{worker} --launcher slurm --job "$SLURM_JOB_ID" &
worker=$!
[ -z "$asked" ] || kill -TERM "$worker" 2>/dev/null  # before there was one to tell
wait "$worker"; code=$?
while [ "$code" -gt 128 ] && [ -n "$asked" ]; do  # it was the waiting that a signal has ended
    asked=; wait "$worker"; code=$?
done

# Finished, stopped or failed: the end.
[ "$code" -eq 75 ] || [ "$code" -gt 128 ] || exit "$code"
# Interrupted or killed: once more from its checkpoint, unless the job was cancelled, or is out of time.
[ "${{SLURM_RESTART_COUNT:-0}}" -lt {restarts} ] || exit "$code"
for _ in $(seq {attempts}); do
    if state=$(squeue --noheader --jobs="$SLURM_JOB_ID" --format=%T); then
        [ "$state" = RUNNING ] || exit "$code"
        scontrol requeue "$SLURM_JOB_ID" && exit 0
    fi
    sleep 10  # the controller does not answer
done
exit "$code"
"""


def job_name(run_id: str) -> str:
    """What the job of a run is called: by it `squeue` and `scancel` find it."""
    return f"fer-{run_id}"


def batch_script(site: SlurmSettings, paths: RunPaths, data_root: Path) -> str:
    """The script for `sbatch`.

    Raises:
        RunError: the path of the run's log is one that Slurm cannot write to.
    """
    command = [*shlex.split(site.container), site.python or sys.executable, "-m", "core.worker"]
    worker = shlex.join([*command, str(paths.folder.resolve()), "--data-root", str(data_root.resolve())])
    options = "".join(f"#SBATCH {_quoted(option)}\n" for option in _options(site, paths))
    body = _BODY.format(
        project=shlex.quote(str(PROJECT_ROOT)), worker=worker, restarts=site.restarts, attempts=ATTEMPTS
    )
    return f"#!/bin/bash\n{options}{body}"


def _options(site: SlurmSettings, paths: RunPaths) -> list[str]:
    resources = {
        "partition": site.partition,
        "account": site.account,
        "gres": "".join(["gpu:", f"{site.gpu_type}:" if site.gpu_type else "", "1"]) if site.gpus else "",
        "cpus-per-task": str(site.cpus),
        "mem": site.memory,
        "time": site.time_limit,
    }
    return [
        f"--job-name={job_name(paths.run_id)}",
        f"--output={_file_pattern(paths.log.resolve())}",
        "--open-mode=append",
        "--requeue",
        f"--signal=B:TERM@{SECONDS_BEFORE_THE_END}",
        "--nodes=1",
        "--ntasks=1",
        *(f"--{name}={value}" for name, value in resources.items() if value),
        *site.options,
    ]


def _file_pattern(path: Path) -> str:
    """A path as Slurm's patterns of file names have it: `%` begins a replacement, and a backslash anywhere ends all of
    them."""
    text = str(path)
    if "\\" in text or not text.isprintable():
        raise RunError(f"Slurm can't write to {quote(text)}: use a runs folder without backslashes and line breaks.")
    return text.replace("%", "%%")


def _quoted(option: str) -> str:
    """An option as a line of `#SBATCH` has it, where quotes group and a backslash keeps what follows."""
    escaped = option.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"' if escaped != option or not set(option).isdisjoint(" '#\t") else option
