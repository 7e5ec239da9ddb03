"""The head node of a Ray cluster: whether it may be used, and what it says of its jobs.

Whoever reaches its Jobs API can run any command on the cluster, unless that was started with `RAY_AUTH_MODE=token`. So
nothing is started without a token, nor on a cluster that asks for none.

Only here is `ray` imported, and only when a cluster is asked: it takes a second, and not every machine has it.
"""

import importlib.util
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from operator import methodcaller
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from core.errors import FerError, RunError, system_reason
from core.files import read_regular
from core.jobs.launchers.base import FRESH_SECONDS, POSSIBLE_SECONDS, UNASKED_SECONDS
from core.text import one_line

_CONNECT_SECONDS: Final = 3.0
_READ_SECONDS: Final = 5.0
"""So long a look at the states may take: pages wait for it."""
_SUBMIT_SECONDS: Final = 30.0
_TROUBLE_SECONDS: Final = 5.0
"""So long it holds why the cluster may not be used: who has just set it right wants to start something."""

_JOBS: Final = "/api/jobs/"

RayJobs = Mapping[str, Mapping[int, Any]]
"""Jobs as Ray's `JobDetails`: by the id of the run, then by the number of the attempt."""
_T = TypeVar("_T")


@dataclass(frozen=True)
class _Look:
    """What the head said when it was asked for its jobs."""

    at: float
    """When it was asked, by the clock."""
    jobs: RayJobs
    error: str = ""


class RayHead:
    """The head of a cluster, as asked over HTTP."""

    def __init__(self, address: str, clock: Callable[[], float] = time.monotonic) -> None:
        """Asks nothing yet.

        Args:
            address: of its dashboard, such as `http://head:8265`.
            clock: in seconds.
        """
        self._address = address
        self._clock = clock
        self._looking, self._trying = threading.Lock(), threading.Lock()
        self._look: _Look | None = None
        self._trouble: str | None = None
        self._tried: tuple[str | None, float] = (None, 0.0)
        """Which address was tried, and until when that holds."""
        self._client: tuple[tuple[str, str], Any] | None = None

    @property
    def address(self) -> str:
        """Where it is asked: Ray's own client has two variables overrule what it is told."""
        variables = ("RAY_API_SERVER_ADDRESS", "RAY_ADDRESS")
        return next(filter(None, map(os.environ.get, variables)), self._address).rstrip("/")

    def trouble(self) -> str | None:
        """What `check` raises, or None; from memory, if it was tried within the last seconds."""
        with self._trying:
            (tried, until), address, now = self._tried, self.address, self._clock()
            if tried != address or now >= until:
                try:
                    self.check()
                    self._trouble = None
                except RunError as error:
                    self._trouble = str(error)
                self._tried = address, now + (_TROUBLE_SECONDS if self._trouble else POSSIBLE_SECONDS)
            return self._trouble

    def check(self) -> None:
        """Make sure that the cluster lets this machine in, and nobody without a token.

        Raises:
            RunError: it does not, or does not answer; or there is no Ray here, no address or no token.
        """
        _require_ray()
        address = _usable(self.address)
        read_token()
        with _in_words(address):
            import requests

            limits = (_CONNECT_SECONDS, _READ_SECONDS)
            status = requests.get(address + _JOBS, timeout=limits, allow_redirects=False).status_code
        if status < 300:
            raise RunError(
                f"The Ray cluster at {address} runs commands for anybody who reaches it. Start it with "
                "RAY_AUTH_MODE=token and a token."
            )
        if status not in (401, 403):
            raise RunError(f"At {address} is no head of a Ray cluster (status {status}). Check its address.")
        self.ask(methodcaller("get_version"))

    def ask(self, call: Callable[[Any], _T]) -> _T:
        """Ask it something through Ray's `JobSubmissionClient`.

        Raises:
            RunError: it refuses, or does not answer; or there is no Ray here, no address or no token.
        """
        _require_ray()
        key = _usable(self.address), read_token()
        with _in_words(key[0]):
            client = self._client
            if client is None or client[0] != key:
                made = _client_kind()(key[0], headers={"Authorization": f"Bearer {key[1]}"})
                self._client = client = (key, made)
            return call(client[1])

    def jobs(self) -> RayJobs:
        """The jobs of runs that it has or had.

        Raises:
            RunError: see `ask`.
        """
        return _by_run(self.ask(methodcaller("list_jobs")))

    def recent_jobs(self, wanted: set[str]) -> RayJobs:
        """The same, not older than 2 seconds. That one of the wanted runs has no living job is only believed from a
        list that was asked for after this call: it may have been submitted since the last.

        Raises:
            RunError: see `ask`; without asking for 15 seconds after it has not answered.
        """
        called = self._clock()
        with self._looking:
            look = self._look
            if look is None or not _holds(look, called, wanted):
                at = self._clock()
                try:
                    look = _Look(at, self.jobs())
                except RunError as error:
                    look = _Look(at, {}, str(error))
                self._look = look
        if look.error:
            raise RunError(look.error)
        return look.jobs


