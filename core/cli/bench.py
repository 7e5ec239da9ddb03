"""`python -m core bench`: measurements of speed, load and faults on this machine."""

import importlib.util
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Annotated, Any

import typer

from core.cli.options import AsJson, DataRoot, Settings, pairs
from core.cli.output import as_percent, print_json
from core.errors import FerError, TrainingError, quote
from core.files import PROJECT_ROOT
from core.numbers import read_integer
from core.presets import PRESETS, make_config

NEEDED = ("streamlit", "websockets")
"""Packages of the dashboard, without which the rest of the command line works."""
FAULTS = ("kills", "storm", "starts")
LATENCIES = ("p50_ms", "p95_ms", "worst_ms")


def bench_train(
    data_root: DataRoot,
    dataset: Annotated[str, typer.Option(help="Name of an imported dataset.")] = "fer2013",
    batch_size: Annotated[
        list[int] | None,
        typer.Option(min=2, help="Images per optimizer step; repeatable. Default: 128, on a GPU 128, 512 and 1024."),
    ] = None,
    steps: Annotated[int, typer.Option(min=2, help="Timed steps per round; use 100 on a GPU.")] = 8,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds per variant.")] = 3,
    as_json: AsJson = False,
) -> None:
    """Measure the training speed of a plain PyTorch script and of the engine, in alternating rounds."""
    from core.bench.train import BATCH_SIZES, measure_training
    from core.models.device import choose_device

    sizes = batch_size or BATCH_SIZES[choose_device("auto").type]
    measured = []
    for size in sizes:
        measured.append(measure_training(data_root, dataset, batch_size=size, steps=steps, rounds=rounds))
        if not as_json:
            _print_training(measured[-1])
    if as_json:
        print_json(measured)


def _print_training(results: dict[str, Any]) -> None:
    print(f"{results['device']}, batch size {results['batch_size']}")
    for name, rate in results["images_per_second"].items():
        print(f"{name.replace('_', ' '):18} {rate:>9,.1f} images/s{_compared(results, name)}")
    print(f"The peak is {results['peak_gflops'] / 1000:,.2f} TFLOP/s ({results['peak_source']}).")
    if results["overhead_of_best"] is not None:
        print(f"Augmentation, logging, EMA and validation add {as_percent(results['overhead_of_best'])} to an epoch.")
    whole = results["seconds_per_epoch_with_validation"]
    added = "validation and checkpoints" if "best_whole_epochs" in results["images_per_second"] else "validation"
    print(f"An epoch of best with {added} takes {whole:.2f} s.")
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
    return f"   {results['seconds_per_epoch'][name]:.2f} s per epoch, {peak} of peak{compared}"


def bench_pages(
    runs: Annotated[int, typer.Option(min=20, help="Number of runs to generate, in a folder of their own.")] = 1000,
    rounds: Annotated[int, typer.Option(min=1, help="Repeated loads of each page; the median is reported.")] = 7,
    as_json: AsJson = False,
) -> None:
    """Measure the server time of each page with many runs, and TensorBoard on the same runs."""
    _require_dashboard()
    from core.bench.pages import measure_pages

    with _explained("The pages"):
        results = measure_pages(runs, rounds)
    if as_json:
        print_json(results)
    else:
        _print(results)


