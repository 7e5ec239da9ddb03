"""`python -m core export RUN` and `python -m core runs import BUNDLE`: runs in other formats, and from elsewhere."""

from pathlib import Path
from typing import Annotated

import typer

from core.cli.options import AsJson, RunName, RunsRoot, terminal_user
from core.cli.output import print_json
from core.exchange.formats import Format


def export(
    run: RunName,
    runs_root: RunsRoot,
    form: Annotated[
        Format,
        typer.Option(
            "--format",
            help="csv, parquet: curves with every point; parquet also has the predictions. tensorboard: an event file. "
            "onnx, safetensors: best weights. model-card: data, metrics and intended use, as Markdown. bundle: the run "
            "folder as a zip file, for `runs import`; zip is its old name.",
        ),
    ],
    output: Annotated[Path, typer.Option("--output", help="Folder to write to.")] = Path(),
    checkpoint: Annotated[
        bool, typer.Option("--checkpoint", help="Include the checkpoint in a bundle, to resume the run elsewhere.")
    ] = False,
) -> None:
    """Export a run and print the files written."""
    from core.exchange.formats import export_run
    from core.runs.reader import find_run

    for path in export_run(find_run(runs_root, run), form, output, checkpoint=checkpoint):
        print(path)


def runs_import(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="Zip file that `export --format bundle` wrote.")],
    runs_root: RunsRoot,
    rename: Annotated[
        bool, typer.Option("--rename", help="If there is a run of that id, import this one under another.")
    ] = False,
    keep_review: Annotated[
        bool, typer.Option("--keep-review", help="Keep its review. An approved run is used for predictions.")
    ] = False,
    by: Annotated[str, typer.Option(help="Your name.", show_default="the logged-in user")] = "",
    as_json: AsJson = False,
) -> None:
    """Import a run that was exported as a bundle, here or on another machine."""
    from core.team import actions

    made = actions.import_run(terminal_user(), runs_root, bundle, by=by or None, rename=rename, keep_review=keep_review)
    if as_json:
        print_json({"run": made.run_id, "original": made.original_id, "notes": list(made.notes)})
        return
    renamed = f" as {made.run_id}" if made.run_id != made.original_id else ""
    print(" ".join([f"{made.original_id}: imported{renamed}.", *made.notes]))
