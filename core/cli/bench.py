"""`python -m core bench`: measurements of speed on this machine."""

import importlib.util
from typing import Annotated, Any

import typer

from core.cli.options import AsJson, DataRoot
from core.cli.output import as_percent, print_json
from core.errors import FerError
from core.files import PROJECT_ROOT

NEEDED = ("streamlit", "websockets")
"""Packages of the dashboard, without which the rest of the command line works."""


def bench_train(
    data_root: DataRoot,
    dataset: Annotated[str, typer.Option(help="Name of an imported dataset.")] = "fer2013",
    batch_size: Annotated[int, typer.Option(min=2, help="Images per optimizer step.")] = 128,
    steps: Annotated[int, typer.Option(min=2, help="Timed steps per round; use 100 on a GPU.")] = 8,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds per variant.")] = 3,
    as_json: AsJson = False,
) -> None:
    """Measure the training speed of a plain PyTorch script and of the engine, in alternating rounds."""
    from core.bench.train import measure_training

    results = measure_training(data_root, dataset, batch_size=batch_size, steps=steps, rounds=rounds)
    if as_json:
        print_json(results)
        return
    print(f"{results['device']}, batch size {batch_size}")
    for name, rate in results["images_per_second"].items():
        print(f"{name.replace('_', ' '):16} {rate:>9,.1f} images/s{_compared(results, name)}")
    print(f"Augmentation, logging, EMA and validation add {as_percent(results['overhead_of_best'])} to an epoch.")
    whole = results["seconds_per_epoch_with_validation"]
    print(f"An epoch of best with validation takes {whole:.2f} s.")
    print(f"A step of best starts {results['kernels_per_step']['best']} kernels on a GPU.")
    if results["unquiet"]:
        names = ", ".join(name.replace("_", " ") for name in results["unquiet"])
        print(f"This machine is not quiet: rounds differ by more than a fifth ({names}). Repeat it when it is idle.")


def _compared(results: dict[str, Any], name: str) -> str:
    """What else there is to say of a trainer: seconds per epoch, fraction of the peak, ratio to the script."""
    if name not in results["seconds_per_epoch"]:
        return ""
    ratio = results["ratio"].get(name)
    compared = f", {ratio:.2f}x the usual script" if ratio else ""
    peak = as_percent(results["fraction_of_peak"][name])
    return f"   {results['seconds_per_epoch'][name]:.2f} s per epoch, {peak} of the matrix-multiply peak{compared}"


def bench_pages(
    runs: Annotated[int, typer.Option(min=20, help="Number of runs to generate, in a folder of their own.")] = 1000,
    rounds: Annotated[int, typer.Option(min=1, help="Repeated loads of each page; the median is reported.")] = 7,
    as_json: AsJson = False,
) -> None:
    """Measure the server time of each page with many runs, and TensorBoard on the same runs."""
    if not (PROJECT_ROOT / "dashboard" / "Home.py").is_file():
        raise FerError("The pages are not here: run this in a checkout of the project, which has dashboard/Home.py.")
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise FerError(f"Missing packages: {', '.join(missing)}. Run `pip install -r requirements.txt`.")
    from core.bench.pages import measure_pages

    try:
        results = measure_pages(runs, rounds)
    except RuntimeError as error:
        raise FerError(f"The pages could not be measured: {error}") from error
    if as_json:
        print_json(results)
    else:
        _print(results)


def _print(results: dict[str, Any]) -> None:
    print(
        f"{results['runs']:,} runs of {results['epochs']} epochs, {results['runs_with_steps']} with "
        f"{results['step_rows']:,} step rows; {results['cores']} cores, load {results['load_before']}"
    )
    print(f"{'page':12} {'':5} {'wall':>8} {'CPU':>10} {'read':>10} {'sent':>10}")
    for page, times in results["pages"].items():
        for when, row in times.items():
            print(
                f"{page:12} {when:5} {row['wall_s']:>6.2f} s {row['cpu_s']:>8.2f} s "
                f"{row['bytes_read'] / 1e6:>7.2f} MB {row['bytes_sent'] / 1e6:>7.2f} MB"
            )
    print(f"Server start to the page of a run: {results['start_to_run_page_s']:.1f} s.")
    board = results["tensorboard"]
    if "missing" in board:
        print(board["missing"])
    else:
        print(
            f"TensorBoard start to the scalars of a run: {board['start_to_scalars_of_one_run_s']:.1f} s; to all runs "
            f"listed: {board['start_to_all_runs_listed_s']:.1f} s, with {board['bytes_read'] / 1e6:.0f} MB read."
        )
