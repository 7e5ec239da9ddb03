"""What is done with ensembles: creating and deleting."""

from collections.abc import Sequence
from pathlib import Path

from core.runs import ensembles
from core.team.door import door
from core.team.people import Actor
from core.team.rights import Action


def create_ensemble(
    actor: Actor, runs_root: Path, name: str, run_ids: Sequence[str], *, author: str = ""
) -> ensembles.Ensemble:
    """Let runs answer together under a name. As `core.runs.ensembles.create_ensemble`.

    Args:
        actor: who creates it.
        runs_root: the folder of all runs.
        name: of the ensemble.
        run_ids: of its members.
        author: on the command line, in whose name; empty: the actor's.
    """
    author = author if author and actor.way == "command line" else actor.name
    with door(Action.CREATE_ENSEMBLE, actor, runs_root, name, detail=f"of {', '.join(run_ids)}"):
        return ensembles.create_ensemble(runs_root, name, run_ids, author=author)


def delete_ensemble(actor: Actor, runs_root: Path, name: str) -> None:
    """Delete an ensemble; its runs stay. As `core.runs.ensembles.delete_ensemble`."""
    with door(Action.DELETE_ENSEMBLE, actor, runs_root, name):
        ensembles.delete_ensemble(runs_root, name)
