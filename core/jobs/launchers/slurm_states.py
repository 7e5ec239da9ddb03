"""What Slurm says of a job, in words, and what that means for its run."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from core.runs.engines import Answer

_WAITS: Final = frozenset("PENDING CONFIGURING REQUEUED REQUEUE_FED REQUEUE_HOLD RESV_DEL_HOLD SPECIAL_EXIT".split())
_RUNS: Final = frozenset("RUNNING COMPLETING SUSPENDED STOPPED RESIZING SIGNALING STAGE_OUT".split())
"""Of all states in squeue(1); in those that are neither, the job has ended."""

_REASONS: Final = {
    "None": "Waits in Slurm.",
    "Resources": "Waits in Slurm for free resources.",
    "Priority": "Waits in Slurm: other jobs have a higher priority.",
    "BeginTime": "Requeued by Slurm: it starts again within minutes.",
    "Dependency": "Waits in Slurm for another job.",
    "JobHeldUser": "Held in Slurm. Release it with scontrol release.",
    "JobHeldAdmin": "Held in Slurm by an administrator, who alone can release it.",
    "PartitionConfig": "No node of its partition has what it asks for in Slurm. Check the settings in site.toml.",
    "PartitionDown": "Waits in Slurm: its partition is down.",
    "PartitionTimeLimit": "Waits in Slurm: its partition allows less time. Set time_limit in site.toml.",
    "ReqNodeNotAvail": "Waits in Slurm: its nodes are not available.",
}
"""Why a job is pending, the common ones; see JOB REASON CODES in squeue(1)."""

_ENDS: Final = {
    "CANCELLED": "Its Slurm job was cancelled outside the dashboard.",
    "TIMEOUT": "Slurm ended it at its time limit.",
    "OUT_OF_MEMORY": "Slurm killed it: out of memory. Set memory in site.toml.",
    "NODE_FAIL": "Its node failed.",
    "BOOT_FAIL": "Its node failed to boot.",
    "PREEMPTED": "Slurm ended it for a job of higher priority.",
    "DEADLINE": "Slurm ended it at its deadline.",
}


@dataclass(frozen=True)
class Job:
    """A job as `squeue` lists it."""

    number: int
    state: str
    reason: str


def read_jobs(listing: str) -> Mapping[str, Job]:
    """The jobs in what `squeue --format=%i|%T|%r|%j` prints, by name; of several of one name, the one that has not
    ended, else the last. Lines that are none, such as warnings, are skipped."""
    found: dict[str, Job] = {}
    for line in listing.splitlines():
        number, _, rest = line.strip().partition("|")
        state, _, rest = rest.partition("|")
        reason, _, name = rest.rpartition("|")
        if not number.isdecimal() or not name:
            continue
        job = Job(int(number), state, reason)
        if name not in found or _rank(job) > _rank(found[name]):
            found[name] = job
    return found


def _rank(job: Job) -> tuple[bool, int]:
    return not has_ended(job), job.number


def has_ended(job: Job) -> bool:
    """Whether Slurm neither runs the job nor will."""
    return job.state not in _WAITS | _RUNS


def answer_of(job: Job) -> Answer:
    """What the state of its job means for a run."""
    if job.state in _WAITS:
        text = _REASONS.get(job.reason) or f"Waits in Slurm ({job.reason or job.state})."
        return Answer("yes", waits=True, text=text)
    if job.state in _RUNS:
        text = "Suspended by Slurm." if job.state in ("SUSPENDED", "STOPPED") else ""
        return Answer("yes", text=text)
    ended = _ENDS.get(job.state, f"Its Slurm job has ended ({job.state.lower().replace('_', ' ')}).")
    return Answer("no", text=f"{ended} Resume submits it again.")


def lost_job() -> Answer:
    """What it means that Slurm knows of no job of a run."""
    return Answer("no", text="Slurm no longer has its job. Resume submits it again.")
