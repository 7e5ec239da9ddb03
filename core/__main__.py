"""The command line: `python -m core`. The same engine as the pages.

Exit code 0 on success; 2 on bad input, with one line that says what to do; 1 on a failure.
"""

import io
import logging
import os
import sys

import typer

from core.cli.bench import bench_api, bench_faults, bench_load, bench_pages, bench_runs, bench_train
from core.cli.data import data_app
from core.cli.ensembles import ensembles_app
from core.cli.export import export, runs_import
from core.cli.groups import groups_app
from core.cli.jobs import runs_clone, runs_move, runs_recover, runs_reproduce, runs_resume, runs_retry, runs_stop
from core.cli.labels import (
    TAKES_OLD_OPTIONS,
    corrections_app,
    labels_app,
    labels_review,
    labels_reviews,
    runs_changes,
    suspects_app,
)
from core.cli.log import log_entries
from core.cli.notify import notify_people
from core.cli.predict import bench_predict, predict
from core.cli.reference import reference
from core.cli.runs import runs_app
from core.cli.tokens import token_app
from core.cli.train import evaluate, start_training
from core.errors import FerError, explain_system_error, system_reason
from core.jobs.launchers import register_launchers

app = typer.Typer(
    help="Facial expression recognition: datasets, training, runs, evaluation and prediction.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
bench_app = typer.Typer(help="Measure speed on this machine.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(data_app, name="data")
app.add_typer(runs_app, name="runs")
runs_app.command("stop")(runs_stop)
runs_app.command("resume")(runs_resume)
runs_app.command("retry")(runs_retry)
runs_app.command("clone")(runs_clone)
runs_app.command("reproduce")(runs_reproduce)
runs_app.command("move")(runs_move)
runs_app.command("recover")(runs_recover)
runs_app.command("import")(runs_import)
runs_app.command("changes")(runs_changes)
# The old names of `labels review` and `labels reviews`.
runs_app.command("verdict", hidden=True, context_settings=TAKES_OLD_OPTIONS)(labels_review)
runs_app.command("verdicts", hidden=True)(labels_reviews)
app.add_typer(groups_app, name="groups")
app.add_typer(ensembles_app, name="ensembles")
app.add_typer(labels_app, name="labels")
app.add_typer(corrections_app, name="corrections")
app.add_typer(suspects_app, name="suspects")
app.add_typer(token_app, name="token")
app.add_typer(bench_app, name="bench")
app.command("train")(start_training)
app.command()(evaluate)
app.command()(export)
app.command("log")(log_entries)
app.command()(predict)
app.command("notify")(notify_people)
app.command(hidden=True)(reference)
bench_app.command("train")(bench_train)
bench_app.command("predict")(bench_predict)
bench_app.command("pages")(bench_pages)
bench_app.command("runs")(bench_runs)
bench_app.command("load")(bench_load)
bench_app.command("api")(bench_api)
bench_app.command("faults")(bench_faults)


def main() -> None:
    """Run the command line; a `FerError`, or what the system refused, becomes one line and an exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal that does not know a character must not end a command
            stream.reconfigure(errors="backslashreplace")
    sys.argv[1:] = map(_as_text, sys.argv[1:])
    logging.getLogger("core.runs").addHandler(logging.NullHandler())  # parser errors are for logs, not for people
    register_launchers()
    try:
        app()
    except FerError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
    except BrokenPipeError:  # the reader, such as `head`, has closed the pipe
        sys.stderr.close()
        sys.exit(0)
    except UnicodeEncodeError:  # of a file's name: what is printed is replaced
        print("A file name can't be used in this locale. Set LANG=C.UTF-8 and try again.", file=sys.stderr)
        sys.exit(2)
    except OSError as error:
        print(explain_system_error(error) or f"The system refused: {system_reason(error)}.", file=sys.stderr)
        sys.exit(1)


def _as_text(argument: str) -> str:
    """An argument that is no text in this locale, as UTF-8: no JSON reader takes what Python makes of it. The name of
    a file that exists stays as it is, since it is found by its bytes."""
    try:
        argument.encode()
    except UnicodeEncodeError:
        return argument if os.path.lexists(argument) else os.fsencode(argument).decode(errors="replace")
    return argument


if __name__ == "__main__":
    main()