def bench_runs(
    runs: Annotated[
        list[int] | None, typer.Option(min=1, help="Number of runs to generate; repeatable. Default: 1,000 and 10,000.")
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Repetitions of each look; the median is reported.")] = 7,
    as_json: AsJson = False,
) -> None:
    """Measure what many runs in one folder cost: listing them, the queue, starting one."""
    from core.bench.runs import measure_runs

    measured = measure_runs(runs or (1000, 10_000), rounds)
    if as_json:
        print_json(measured)
        return
    print(f"{'':18}" + "".join(f"{row['runs']:>22,} runs" for row in measured))
    for name in measured[0]["milliseconds"]:
        cells = (f"{row['milliseconds'][name]:,} ms (CPU {row['cpu_milliseconds'][name]:,})" for row in measured)
        print(f"{name.replace('_', ' '):18}" + "".join(f"{cell:>27}" for cell in cells))


def bench_load(
    data_root: DataRoot,
    dataset: Annotated[str, typer.Option(help="Name of an imported dataset to train on meanwhile.")] = "fer2013",
    preset: Annotated[str, typer.Option(help=f"Preset to train: {', '.join(PRESETS)}.")] = "best",
    settings: Settings = None,
    viewers: Annotated[str, typer.Option(help="Viewers at once, one stage after the other.")] = "0,5,10,20,40,0",
    seconds: Annotated[float, typer.Option(min=5, help="Length of each stage.")] = 60,
    as_json: AsJson = False,
) -> None:
    """Measure how many viewers a live run page serves beside a training, and what they cost it."""
    _require_dashboard()
    from core.bench.load import measure_load
    from core.data.dataset import read_info

    read_info(data_root, dataset)
    counts = _counts(viewers)
    config = make_config(preset, {"threads": 1, **pairs(settings)})
    with _explained("The load"):
        results = measure_load(data_root, dataset, counts, seconds, config)
    if as_json:
        print_json(results)
        return
    print(f"{results['cores']} cores, {seconds:g} s per stage; a poll is on time if answered before the next")
    print(f"viewers{'on time':>16}{'p50':>9}{'p95':>9}{'worst':>9}{'CPU':>8}{'memory':>9}{'training':>17}{'load':>7}")
    for row in results["stages"]:
        times = "".join(f"{'–' if row[key] is None else f'{row[key]} ms':>9}" for key in LATENCIES)
        print(
            f"{row['viewers']:>7} {row['on_time']:>6,} of {row['polls']:>5,}{times}{as_percent(row['server_cpu']):>8}"
            f"{row['server_memory_mb']:>6} MB{row['training_images_per_second']:>8,.1f} images/s{row['load']:>7}"
        )


def bench_api(
    data_root: DataRoot,
    dataset: Annotated[str, typer.Option(help="Name of an imported dataset to train on meanwhile.")] = "fer2013",
    preset: Annotated[str, typer.Option(help=f"Preset to train: {', '.join(PRESETS)}.")] = "best",
    settings: Settings = None,
    requests: Annotated[int, typer.Option(min=1, help="Predictions to ask for.")] = 200,
    at_once: Annotated[int, typer.Option("--at-once", min=1, max=1000, help="Programs that ask at once.")] = 50,
    as_json: AsJson = False,
) -> None:
    """Measure how fast the HTTP API predicts for many programs beside a training, and whether any answer is lost."""
    _require_dashboard()
    from core.bench.api import measure_api
    from core.data.dataset import read_info

    read_info(data_root, dataset)
    config = make_config(preset, {"threads": 1, **pairs(settings)})
    with _explained("The API"):
        results = measure_api(data_root, dataset, requests, at_once, config)
    if as_json:
        print_json(results)
    else:
        times = ", ".join(f"{key.removesuffix('_ms')} {results[key]:,} ms" for key in ("first_ms", *LATENCIES))
        print(
            f"{requests} predictions by {at_once} programs at once on {results['cores']} cores: {results['lost']} lost"
        )
        print(f"{times}; {results['images_per_second']} images/s, server {results['server_memory_mb']} MB")
        print(f"Meanwhile the training ran at {results['training_images_per_second']:,} images/s.")
    if results["lost"]:
        raise TrainingError(f"{results['lost']} of {requests} requests got no prediction: {results['statuses']}.")


def bench_faults(
    only: Annotated[list[str] | None, typer.Option(help=f"Which part; repeatable: {', '.join(FAULTS)}.")] = None,
    moments: Annotated[int, typer.Option(min=1, help="Moments at which a worker is killed.")] = 15,
    runs: Annotated[int, typer.Option(min=2, help="Runs in the storm.")] = 10,
    seconds: Annotated[float, typer.Option(min=1, help="Length of the storm.")] = 60,
    starts: Annotated[int, typer.Option(min=2, help="Runs started at once.")] = 20,
    seed: Annotated[int, typer.Option(help="Random seed for what the storm kills, and when.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Kill workers, runners and servers, start many runs at once, and check that nothing is lost or done twice."""
    chosen = only or list(FAULTS)
    if unknown := [name for name in chosen if name not in FAULTS]:
        raise FerError(f"Unknown part {quote(unknown[0])}. Use one of {', '.join(FAULTS)}.")
    if "storm" in chosen:
        _require_dashboard()
    from core.bench.kills import measure_kills
    from core.bench.mortal import MOMENTS
    from core.bench.pages import report_progress
    from core.bench.starts import measure_starts
    from core.bench.storm import measure_storm

    measures = {
        "kills": lambda: measure_kills(list(MOMENTS)[:moments], report_progress),
        "storm": lambda: measure_storm(runs, seconds, seed, report_progress),
        "starts": lambda: measure_starts(starts, report_progress),
    }
    with _explained("The faults"):
        results = {name: measures[name]() for name in chosen}
    if as_json:
        print_json(results)
    else:
        for name, report in results.items():
            _print_faults(name, report)
    if broken := [name for name, report in results.items() if not report["held"]]:
        raise TrainingError(f"Not held: {', '.join(broken)}.")


def _print_faults(name: str, report: dict[str, Any]) -> None:
    print(f"{name}: {'held' if report['held'] else 'NOT HELD'}")
    for row in report.get("moments", ()):
        seen = f"{row['state']} after {row['seen_after_seconds']:.2f} s" if "state" in row else ""
        print(f"  {row['moment']:28} {seen:26} {row['problem'] or 'resumed, equal to the bit'}")
    for problem in report.get("problems", ()):
        print(f"  {problem}")
    shown = {key: value for key, value in report.items() if key not in ("moments", "problems", "held")}
    if shown:
        print("  " + ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in shown.items()))


def _require_dashboard() -> None:
    if not (PROJECT_ROOT / "dashboard" / "Home.py").is_file():
        raise FerError("The pages are not here: run this in a checkout of the project, which has dashboard/Home.py.")
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise FerError(f"Missing packages: {', '.join(missing)}. Run `pip install -r requirements.txt`.")


def _counts(text: str) -> list[int]:
    with suppress(ValueError):
        if min(counts := [read_integer(each) for each in text.split(",")]) >= 0:
            return counts
    raise FerError(f"--viewers {quote(text)} is not a list of numbers. Separate them by commas, such as 0,5,10.")


@contextmanager
def _explained(what: str) -> Iterator[None]:
    """What is measured inside ends its servers and trainings, also where this process is terminated."""
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        yield
    except RuntimeError as error:
        raise FerError(f"{what} could not be measured: {error}") from error
    finally:
        signal.signal(signal.SIGTERM, before)


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
