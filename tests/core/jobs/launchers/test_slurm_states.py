"""Slurm's states and reasons, and what they mean for a run."""

import pytest

from core.jobs.launchers.slurm_states import Job, answer_of, lost_job, read_jobs

LISTING = """\
2|COMPLETING|None|fer-b
6|FAILED|BadConstraints|fer-c
1|PENDING|BeginTime|fer-a
5|PENDING|PartitionConfig|x
8|PENDING|Resources|fer-d
9|PENDING|Priority|fer-e
3|RUNNING|None|fer-c
4|RUNNING|JobHeldAdmin|fer-d
10|CANCELLED|None|fer-f
11|FAILED|BadConstraints|fer-f
"""
"""As `squeue` 22.05 prints them: the third job was once refused and then taken, the fourth held while it ran."""


def test_of_each_name_the_job_counts_that_has_not_ended_else_the_last() -> None:
    assert read_jobs(LISTING) == {
        "fer-a": Job(1, "PENDING", "BeginTime"),
        "fer-b": Job(2, "COMPLETING", "None"),
        "fer-c": Job(3, "RUNNING", "None"),
        "fer-d": Job(8, "PENDING", "Resources"),
        "fer-e": Job(9, "PENDING", "Priority"),
        "fer-f": Job(11, "FAILED", "BadConstraints"),
        "x": Job(5, "PENDING", "PartitionConfig"),
    }


def test_a_reason_may_hold_anything_and_other_lines_are_skipped() -> None:
    said = "slurm_load_jobs: warning\n\n7|PENDING|(a|b)|fer-a\n1_2|RUNNING|None|array\n"
    assert read_jobs(said) == {"fer-a": Job(7, "PENDING", "(a|b)")}


@pytest.mark.parametrize(
    ("state", "reason", "text"),
    [
        ("PENDING", "Resources", "Waits in Slurm for free resources."),
        ("PENDING", "BeginTime", "Requeued by Slurm: it starts again within minutes."),
        ("PENDING", "QOSMaxJobsPerUserLimit", "Waits in Slurm (QOSMaxJobsPerUserLimit)."),
        ("REQUEUE_HOLD", "launch failed requeued held", "Waits in Slurm (launch failed requeued held)."),
        ("CONFIGURING", "", "Waits in Slurm (CONFIGURING)."),
    ],
    ids=lambda value: value or "-",
)
def test_a_job_that_waits(state: str, reason: str, text: str) -> None:
    answer = answer_of(Job(1, state, reason))
    assert (answer.alive, answer.waits, answer.text) == ("yes", True, text)


@pytest.mark.parametrize("state", ["RUNNING", "COMPLETING", "SUSPENDED"])
def test_a_job_that_runs(state: str) -> None:
    answer = answer_of(Job(1, state, "None"))
    assert (answer.alive, answer.waits) == ("yes", False)
    assert answer.text == ("Suspended by Slurm." if state == "SUSPENDED" else "")


@pytest.mark.parametrize(
    ("state", "text"),
    [
        ("CANCELLED", "Its Slurm job was cancelled outside the dashboard. Resume submits it again."),
        ("OUT_OF_MEMORY", "Slurm killed it: out of memory. Set memory in site.toml. Resume submits it again."),
        ("REVOKED", "Its Slurm job has ended (revoked). Resume submits it again."),
    ],
)
def test_a_job_that_has_ended(state: str, text: str) -> None:
    answer = answer_of(Job(1, state, "None"))
    assert (answer.alive, answer.waits, answer.text) == ("no", False, text)


def test_a_job_that_slurm_has_forgotten() -> None:
    assert (lost_job().alive, lost_job().text) == ("no", "Slurm no longer has its job. Resume submits it again.")
