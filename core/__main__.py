"""The command line: `python -m core`. The same engine as the pages.

Exit code 0 on success; 2 on bad input, with one line that says what to do; 1 on a failure.
"""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from core.cli import (
    AsJson,
    DataRoot,
    RunName,
    RunsRoot,
    Settings,
    Split,
    config_of,
    figure,
    pairs,
    percent,
    print_json,
    run_as_json,
)
from core.commands_data import data_app
from core.commands_export import export
from core.commands_runs import runs_app
from core.config import PRESETS, make_config
from core.errors import FerError

app = typer.Typer(
    help="Facial expression recognition: data, training, runs, evaluation, prediction.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
bench_app = typer.Typer(help="Measure speed on this machine.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(data_app, name="data")
app.add_typer(runs_app, name="runs")
app.add_typer(bench_app, name="bench")
app.command()(export)


# --- training


@app.command()
def train(
    runs_root: RunsRoot,
    data_root: DataRoot,
    preset: Annotated[str, typer.Option(help=f"One of: {', '.join(PRESETS)}.")] = "seed",
    settings: Settings = None,
    name: Annotated[str, typer.Option(help="Display name of the run.")] = "",
    author: Annotated[str, typer.Option(help="Who starts it.")] = "",
    wait: Annotated[bool, typer.Option(help="Show the progress and return when the run has ended.")] = False,
    as_json: AsJson = False,
) -> None:
    """Start a training run in the background and print its id."""
    from core.data.fer2013 import read_info
    from core.jobs.local import start
    from core.runs.store import read_run

    config = make_config(preset, pairs(settings))
    read_info(data_root, config.dataset)  # a missing data set is better said now than in the run's log
    run_id = start(runs_root, data_root, config, name=name, author=author)
    if not as_json or wait:
        print(run_id, file=sys.stderr if as_json else sys.stdout)
    if wait:
        _follow(runs_root, run_id)
    if as_json:
        print_json(run_as_json(read_run(runs_root, run_id)))


def _follow(runs_root: Path, run_id: str) -> None:
    """Show the progress until the run has ended.

    Raises:
        TrainingError: it ended badly.
    """
    from core.errors import TrainingError
    from core.jobs.follow import follow

    run = follow(runs_root, run_id)
    print(f"{run.state}{f': {run.problem}' if run.problem else ''}", file=sys.stderr)
    if run.state in ("failed", "crashed", "damaged"):
        raise TrainingError(run.problem or f"Run {run_id} {run.state}.")


# --- evaluation and prediction


@app.command()
def evaluate(
    run: RunName,
    runs_root: RunsRoot,
    data_root: DataRoot,
    split: Annotated[Split, typer.Option(help="Which images to score.")] = Split.TEST,
    tta: Annotated[bool, typer.Option("--tta", help="Average over the image and its mirror image.")] = False,
    as_json: AsJson = False,
) -> None:
    """Score a run's best weights again."""
    from core.runs.store import find_run

    found = find_run(runs_root, run)
    config = config_of(found)
    from core.training.device import choose_compute
    from core.training.report import report

    figures = report(found.paths, config, data_root, choose_compute(config), splits=[split], keep_predictions=False)[
        split
    ]
    if tta:
        figures = figures["tta"]
    if as_json:
        print_json({"run": found.id, "split": split, "tta": tta, **figures})
        return
    print(f"{found.id}, {split}{' with flip' if tta else ''}: {figure(figures)} on {figures['images']:,} images")
    print(f"{'':10} {'precision':>10} {'recall':>10} {'F1':>10} {'images':>8}")
    for label, row in figures["per_class"].items():
        values = "".join(f"{percent(row[key]):>11}" for key in ("precision", "recall", "f1"))
        print(f"{label:10}{values} {row['support']:>8,}")


@app.command()
def predict(
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="Picture files.")],
    runs_root: RunsRoot,
    run: Annotated[str, typer.Option(help="Which run's weights; the best run by default.")] = "",
    faces: Annotated[
        bool, typer.Option("--faces/--no-faces", help="Look for faces, or take each picture whole.")
    ] = True,
    as_json: AsJson = False,
) -> None:
    """Predict the expression on pictures. A picture that cannot be read is reported; the others go on."""
    from core.errors import RunError
    from core.runs.store import best_run, find_run, list_runs

    chosen = find_run(runs_root, run) if run else best_run(list_runs(runs_root))
    if chosen is None:
        raise RunError("There is no trained run yet: start one with `python -m core train --preset quick`.")
    config = config_of(chosen)
    from core.prediction.predictor import Predictor, Taken

    predictor = Predictor.load(chosen.paths.weights, config.model)
    unreadable = 0
    for path in images:
        try:
            photo = predictor.predict_file(path, whole=not faces)
        except FerError as error:
            unreadable += 1
            print(error, file=sys.stderr)
            continue
        if photo.taken is Taken.WHOLE_WITHOUT_A_FACE:
            print(f"{path.name}: no face found, so the whole picture was taken as one.", file=sys.stderr)
        if as_json:
            print(json.dumps({"file": str(path), "faces": [face.as_json() for face in photo.faces]}))
        else:
            for face in photo.faces:
                print(f"{path}: {face.label} {percent(float(face.probabilities.max()))}")
    if unreadable:
        raise typer.Exit(2)


# --- speed


@bench_app.command("train")
def bench_train(
    data_root: DataRoot,
    dataset: Annotated[str, typer.Option(help="Name of an imported data set.")] = "fer2013",
    batch_size: Annotated[int, typer.Option(min=2)] = 128,
    steps: Annotated[int, typer.Option(min=2, help="Timed steps per turn.")] = 8,
    rounds: Annotated[int, typer.Option(min=1, help="Turns of each.")] = 3,
    as_json: AsJson = False,
) -> None:
    """Images per second of the usual script and of the engine, in turns."""
    from core.training import bench

    figures = bench.bench_train(data_root, dataset, batch_size=batch_size, steps=steps, rounds=rounds)
    if as_json:
        print_json(figures)
        return
    print(f"{figures['device']}, batches of {batch_size}")
    for name, rate in figures["images_per_second"].items():
        ratio = figures["ratio"].get(name)
        compared = f"   {ratio:.2f} times the usual script" if ratio else ""
        print(f"{name.replace('_', ' '):16} {rate:>9,.1f} images/s{compared}")
    print(f"Augmentation, logging, averages and validation add {percent(figures['overhead_of_best'])} to an epoch.")
    print(f"The engine reaches {percent(figures['share_of_peak'])} of this device's matrix-multiply peak.")


def main() -> None:
    """Run the command line; a `FerError` becomes one line and an exit code."""
    try:
        app()
    except FerError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
    except BrokenPipeError:  # the reader, say `head`, has seen enough
        sys.stderr.close()
        sys.exit(0)


if __name__ == "__main__":
    main()
