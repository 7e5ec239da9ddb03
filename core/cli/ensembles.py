"""`python -m core ensembles ...`: runs that answer together."""

from typing import Annotated, Any

import typer

from core.cli.options import AsJson, RunsRoot, find_members, terminal_user
from core.cli.output import accuracy_text, print_json
from core.runs.ensembles import Ensemble

ensembles_app = typer.Typer(
    help="Ensembles: finished runs that predict together. Their names are accepted by predict, evaluate and compare.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
_Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the ensemble.")]


@ensembles_app.command("create")
def ensembles_create(
    name: _Name,
    runs: Annotated[
        list[str], typer.Argument(metavar="RUN...", help="Two or more finished runs on the same data; or ensembles.")
    ],
    runs_root: RunsRoot,
    by: Annotated[str, typer.Option("--by", help="Your name.", show_default="the logged-in user")] = "",
    as_json: AsJson = False,
) -> None:
    """Create an ensemble: the mean of the calibrated probabilities of its runs."""
    from core.team import actions

    ids = [run.id for run in find_members(runs_root, runs)]
    made = actions.create_ensemble(terminal_user(), runs_root, name, ids, author=by)
    if as_json:
        print_json(_as_json(made))
    else:
        print(f"{made.name}: {', '.join(ids)}")


@ensembles_app.command("list")
def ensembles_list(runs_root: RunsRoot, as_json: AsJson = False) -> None:
    """List ensembles, with their accuracy on validation and test (single view, 95% CI)."""
    from core.runs.ensembles import list_ensembles

    found = list_ensembles(runs_root)
    if as_json:
        print_json([_as_json(each) for each in found])
        return
    if not found:
        print("No ensembles yet. Create one with `python -m core ensembles create NAME RUN RUN`.")
    for each in found:
        print(f"{each.name}: {each.problem or _accuracies(each)}")
        print(f"  {', '.join(run.id for run in each.runs)}")


@ensembles_app.command("delete")
def ensembles_delete(name: _Name, runs_root: RunsRoot) -> None:
    """Delete an ensemble. Its runs stay."""
    from core.team import actions

    actions.delete_ensemble(terminal_user(), runs_root, name)
    print(f"{name}: deleted.")


def _accuracies(ensemble: Ensemble) -> str:
    from core.comparison.candidates import metrics_on
    from core.splits import COMPARED_SPLITS

    return ", ".join(f"{split} {accuracy_text(metrics_on(ensemble, split))}" for split in COMPARED_SPLITS)


def _as_json(ensemble: Ensemble) -> dict[str, Any]:
    from core.comparison.candidates import metrics_on
    from core.splits import COMPARED_SPLITS

    scored = {split: metrics_on(ensemble, split) for split in COMPARED_SPLITS} if not ensemble.problem else {}
    return {
        "name": ensemble.name,
        "runs": [run.id for run in ensemble.runs],
        "author": ensemble.author,
        "problem": ensemble.problem,
        "evaluation": {split: metrics.as_json() for split, metrics in scored.items() if metrics},
    }
