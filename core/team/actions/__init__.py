"""Everything that changes something, behind the one door: each act takes who asks for it, is refused where their role
does not allow it, is written down, and is done by the function it is named after. Pages, the HTTP API and the command
line call these and nothing behind them."""

from core.team.actions.data import (
    cancel_download,
    clear_download,
    delete_dataset,
    import_data,
    import_demo,
    remove_token,
    save_token,
    start_download,
)
from core.team.actions.ensembles import create_ensemble, delete_ensemble
from core.team.actions.groups import (
    delete_group,
    queue_folds,
    reproduce_often,
    resume_group,
    start_sweep,
    stop_group,
)
from core.team.actions.notifications import save_addresses
from core.team.actions.reviews import add_label_reviews, annotate, annotation, save_corrections
from core.team.actions.runs import (
    clone,
    delete_run,
    import_run,
    move_queued,
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
    "add_label_reviews",
    "annotate",
    "annotation",
    "cancel_download",
    "clear_download",
    "clone",
    "create_api_token",
    "create_ensemble",
    "delete_dataset",
    "delete_ensemble",
    "delete_group",
    "delete_run",
    "import_data",
    "import_demo",
    "import_run",
    "move_queued",
    "queue_folds",
    "recover",
    "remove_token",
    "reproduce",
    "reproduce_often",
    "resume",
    "resume_group",
    "retry",
    "revoke_api_token",
    "save_addresses",
    "save_corrections",
    "save_token",
    "score",
    "start",
    "start_download",
    "start_sweep",
    "stop",
    "stop_group",
    "stop_now",
]
