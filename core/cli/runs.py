"""`python -m core runs ...`: the commands about existing runs."""

import sys
from enum import StrEnum
from typing import Annotated

import typer

from core.cli.options import AsCsv, AsJson, RunName, RunsRoot, find_candidates, find_runs, terminal_user
from core.cli.output import (
    accuracy_on_test,
    accuracy_on_validation,
    accuracy_text,
    as_percent,
    print_csv,
    print_json,
    print_reproduction,
)
from core.config import as_typed
from core.errors import RunError

runs_app = typer.Typer(
    help="List, show, compare, edit, review, stop and resume runs.", no_args_is_help=True, rich_markup_mode=None
)


class ComparedSplit(StrEnum):
    """The splits whose predictions a run keeps."""

    VALIDATION = "validation"
    TEST = "test"


@runs_app.command("list")
def runs_list(
    runs_root: RunsRoot,
    archived: Annotated[bool, typer.Option("--archived", help="Include archived runs.")] = False,
    tag: Annotated[list[str] | None, typer.Option("--tag", help="Only runs with this tag; repeatable.")] = None,
    as_csv: AsCsv = False,
    as_json: AsJson = False,
) -> None:
    """List runs, newest first."""
    from core.runs.reader import list_runs
    from core.runs.table import as_rows, run_as_json

    everything = list_runs(runs_root)
    runs = [run for run in everything if (archived or not run.meta.archived) and set(tag or ()) <= set(run.meta.tags)]
    if as_json:
        print_json([run_as_json(run) for run in runs])
        return
    if as_csv:
        print_csv(as_rows(runs))
        return
    if not runs:
        none = "No run has that tag." if tag else "All runs are archived. List them with --archived."
        print(none if everything else "No runs yet. Start one with `python -m core train --preset quick`.")
        return
    print(f"{'run':34} {'state':10} {'epochs':>8} {'validation (95% CI)':>19} {'test (95% CI)':>17}  review")
    for run in runs:
        review = "" if run.meta.review == "unreviewed" else run.meta.review
        line = (
            f"{run.id:34} {run.state.in_words():10} {run.summary.epochs_done:>3}/{run.status.epochs:<4} "
            f"{accuracy_on_validation(run):>19} {accuracy_on_test(run):>17}  {review}"
        )
        print(line.rstrip())


@runs_app.command("compare")
def runs_compare(
    runs: Annotated[
        list[str],
        typer.Argument(metavar="BASELINE RUN...", help="The baseline, then the runs and ensembles to compare with it."),
    ],
    runs_root: RunsRoot,
    split: Annotated[ComparedSplit, typer.Option(help="Split to compare on.")] = ComparedSplit.VALIDATION,
    as_csv: AsCsv = False,
    as_json: AsJson = False,
) -> None:
    """Compare runs with a baseline and test for significance."""
    from core.comparison.baseline import against_baseline, compared_rows, seed_groups, setting_differences
    from core.runs.records import Run

    candidates = find_candidates(runs_root, runs)
    if len(candidates) < 2:
        raise RunError("Select two or more different runs to compare, the baseline first.")
    found = [each for each in candidates if isinstance(each, Run)]
    rows = against_baseline(candidates, candidates[0], split.value)
    if as_csv:
        print_csv(compared_rows(rows, split.value))
        return
    differences, groups = setting_differences(found), seed_groups(found, split.value)
    if as_json:
        print_json(
            {
                "split": split.value,
                "baseline": candidates[0].id,
                "runs": compared_rows(rows, split.value),
                "settings": {field: dict(zip([run.id for run in found], values, strict=True))
                             for field, values in differences.items()},
                "seed_groups": [
                    {"runs": [run.id for run in group.runs], "accuracies": list(group.accuracies),
                     "mean_and_spread": group.mean_and_std}
                    for group in groups
                ],
            }
        )  # fmt: skip
        return
    for row in rows:
        print(f"{row.run.id:34} {split.value} {accuracy_text(row.metrics):>17}  {row.words}")
    for group in groups:
        mean, spread = group.mean_and_std or (None, None)
        if spread is not None:
            count = f"{len(group.accuracies)} seeds of {group.runs[0].id}"
            print(f"{count}: mean {as_percent(mean)}, standard deviation {100 * spread:.2f} pp")
    for field, values in differences.items():
        print(f"{field:20} " + "  ".join("?" if value is None else str(value) for value in values))


