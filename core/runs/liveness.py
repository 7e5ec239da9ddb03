"""Whether a run that says it waits or trains still does, for all that can be told from here.

The kernel of this machine knows the locks of its own processes, so of those nothing else is asked. A lock proves
nothing across hosts. A process there is known by the engine that started it, if there is one, and by its lease: a
number in `status.json` that it raises every few seconds. Clocks of two machines are never compared, since one of them
may be wrong: a reader goes by how long, on its own monotonic clock, it has not seen the number change, and at its first
look by how long ago, on the clock of the file server, the file was written.

Where nobody can tell, the run is `lost`, never crashed.
"""

import os
from time import monotonic
from typing import Final, NamedTuple

from core.files import lock_is_held
from core.machine import boot_id, host_name, is_local
from core.runs.engines import Answer
from core.runs.file_time import age_of
from core.runs.paths import RunPaths
from core.runs.records import RunState, RunStatus

STALLED_AFTER_SECONDS: Final = 120
LEASE_SECONDS: Final = 120.0
"""A lease that was renewed so long ago is worth nothing any more: longer than a network file system shows a reader the
file of before (NFS: 60 s)."""

DIED: Final = "The training process died unexpectedly. Resume from the last checkpoint."
DIED_STOPPING: Final = "Stopped, but the training process died before it wrote a checkpoint. Resume from the last one."
_RESUME: Final = "If it does not train any more, resume it from its last checkpoint."


class Judgement(NamedTuple):
    """What a run is doing, and what is to be said about that."""

    state: RunState
    problem: str | None = None


class _Sighting(NamedTuple):
    """What a reader has last seen of a lease, by its own monotonic clock."""

    mark: tuple[object, ...]
    since: float | None
    """When it was renewed, at the latest; None where nobody knows."""
    looked: float


class Liveness:
    """Judges one run, again and again: it remembers since when its lease has not changed."""

    def __init__(self, paths: RunPaths) -> None:
        self._paths = paths
        self._seen: _Sighting | None = None

    def judge(self, status: RunStatus, answer: Answer | None) -> Judgement:
        """What a run is doing.

        Args:
            status: as its file says.
            answer: of its engine; None if there is none, or it was not asked.

        Raises:
            OSError: its lock cannot be looked at.
        """
        if status.state == "queued":
            return _queued(status, answer)
        if status.state != "running":
            return Judgement(RunState(status.state), status.error)
        ours = is_ours(self._paths, status)
        if ours and lock_is_held(self._paths.alive_lock):
            return _moving(status)
        if answer and answer.alive == "yes":
            return Judgement(RunState.QUEUED, answer.text or None) if answer.waits else _moving(status)
        said = answer.text if answer else ""
        ended = ours or status.ended_at is not None  # its own last word, or what its runner wrote when it was gone
        if ended if not has_engine(status) else answer and answer.alive == "no":
            return self._gone(status, said)
        if ended:
            return _lost(said, f"Its process is gone: {status.launcher} may start it again, or not.")
        silence, where = self._silence(status), status.host or "its machine"
        if silence is not None and silence <= LEASE_SECONDS:
            return _moving(status)
        return _lost(said, f"No sign of life from {where}{_for(silence)}: it may still train there, or not.")

    def _gone(self, status: RunStatus, said: str) -> Judgement:
        if os.path.lexists(self._paths.stop_request):  # whoever stopped it does not want it to be recovered
            return Judgement(RunState.STOPPED, DIED_STOPPING)
        return Judgement(RunState.CRASHED, status.error or said or DIED)

    def _silence(self, status: RunStatus) -> float | None:
        """Seconds since the lease was renewed, at least; None where nobody can tell."""
        mark, now, last = (status.pid, status.lease_sequence, status.heartbeat), monotonic(), self._seen
        if last and last.mark == mark:
            since = last.since
        elif last and now - last.looked < LEASE_SECONDS:
            since = now
        else:  # no look before this one, or one so long ago that the last renewal may be, too
            age = age_of(self._paths.status, self._paths.root)
            since = None if age is None else now - age
        self._seen = _Sighting(mark, since, now)
        return None if since is None else now - since


def has_engine(status: RunStatus) -> bool:
    """Whether a run was started by the engine of a cluster, not by the runner of a machine."""
    return status.launcher != "local"


def is_ours(paths: RunPaths, status: RunStatus) -> bool:
    """Whether the lock of a run is proof: if it is free, its process is certainly gone.

    So it is if the process was started in this boot of the machine, in whichever of its containers, or if no other
    machine can have the folder open. A process of this name but of another boot was on this machine, before it was
    restarted, if it has written nothing since; else another machine has the same name.
    """
    if status.boot_id == boot_id() or status.host is None or is_local(paths.root):
        return True
    if status.host != host_name():
        return False
    age = age_of(paths.status, paths.root)
    return age is not None and age > monotonic()  # which counts from the start of the machine


def _queued(status: RunStatus, answer: Answer | None) -> Judgement:
    if answer and answer.alive == "no":
        gone = f"{status.launcher} does not know this run any more. Resume it to submit it again."
        return Judgement(RunState.LOST, answer.text or gone)
    return Judgement(RunState.QUEUED, (answer.text if answer else "") or status.error)


def _moving(status: RunStatus) -> Judgement:
    """A run whose process lives; whether it has moved of late, this boot's clock can tell only of its own processes."""
    if status.heartbeat is not None and status.boot_id == boot_id():
        silence = monotonic() - status.heartbeat
        if silence > STALLED_AFTER_SECONDS:
            return Judgement(
                RunState.STALLED, f"Stalled: no progress for {silence / 60:.0f} min (process still running)."
            )
    return Judgement(RunState.RUNNING, status.error)


def _for(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return f" for {seconds / 60:.0f} min" if seconds < 2 * 3600 else f" for {seconds / 3600:,.0f} h"


def _lost(*said: str) -> Judgement:
    return Judgement(RunState.LOST, " ".join(filter(None, (*said, _RESUME))))
