"""The commands about labels: label reviews, correction sets, fixed and broken images, likely label errors."""

import sys
from enum import StrEnum
from typing import Annotated, Any, Final

import typer

from core.cli.options import (
    AsCsv,
    AsJson,
    DataRoot,
    RunName,
    RunsRoot,
    Settings,
    config_of,
    find_runs,
    pairs,
    terminal_user,
)
from core.cli.output import as_percent, print_csv, print_json
from core.errors import RunError
from core.labels import LABELS
from core.numbers import signed
from core.presets import PRESETS, make_config

labels_app = typer.Typer(help="Review labels image by image.", no_args_is_help=True, rich_markup_mode=None)
corrections_app = typer.Typer(
    help="Correction sets: label corrections made from label reviews.", no_args_is_help=True, rich_markup_mode=None
)
suspects_app = typer.Typer(help="Find likely label errors.", no_args_is_help=True, rich_markup_mode=None)

By = Annotated[str, typer.Option("--by", help="Your name.", show_default="the logged-in user")]


_OLD_OPTIONS: Final = {"verdict": "decision"}

TAKES_OLD_OPTIONS: Final = {"token_normalize_func": lambda name: _OLD_OPTIONS.get(name, name)}
"""Context settings of a command that parses `--verdict` as `--decision`."""


class DatasetSplit(StrEnum):
    """The splits of a dataset."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"


class ScoredSplit(StrEnum):
    """What a run may have predictions for."""

    TRAIN = "train"
    HELD_OUT = "held-out"
    VALIDATION = "validation"
    TEST = "test"


# --- label reviews: python -m core labels


@labels_app.command("review", context_settings=TAKES_OLD_OPTIONS)
def labels_review(
    run: RunName,
    runs_root: RunsRoot,
    data_root: DataRoot,
    split: Annotated[DatasetSplit, typer.Option(help="Split of the images.")],
    image: Annotated[list[str], typer.Option("--image", metavar="ID", help="Image id; repeatable.")],
    decision: Annotated[
        str | None,
        typer.Option(help="label is wrong, ambiguous, hard but right, not a face or model's fault."),
    ] = None,
    label: Annotated[str | None, typer.Option(help="Correct label; with 'label is wrong' only.")] = None,
    comment: Annotated[str, typer.Option(help="Free text.")] = "",
    withdraw: Annotated[bool, typer.Option("--withdraw", help="Remove your review of these images.")] = False,
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """Review the labels of one or more images; saved with your name and the time."""
    from core.data.dataset import load_split
    from core.runs.reader import find_run
    from core.team import actions

    if withdraw == (decision is not None):
        raise RunError("Use either --decision, or --withdraw to remove your review.")
    found = find_run(runs_root, run)
    dataset = config_of(found).dataset
    opened = load_split(data_root, dataset, split.value)
    present = {str(id): LABELS[index] for id, index in zip(opened.ids, opened.labels, strict=True)}
    if unknown := [id for id in image if id not in present]:
        raise RunError(
            f"Image {unknown[0]!r} not found in {split.value} of {dataset!r}. See the predictions for image ids."
        )
    reviews = actions.add_label_reviews(
        terminal_user(),
        found.paths,
        split.value,
        image,
        decision,
        by=by,
        label=label,
        comment=comment,
        present=present,
    )
    if as_json:
        print_json([each.model_dump(mode="json") for each in reviews])
    else:
        print(f"{found.id}: {reviews[0].in_words()}, {len(reviews)} image{'' if len(reviews) == 1 else 's'}.")


@labels_app.command("reviews")
def labels_reviews(
    run: RunName,
    runs_root: RunsRoot,
    everything: Annotated[bool, typer.Option("--all", help="Include replaced and withdrawn reviews.")] = False,
    as_csv: AsCsv = False,
    as_json: AsJson = False,
) -> None:
    """List the label reviews of a run's images, oldest first."""
    from core.review.images import label_review_rows, read_label_reviews
    from core.runs.reader import find_run

    found = find_run(runs_root, run)
    rows = [row for row in label_review_rows(read_label_reviews(found.paths)) if everything or row["stands"]]
    if as_json:
        print_json(rows)
        return
    if as_csv:
        print_csv(rows)
        return
    for row in rows:
        correct = f": {row['label']}" if row["label"] else ""
        conflict = "  (conflict)" if row["disagreed"] else ""
        print(f"{row['split']:10} {row['image']:36} {row['by']:16} {row['verdict'] or 'removed'}{correct}{conflict}")
    if not rows:
        print("No reviews yet.")


