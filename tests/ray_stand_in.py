"""Ray in place of Ray, for tests where it is not installed: the modules that are imported of it, and a cluster with a
head that answers as told. `faults/test_ray.py` compares what stands here with the real one."""

import sys
from dataclasses import dataclass, field
from enum import StrEnum
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

import pytest
import requests


class JobStatus(StrEnum):
    """`ray.job_submission.JobStatus`."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    STOPPED = "STOPPED"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"

    def is_terminal(self) -> bool:
        return self in (JobStatus.STOPPED, JobStatus.SUCCEEDED, JobStatus.FAILED)


@dataclass
class JobDetails:
    """`ray.job_submission.JobDetails`."""

    submission_id: str | None
    status: JobStatus
    type: str = "SUBMISSION"
    entrypoint: str = ""
    job_id: str | None = None
    driver_info: Any = None
    message: str | None = None
    error_type: str | None = None
    start_time: int | None = 1790000000000
    end_time: int | None = None
    metadata: dict[str, str] | None = None
    runtime_env: dict[str, Any] | None = None
    driver_agent_http_address: str | None = None
    driver_node_id: str | None = None
    driver_exit_code: int | None = None


class AuthenticationError(Exception):
    """`ray.exceptions.AuthenticationError`."""


TAKEN = (
    "Request failed with status code 400: Traceback (most recent call last):\n"
    '  File "job_agent.py", line 59, in submit_job\n'
    "ValueError: Job with submission_id {} already exists. Please use a different submission_id.\n."
)


@dataclass
class StandInCluster:
    """A cluster, as its head answers for it."""

    token: str | None = "right"
    """None: it asks for none."""
    trouble: Exception | None = None
    """What each request meets."""
    status: int | None = None
    """Of the answer to a request without a token, where it is not as `token` says."""
    jobs: dict[str, JobDetails] = field(default_factory=dict)
    submitted: list[dict[str, Any]] = field(default_factory=list)
    stopped: list[str] = field(default_factory=list)
    asked: list[tuple[str, str]] = field(default_factory=list)
    """Method and endpoint of all requests."""

    def add(self, submission_id: str | None, status: str, error_type: str | None = None) -> None:
        """Have a job."""
        self.jobs[submission_id or "driver"] = JobDetails(submission_id, JobStatus(status), error_type=error_type)

    def listings(self) -> int:
        """How often its jobs were asked for with a token."""
        return self.asked.count(("GET", "/api/jobs/"))

    def answer(self, method: str, endpoint: str, limits: Any) -> None:
        connect, read = limits  # a request without them could wait for ever
        assert 0 < connect <= 10 and 0 < read <= 60
        self.asked.append((method, endpoint))
        if self.trouble:
            raise self.trouble

    def without_token(self, url: str, *, timeout: Any, allow_redirects: bool) -> requests.Response:
        """In place of `requests.get`."""
        assert url.endswith("/api/jobs/") and not allow_redirects
        self.answer("GET", "(no token)", timeout)
        response = requests.Response()
        response.status_code = self.status or (401 if self.token else 200)
        return response


def install(patch: pytest.MonkeyPatch, cluster: StandInCluster) -> None:
    """Have `import ray` find what stands here, with this cluster wherever it is asked."""

    class JobSubmissionClient:
        def __init__(self, address: str, headers: dict[str, str]) -> None:
            self._headers = headers
            self._do_request("GET", "/api/version")

        def _do_request(self, method: str, endpoint: str, *, timeout: Any = None) -> None:
            cluster.answer(method, endpoint, timeout)
            if cluster.token and self._headers != {"Authorization": f"Bearer {cluster.token}"}:
                raise AuthenticationError("Authentication failed: Forbidden: Invalid authentication token\n\nToken ...")

        def get_version(self) -> str:
            self._do_request("GET", "/api/version")
            return "4"

        def list_jobs(self) -> list[JobDetails]:
            self._do_request("GET", "/api/jobs/")
            return list(cluster.jobs.values())

        def submit_job(self, **request: Any) -> str:
            self._do_request("POST", "/api/jobs/")
            submission_id = request["submission_id"]
            if submission_id in cluster.jobs:
                raise RuntimeError(TAKEN.format(submission_id))
            cluster.submitted.append(request)
            cluster.add(submission_id, "PENDING")
            return str(submission_id)

        def stop_job(self, job_id: str) -> bool:
            self._do_request("POST", f"/api/jobs/{job_id}/stop")
            cluster.stopped.append(job_id)
            return True

    members: dict[str, dict[str, Any]] = {
        "ray": {},
        "ray.job_submission": {"JobSubmissionClient": JobSubmissionClient, "JobStatus": JobStatus},
        "ray.exceptions": {"AuthenticationError": AuthenticationError},
    }
    for name, content in members.items():
        module = ModuleType(name)
        module.__spec__ = ModuleSpec(name, None, is_package=name == "ray")
        module.__dict__.update(content)
        patch.setitem(sys.modules, name, module)
    patch.setattr(requests, "get", cluster.without_token)
