"""What was told, in the folder of a run: so that nothing is told twice, and nothing that waits is forgotten."""

from collections.abc import Callable
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict
from pydantic import ValidationError as _ValidationError

from core.errors import ConfigError, system_reason
from core.files import read_regular, write_json
from core.jobs.notify.events import StateChange
from core.runs.paths import QueuePaths, RunPaths
from core.runs.values import Count, Moment, OneLine

KEPT: Final = 200
"""Changes of one run that are remembered; a run that stalls again and again has many."""


class Delivery(BaseModel):
    """One message to one destination."""

    model_config = ConfigDict(strict=True, extra="ignore")

    state: Literal["waiting", "sending", "sent", "failed"] = "waiting"
    attempts: Count = 0
    error: OneLine = ""
    """Of the last attempt that failed."""


class Notice(BaseModel):
    """One change, and whom it was told."""

    model_config = ConfigDict(strict=True, extra="ignore")

    event: OneLine
    of: OneLine
    time: Moment
    to: dict[str, Delivery] = {}

    def is_about(self, change: StateChange) -> bool:
        """Whether it tells this change."""
        return (self.event, self.of) == (change.event.value, change.of)


class Notices(BaseModel):
    """`notifications.json`, in the folder of a run or of the queue."""

    model_config = ConfigDict(strict=True, extra="ignore")

    since: Moment | None = None
    """Of the queue: what happened before was never meant to be told."""
    changes: list[Notice] = []

    def about(self, change: StateChange) -> Notice | None:
        """What was told of a change; None if nothing was."""
        return next((notice for notice in self.changes if notice.is_about(change)), None)


def read_notices(paths: RunPaths | QueuePaths) -> Notices:
    """What was told; empty where nothing was.

    Raises:
        ConfigError: it cannot be read, so that nobody knows.
    """
    try:
        return Notices.model_validate_json(read_regular(paths.notifications))
    except FileNotFoundError:
        return Notices()
    except _ValidationError:
        raise ConfigError(f"{paths.notifications} is corrupt: no messages about its run. Delete the file.") from None
    except OSError as error:
        raise ConfigError(f"Can't read {paths.notifications}: {system_reason(error)}.") from error


def change_notices(paths: RunPaths | QueuePaths, change: Callable[[Notices], None]) -> Notices:
    """Change what was told; on disk when this returns. One process writes it, under `QueuePaths.notify_lock`.

    Raises:
        ConfigError: it cannot be read or written.
    """
    notices = read_notices(paths)
    change(notices)
    del notices.changes[:-KEPT]
    try:
        write_json(paths.notifications, notices.model_dump(mode="json"))
    except OSError as error:
        raise ConfigError(f"Can't write {paths.notifications}: {system_reason(error)}.") from error
    return notices