# --- what changed: python -m core runs changes


def runs_changes(
    run: RunName,
    runs_root: RunsRoot,
    against: Annotated[str, typer.Option(help="Run to compare with.", show_default="the run it was cloned from")] = "",
    split: Annotated[ScoredSplit, typer.Option(help="Split to compare on.")] = ScoredSplit.VALIDATION,
    corrected: Annotated[
        bool, typer.Option("--corrected", help="Score both on the labels of the run's correction set.")
    ] = False,
    as_csv: AsCsv = False,
    as_json: AsJson = False,
) -> None:
    """List the images a run fixed and broke, compared with the run it was cloned from or another."""
    from core.comparison.baseline import check_matchable
    from core.evaluation.fixed_broken import OUTCOMES, changes_per_class, fixed_and_broken
    from core.evaluation.predictions import read_predictions
    from core.review.corrections import correct_table, run_corrections
    from core.runs.reader import find_run

    found = find_run(runs_root, run)
    if not against and not found.meta.parent:
        raise RunError(f"Run {found.id} was not cloned from another run. Use --against RUN.")
    before = find_run(runs_root, against or str(found.meta.parent))
    check_matchable(before, found)
    tables = [read_predictions(each.paths.predictions(split.value)) for each in (before, found)]
    if corrected:
        corrections = run_corrections(found.paths)
        if corrections is None:
            raise RunError(f"Run {found.id} was trained without a correction set. Remove --corrected.")
        tables = [correct_table(table, corrections, split.value) for table in tables]
    changes = fixed_and_broken(*tables)
    per_class = changes_per_class(changes)
    counts = {outcome: int(per_class[outcome].sum()) for outcome in OUTCOMES}
    if as_csv or as_json:
        rows = changes.assign(**{name: changes[name].map(LABELS.__getitem__) for name in ("label", "before", "after")})
        records: list[dict[str, Any]] = rows.astype({"outcome": str}).to_dict("records")  # type: ignore[assignment]
        if as_csv:
            print_csv(records)
        else:
            head = {"run": found.id, "against": before.id, "split": split.value, "corrected": corrected}
            print_json(head | {"counts": counts, "per_class": per_class.to_dict("index"), "images": records})
        return
    print(f"{found.id} vs {before.id}, {split.value}: " + ", ".join(f"{n:,} {o}" for o, n in counts.items()))
    print(f"{'':10}" + "".join(f"{outcome:>12}" for outcome in OUTCOMES) + f"{'net':>8}")
    for label, row in per_class.iterrows():
        print(f"{label:10}" + "".join(f"{row[outcome]:>12,}" for outcome in OUTCOMES) + f"{signed(row['net']):>8}")


# --- correction sets: python -m core corrections


@corrections_app.command("list")
def corrections_list(runs_root: RunsRoot, as_json: AsJson = False) -> None:
    """List the correction sets, newest first."""
    from core.review.corrections import list_corrections

    found = list_corrections(runs_root)
    if as_json:
        print_json([{**each.model_dump(mode="json", exclude={"entries"}), "says": each.in_words()} for each in found])
        return
    for each in found:
        print(f"{each.name:24} {each.dataset:16} {each.fingerprint[:12]}  {each.in_words()}")
    if not found:
        print("No correction sets yet. Create one with `python -m core corrections make NAME RUN...`.")


@corrections_app.command("make")
def corrections_make(
    name: Annotated[str, typer.Argument(help="Name of the correction set: a-z, 0-9 and hyphens.")],
    runs: Annotated[
        list[str], typer.Argument(metavar="RUN...", help="Runs on one dataset, whose label reviews to use.")
    ],
    runs_root: RunsRoot,
    split: Annotated[
        list[str] | None, typer.Option(help="train or validation; repeatable.", show_default="both")
    ] = None,
    follow: Annotated[str | None, typer.Option(help="Reviewer to follow where reviewers disagree.")] = None,
    as_json: AsJson = False,
) -> None:
    """Create a correction set from label reviews: replaces wrong labels, excludes ambiguous images and non-faces."""
    from core.review.draft import make_corrections
    from core.splits import CORRECTED_SPLITS
    from core.team import actions

    found = find_runs(runs_root, runs)
    draft = make_corrections(name, found, splits=split or CORRECTED_SPLITS, follow=follow)
    actions.save_corrections(terminal_user(), runs_root, draft.corrections)
    if draft.disputed:
        print(
            f"Skipped: {len(draft.disputed):,} images with conflicting reviews (see --follow).",
            file=sys.stderr,
        )
    if draft.on_test:
        print(f"Skipped: {draft.on_test:,} images from test (never changed).", file=sys.stderr)
    if as_json:
        print_json(draft.corrections.model_dump(mode="json"))
    else:
        print(f"{name}: {draft.corrections.in_words()}.")