@runs_app.command("annotate")
def runs_annotate(
    run: RunName,
    runs_root: RunsRoot,
    name: Annotated[str | None, typer.Option(help="Display name.")] = None,
    note: Annotated[str | None, typer.Option(help="Replace the notes.")] = None,
    comment: Annotated[str, typer.Option(help="Add a comment to the history.")] = "",
    tag: Annotated[list[str] | None, typer.Option("--tag", help="Add a tag; repeatable.")] = None,
    untag: Annotated[list[str] | None, typer.Option("--untag", help="Remove a tag; repeatable.")] = None,
    star: Annotated[bool | None, typer.Option("--star/--unstar", help="Star or unstar the run.")] = None,
    review: Annotated[str | None, typer.Option(help="unreviewed, in review, approved or rejected.")] = None,
    by: Annotated[str, typer.Option(help="Your name.", show_default="the logged-in user")] = "",
    as_json: AsJson = False,
) -> None:
    """Edit a run's name, notes, tags and review."""
    from core.runs.reader import find_run
    from core.team import actions

    found = find_run(runs_root, run)
    wanted = {"name": name, "notes": note, "starred": star, "review": review}
    changes = {field: value for field, value in wanted.items() if value is not None}
    if not (changes or tag or untag or comment):
        raise RunError("Nothing to change. Use --name, --note, --comment, --tag, --untag, --star or --review.")
    meta = actions.annotate(
        terminal_user(),
        found.paths.root,
        found.id,
        changes,
        by=by,
        tag=tag or (),
        untag=untag or (),
        comment=comment,
    )
    if as_json:
        print_json(meta.model_dump(mode="json"))
    else:
        tags = f", tags {', '.join(meta.tags)}" if meta.tags else ""
        print(f"{found.id}: {meta.review}{' by ' + meta.reviewer if meta.reviewer else ''}{tags}.")


@runs_app.command("archive")
def runs_archive(
    runs: Annotated[list[str], typer.Argument(metavar="RUN...", help="Run ids, prefixes or folders.")],
    runs_root: RunsRoot,
    undo: Annotated[bool, typer.Option("--undo", help="Unarchive the runs.")] = False,
) -> None:
    """Hide runs from lists. Nothing is deleted."""
    from core.team import actions

    for found in find_runs(runs_root, runs):
        actions.annotate(terminal_user(), found.paths.root, found.id, {"archived": not undo})
        print(f"{found.id}: {'unarchived' if undo else 'archived'}.")


@runs_app.command("delete")
def runs_delete(
    runs: Annotated[list[str], typer.Argument(metavar="RUN...", help="Run ids, prefixes or folders.")],
    runs_root: RunsRoot,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
    shipped: Annotated[bool, typer.Option("--shipped", help="Also delete the run shipped with the project.")] = False,
) -> None:
    """Delete runs permanently, after confirmation; the run shipped with the project has to be confirmed twice. Queued
    and running runs must be stopped first."""
    from core.runs.delete import shipped_warning, what_is_lost, why_not_deleted
    from core.runs.paths import is_shipped
    from core.team import actions

    found = find_runs(runs_root, runs)
    for run in found:
        if reason := why_not_deleted(run):
            raise RunError(reason)
        if yes and is_shipped(run.id) and not shipped:
            raise RunError(f"Nothing deleted. {shipped_warning(run)} To delete it anyway, add --shipped.")
    for run in found:
        if not yes:
            print(f"{run.id} ({run.name}): this permanently deletes {what_is_lost(run)}.", file=sys.stderr)
            if not sys.stdin.isatty():
                raise RunError("Nothing deleted. Without a terminal to ask for confirmation, add --yes.")
            kept = not _confirmed("yes", "Type yes to delete: ")
            if not kept and is_shipped(run.id) and not shipped:
                print(shipped_warning(run), file=sys.stderr)
                kept = not _confirmed(run.id, "Type its id to delete it anyway: ")
            if kept:
                print("Kept.")
                continue
        actions.delete_run(terminal_user(), run.paths.root, run.id, shipped=True)
        print(f"{run.id}: deleted.")


def _confirmed(word: str, question: str) -> bool:
    return input(question).strip().lower() == word


@runs_app.command("show")
def runs_show(run: RunName, runs_root: RunsRoot, as_json: AsJson = False) -> None:
    """Show a run: state, progress, metrics and settings; for a reproduction, also its result."""
    from core.comparison.reproduction import read_reproduction
    from core.runs.best import describe_mismatch
    from core.runs.history import read_all
    from core.runs.reader import find_run
    from core.runs.table import run_as_json

    found = find_run(runs_root, run)
    result = read_reproduction(found)
    if as_json:
        print_json({**run_as_json(found), "reproduction": result and result.model_dump(mode="json")})
        return
    print(f"{found.id}  {found.state.in_words()}" + (f": {found.problem}" if found.problem else ""))
    if not found.state.is_live and (mismatch := describe_mismatch(found.paths)):
        print(mismatch)
    print(f"epochs        {found.summary.epochs_done} of {found.status.epochs}")
    for origin in read_all(found.paths.imports):
        print(f"imported      by {origin.get('by')} at {origin.get('time')}, from run {origin.get('run')}")
    if best := found.best:
        print(f"validation    {accuracy_on_validation(found)} (best, epoch {best.epoch})")
    for split, metrics in found.summary.evaluation.items():
        tta = accuracy_text(metrics.tta)
        print(f"{split:13} {accuracy_text(metrics)} on {metrics.images:,} images; {tta} with flip TTA")
    if (speed := found.status.images_per_second) and found.status.utilization:
        print(f"throughput    {speed:,.0f} images/s, {found.status.utilization}")
    if joules := found.summary.energy_joules:
        print(f"energy        {joules / 3600:,.1f} Wh of the GPU")
    if found.config:
        print(
            "settings      " + " ".join(f"{key}={as_typed(value)}" for key, value in found.config.model_dump().items())
        )
    if result:
        print_reproduction(result)