def _holds(look: _Look, called: float, wanted: set[str]) -> bool:
    """Whether what the head has said answers who calls at this time."""
    age = called - look.at
    if look.error:
        return age < UNASKED_SECONDS
    return age <= 0 or (age < FRESH_SECONDS and all(_lives(look.jobs.get(run_id, {})) for run_id in wanted))


def _lives(attempts: Mapping[int, Any]) -> bool:
    return any(not job.status.is_terminal() for job in attempts.values())


def _by_run(jobs: Sequence[Any]) -> RayJobs:
    """Those of runs: no run id has a dot, and what was not submitted to this API has no submission ID."""
    found: dict[str, dict[int, Any]] = {}
    for job in jobs:
        run_id, _, attempt = (job.submission_id or "").rpartition(".")
        if run_id and attempt.isascii() and attempt.isdecimal():
            found.setdefault(run_id, {})[int(attempt)] = job
    return found


def read_token() -> str:
    """The token of the cluster, from where Ray has it. Ray's own reader ends the process if the named file is missing.

    Raises:
        RunError: there is none that can be used, or `RAY_AUTH_MODE` does not say that there is one.
    """
    if os.environ.get("RAY_AUTH_MODE", "").lower() != "token":
        raise RunError(
            "Ray needs a token: set RAY_AUTH_MODE=token, and the token as RAY_AUTH_TOKEN or in the file "
            "RAY_AUTH_TOKEN_PATH, for the dashboard as for the cluster."
        )
    token = os.environ.get("RAY_AUTH_TOKEN", "").strip()
    file = Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or Path.home() / ".ray" / "auth_token")
    try:
        token = token or read_regular(file).decode(errors="replace").strip()
    except OSError as error:
        reason = system_reason(error)
        raise RunError(f"Ray needs a token: set RAY_AUTH_TOKEN, or write it to {file} ({reason}).") from error
    if not (token.isascii() and token.isprintable() and len(token.split()) == 1):
        raise RunError("Ray's token must be one word of ASCII characters.")
    return token


def _require_ray() -> None:
    if importlib.util.find_spec("ray") is None:
        raise RunError("Ray isn't installed: pip install -r requirements-ray.txt.")


def _usable(address: str) -> str:
    """The address, if a dashboard can be there."""
    if not address:
        raise RunError("No Ray cluster is named. Set address in the section [ray] of site.toml, or RAY_ADDRESS.")
    try:
        parts = urlsplit(address)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0 and "@" not in parts.netloc
    except ValueError:
        usable = False
    if not usable:
        raise RunError("The address of the Ray cluster must be that of its dashboard, such as http://head:8265.")
    return address


def _client_kind() -> type[Any]:
    """Ray's client; a class here, since Ray must not be imported with this module."""
    from ray.job_submission import JobSubmissionClient

    class Client(JobSubmissionClient):
        """Ray's, with limits: it would wait for ever for a head that hangs."""

        def _do_request(self, method: str, endpoint: str, **options: Any) -> Any:
            limits = (_CONNECT_SECONDS, _SUBMIT_SECONDS if method == "POST" else _READ_SECONDS)
            return super()._do_request(method, endpoint, timeout=limits, **options)

    return Client


@contextmanager
def _in_words(address: str) -> Iterator[None]:
    """Whatever Ray's client raises becomes a sentence."""
    try:
        yield
    except FerError:
        raise
    except ImportError as error:
        raise RunError(f"Ray is not all there ({error}): pip install -r requirements-ray.txt.") from error
    except Exception as error:  # Ray's client has no class of its own for what the cluster refuses
        raise RunError(f"The Ray cluster at {address} {_explain(error)}") from error


def _explain(error: Exception) -> str:
    """The end of a sentence that begins with the cluster."""
    import requests

    if isinstance(error, ConnectionError | requests.ConnectionError | requests.Timeout):
        return "doesn't answer. Is its head up?"
    from ray.exceptions import AuthenticationError

    if isinstance(error, AuthenticationError):
        return "refuses this token. Set RAY_AUTH_TOKEN to the one that it was started with."
    lines = [line for line in str(error).splitlines() if line.strip(" .")]  # of a traceback, the last says what it is
    said = one_line(lines[-1])[:300].rstrip(".") if lines else type(error).__name__
    return f"refuses: {said}."