@corrections_app.command("show")
def corrections_show(
    name: Annotated[str, typer.Argument(help="Name of the correction set.")],
    runs_root: RunsRoot,
    as_csv: AsCsv = False,
    as_json: AsJson = False,
) -> None:
    """Show a correction set, image by image."""
    from core.review.corrections import load_corrections

    found = load_corrections(runs_root, name)
    if as_json:
        print_json(found.model_dump(mode="json"))
        return
    if as_csv:
        print_csv([entry.model_dump() for entry in found.entries])
        return
    print(f"{found.name}: {found.in_words()}, made on {found.dataset}, fingerprint {found.fingerprint[:12]}")
    for entry in found.entries:
        print(f"{entry.split:10} {entry.image:36} {entry.label or entry.action:10} {entry.by}")


# --- suspects: python -m core suspects


@suspects_app.command("queue")
def suspects_queue(
    runs_root: RunsRoot,
    data_root: DataRoot,
    preset: Annotated[str, typer.Option(help=f"Preset to start from: {', '.join(PRESETS)}.")] = "quick",
    settings: Settings = None,
    folds: Annotated[int, typer.Option(help="Number of folds, 2 to 5.")] = 5,
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """Queue one run per fold of the train split; each holds its fold out and scores it at the end."""
    from core.data.dataset import read_info
    from core.team import actions

    config = make_config(preset, pairs(settings))
    read_info(data_root, config.dataset)
    group = actions.queue_folds(terminal_user(), runs_root, data_root, config, folds, author=by or None)
    if as_json:
        print_json({"tag": group.name, "runs": group.run_ids})
        return
    print("\n".join(group.run_ids))
    print(f"When they have finished: python -m core suspects show --tag {group.name}")


@suspects_app.command("show")
def suspects_show(
    runs_root: RunsRoot,
    runs: Annotated[list[str] | None, typer.Argument(metavar="[RUN...]", help="Runs on one dataset.")] = None,
    tag: Annotated[str, typer.Option(help="Add all runs with this tag.")] = "",
    split: Annotated[DatasetSplit, typer.Option(help="Split to rank.")] = DatasetSplit.TRAIN,
    top: Annotated[int, typer.Option(min=0, help="Number of images; 0 = all.")] = 50,
    as_csv: AsCsv = False,
    as_json: AsJson = False,
) -> None:
    """Rank images by how likely their label is wrong, using runs that were not trained on them where there are."""
    from core.review.suspects import find_suspects
    from core.runs.reader import list_runs

    wanted = find_runs(runs_root, runs or ())
    if tag:
        wanted += [run for run in list_runs(runs_root) if tag in run.meta.tags]
    if not wanted:
        raise RunError("No runs selected. Name runs, or use --tag.")
    found = find_suspects(list({run.id: run for run in wanted}.values()), split.value)
    print(found.note, file=sys.stderr)
    shown = found.table.head(top or len(found.table))
    shown = shown.assign(**{name: shown[name].map(LABELS.__getitem__) for name in ("label", "suggested")})
    records: list[dict[str, Any]] = shown.to_dict("records")  # type: ignore[assignment]
    if as_csv:
        print_csv(records)
    elif as_json:
        head = {"split": found.split, "runs": [run.id for run in found.runs], "in_sample": found.in_sample}
        print_json(head | {"missing_folds": found.missing, "images": records})
    else:
        print(f"{'image':36} {'label':9} {'suspicion':>9}  {'suggested':9} {'p':>8} {'agree':>8}")
        for row in records:
            print(
                f"{row['image_id']:36} {row['label']:9} {row['suspicion']:>9.3f}  {row['suggested']:9} "
                f"{as_percent(row['p_suggested']):>8} {row['agreement']:>4.0%} of {row['models']}"
            )
