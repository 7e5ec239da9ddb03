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
from core.team.actions.tokens import create_api_token, revoke_api_token

__all__ = [
    "clone",
    "create_api_token",
    "delete_run",
    "move_queued",
    "queue_folds",
    "recover",
    "reproduce",
    "resume",
    "retry",
    "revoke_api_token",
    "score",
    "start",
    "stop",
    "stop_now",
]
