"""The command line: `python -m core`. The same engine as the pages.

Exit code 0 on success; 2 on bad input, with one line that says what to do; 1 on a failure.
"""

import importlib.util
from typing import Annotated, Any

import typer

from core.cli.options import AsJson, DataRoot
from core.cli.output import as_percent, print_json
from core.errors import FerError
from core.files import PROJECT_ROOT


def bench_train(
    data_root: DataRoot,
    dataset: Annotated[str, typer.Option(help="Name of an imported dataset.")] = "fer2013",
    batch_size: Annotated[int, typer.Option(min=2, help="Images per optimizer step.")] = 128,
    steps: Annotated[int, typer.Option(min=2, help="Timed steps per round; on a GPU take 100.")] = 8,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds per variant.")] = 3,
    as_json: AsJson = False,
) -> None:
    """Measure the training speed of a plain PyTorch script and of the engine, in alternating rounds."""
    from core.bench.train import measure_training

    figures = measure_training(data_root, dataset, batch_size=batch_size, steps=steps, rounds=rounds)
    if as_json:
        print_json(figures)
        return
    print(f"{figures['device']}, batches of {batch_size}")
    for name, rate in figures["images_per_second"].items():
        ratio = figures["ratio"].get(name)
        compared = f"   {ratio:.2f} times the usual script" if ratio else ""
        print(f"{name.replace('_', ' '):16} {rate:>9,.1f} images/s{compared}")
    print(f"Augmentation, logging, averages and validation add {as_percent(figures['overhead_of_best'])} to an epoch.")
    print(f"The engine reaches {as_percent(figures['share_of_peak'])} of this device's matrix-multiply peak.")


NEEDED = ("streamlit", "websockets")
"""Packages of the dashboard, without which the rest of the command line works."""


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
        raise FerError(f"Measuring pages needs {', '.join(missing)}: `pip install -r requirements.txt`.")
    from core.bench.pages import measure_pages

    try:
        figures = measure_pages(runs, rounds)
    except RuntimeError as error:
        raise FerError(f"The pages could not be measured: {error}") from error
    if as_json:
        print_json(figures)
    else:
        _print(figures)


def _print(figures: dict[str, Any]) -> None:
    print(
        f"{figures['runs']:,} runs of {figures['epochs']} epochs, {figures['runs_with_steps']} with "
        f"{figures['step_rows']:,} step rows; {figures['cores']} cores, load {figures['load_before']}"
    )
    print(f"{'page':12} {'':5} {'wall':>8} {'processor':>10} {'read':>10} {'sent':>10}")
    for page, times in figures["pages"].items():
        for when, row in times.items():
            print(
                f"{page:12} {when:5} {row['wall_s']:>6.2f} s {row['cpu_s']:>8.2f} s "
                f"{row['bytes_read'] / 1e6:>7.2f} MB {row['bytes_sent'] / 1e6:>7.2f} MB"
            )
    print(f"From starting the server to one run's page: {figures['start_to_run_page_s']:.1f} s.")
    board = figures["tensorboard"]
    if "missing" in board:
        print(board["missing"])
    else:
        print(
            f"From starting TensorBoard to one run's scalars: {board['start_to_scalars_of_one_run_s']:.1f} s; to all "
            f"runs listed: {board['start_to_all_runs_listed_s']:.1f} s, with {board['bytes_read'] / 1e6:.0f} MB read."
        )
