"""Slurm's states and reasons, and what they mean for a run."""

import pytest

from core.jobs.launchers.slurm_states import Job, answer_of, lost_job

LISTING = """\
"""


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
