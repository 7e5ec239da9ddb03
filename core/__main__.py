"""The command line: `python -m core`. The same engine as the pages.

Exit code 0 on success; 2 on bad input, with one line that says what to do; 1 on a failure.
"""

import logging
import sys
from typing import Annotated

import typer

from core.cli import (
    AsJson,
    DataRoot,
    Device,
    RunName,
    RunsRoot,
    Settings,
    Split,
    config_of,
    figure,
    pairs,
    percent,
    print_json,
    reported_split,
    run_as_json,
)
from core.cli_reference import reference
from core.commands_bench import bench_pages
from core.commands_data import data_app
from core.commands_export import export
from core.commands_labels import corrections_app, runs_changes, runs_verdict, runs_verdicts, suspects_app
from core.commands_predict import bench_predict, predict
from core.commands_runs import runs_app
from core.errors import ConfigError, FerError
from core.presets import PRESETS, make_config

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
runs_app.command("verdict")(runs_verdict)
runs_app.command("verdicts")(runs_verdicts)
runs_app.command("changes")(runs_changes)
app.add_typer(corrections_app, name="corrections")
app.add_typer(suspects_app, name="suspects")
app.add_typer(bench_app, name="bench")
app.command()(export)
app.command()(predict)
app.command(hidden=True)(reference)
bench_app.command("predict")(bench_predict)
bench_app.command("pages")(bench_pages)


# --- training


@app.command()
def train(
    runs_root: RunsRoot,
    data_root: DataRoot,
    preset: Annotated[str, typer.Option(help=f"Preset to start from: {', '.join(PRESETS)}.")] = "original",
    settings: Settings = None,
    name: Annotated[str, typer.Option(help="Display name.")] = "",
    author: Annotated[str, typer.Option(help="Who starts the run.")] = "",
    wait: Annotated[bool, typer.Option(help="Show progress and return when the run has ended.")] = False,
    as_json: AsJson = False,
) -> None:
    """Start a training run in the background and print its id."""
    from core.data.dataset import read_info
    from core.jobs.control import start
    from core.jobs.follow import follow_to_end
    from core.runs.reader import read_run

    config = make_config(preset, pairs(settings))
    read_info(data_root, config.dataset)  # a missing data set is better said now than in the run's log
    run_id = start(runs_root, data_root, config, name=name, author=author)
    if not as_json or wait:
        print(run_id, file=sys.stderr if as_json else sys.stdout)
    if wait:
        follow_to_end(runs_root, run_id)
    if as_json:
        print_json(run_as_json(read_run(runs_root, run_id)))


# --- evaluation


@app.command()
def evaluate(
    run: RunName,
    runs_root: RunsRoot,
    data_root: DataRoot,
    split: Annotated[Split, typer.Option(parser=reported_split, help="Split to score.")] = Split.TEST,
    tta: Annotated[
        bool, typer.Option("--tta", help="Flip TTA: average over the image and its horizontal flip.")
    ] = False,
    shifts: Annotated[
        bool,
        typer.Option("--shifts", help="With --tta: also average over translations by two pixels, ten views in all."),
    ] = False,
    device: Annotated[Device | None, typer.Option(help="Where to compute; by default as the run was trained.")] = None,
    threads: Annotated[
        int | None, typer.Option(min=0, max=1024, help="CPU threads, 0 for all; by default as the run was trained.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Evaluate a run's best weights again. No run scores train by itself; those predictions are kept with it."""
    from core.runs.reader import find_run
    from core.runs.summary import ViewMetrics

    found = find_run(runs_root, run)
    config = config_of(found)
    if tta and split is Split.TRAIN:
        raise ConfigError("--tta is for the other splits: leave it out to score train.")
    if shifts and not tta:
        raise ConfigError("--shifts adds views to --tta: give both.")
    from core.evaluation.inference import FLIP, FLIP_AND_SHIFT
    from core.training.compute import choose_compute
    from core.training.final_report import report, score_train

    asked = {"device": device and device.value, "threads": threads}
    compute = choose_compute(config.model_copy(update={key: v for key, v in asked.items() if v is not None}))
    if split is Split.TRAIN:
        metrics: ViewMetrics | None = score_train(found.paths, config, data_root, compute)
    else:
        views = FLIP_AND_SHIFT if shifts else FLIP
        scored = report(found.paths, config, data_root, compute, splits=[split], tta=views, keep_predictions=False)
        metrics = scored[split].tta if tta else scored[split]
    assert metrics
    if as_json:
        print_json({"run": found.id, "split": split, "tta": tta, "shifts": shifts, **metrics.as_json()})
        return
    views_used = "" if not tta else " with flip and shifts" if shifts else " with flip"
    print(f"{found.id}, {split}{views_used}: {figure(metrics)} on {metrics.images:,} images")
    print(f"{'':10} {'precision':>10} {'recall':>10} {'F1':>10} {'images':>8}")
    for label, row in metrics.per_class.items():
        values = "".join(f"{percent(share):>11}" for share in (row.precision, row.recall, row.f1))
        print(f"{label:10}{values} {row.support:>8,}")


# --- speed


@bench_app.command("train")
def bench_train(
    data_root: DataRoot,
    dataset: Annotated[str, typer.Option(help="Name of an imported dataset.")] = "fer2013",
    batch_size: Annotated[int, typer.Option(min=2, help="Images per optimizer step.")] = 128,
    steps: Annotated[int, typer.Option(min=2, help="Timed steps per round; on a GPU take 100.")] = 8,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds per variant.")] = 3,
    as_json: AsJson = False,
) -> None:
    """Measure the training speed of a plain PyTorch script and of the engine, in alternating rounds."""
    from core.bench import train as bench

    figures = bench.measure_training(data_root, dataset, batch_size=batch_size, steps=steps, rounds=rounds)
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
    logging.getLogger("core.runs").addHandler(logging.NullHandler())  # what a parser says is for logs, not for people
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
