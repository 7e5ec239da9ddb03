"""Everything that changes something, behind the one door: each act takes who asks for it, is refused where their role
does not allow it, is written down, and is done by the function it is named after. Pages, the HTTP API and the command
line call these and nothing behind them."""

from core.team.actions.runs import (
    clone,
    delete_run,
    move_queued,
    queue_folds,
    recover,
    reproduce,
    resume,
    retry,
    score,
    start,
    stop,
    stop_now,
)

__all__ = [
    "clone",
    "delete_run",
    "move_queued",
    "queue_folds",
    "recover",
    "reproduce",
    "resume",
    "retry",
    "score",
    "start",
    "stop",
    "stop_now",
]
