"""`python -m core bench pages`: what is measured lives under `tests/bench`, since it needs a server and Streamlit."""

import importlib.util
import json
import subprocess
import sys
from typing import Annotated, Any

import typer

from core.cli import AsJson, print_json
from core.errors import FerError
from core.files import PROJECT_ROOT

NEEDED = ("streamlit", "websockets", "psutil")


def bench_pages(
    runs: Annotated[int, typer.Option(min=20, help="Number of runs to generate, in a folder of their own.")] = 1000,
    rounds: Annotated[int, typer.Option(min=1, help="Repeated loads of each page; the median is reported.")] = 7,
    as_json: AsJson = False,
) -> None:
    """Measure the server time of each page with many runs, and TensorBoard on the same runs."""
    if not (PROJECT_ROOT / "tests" / "bench" / "bench_pages.py").is_file():
        raise FerError("The measuring code is not here: run this in a checkout of the project, which has tests/bench.")
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise FerError(f"Measuring pages needs {', '.join(missing)}: `pip install -r requirements.txt`.")
    arguments = ["core.bench.pages", "--runs", str(runs), "--rounds", str(rounds)]
    done = subprocess.run([sys.executable, "-m", *arguments], cwd=PROJECT_ROOT, stdout=subprocess.PIPE, check=False)
    if done.returncode:
        raise FerError("The pages could not be measured; what is printed above says why.")
    figures = json.loads(done.stdout)
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
