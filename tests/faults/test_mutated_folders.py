"""Run folders with odd files: every value of every JSON and JSONL file changed to another type or size, and every file
replaced by what is no file. It may cost that run its own row, in a sentence, and nobody else anything.

`-m slow` tries all of them; a sample, whose seed is printed, is tried each time.
"""

import io
import json
import math
import os
import random
import shutil
import socket
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from typer.main import get_command

from core.__main__ import app
from core.comparison.origins import compare_origins
from core.comparison.reproduction import read_reproduction
from core.errors import RunError
from core.evaluation.predictions import read_predictions
from core.files import write_json
from core.jobs.queue import queued_runs
from core.jobs.recovery import interrupted_runs, interrupted_without_checkpoint
from core.review.images import add_label_reviews, current_label_reviews, label_review_rows, read_label_reviews
from core.review.runs import annotate, read_changes
from core.runs.best import describe_mismatch
from core.runs.environment import describe_environment
from core.runs.fields import RUN_FIELDS, known_settings
from core.runs.paths import RunPaths
from core.runs.reader import list_runs
from core.runs.records import Run
from core.runs.selection import best_run, sort_runs
from core.runs.summary import Summary
from dashboard.state import cache
from dashboard.ui.charts.curves import over_time, training_curves
from dashboard.ui.charts.lines import AxisKind, x_axis
from dashboard.ui.components.charts import _chart
from dashboard.ui.format import ago, exact
from dashboard.ui.run_table import _row
from dashboard.views.overview.cards import _course, trend
from dashboard.views.run.curves import has_exploded, planned
from dashboard.views.run.environment import _facts
from tests.dashboard.conftest import Opener, words
from tests.dashboard_fixtures import write_run

ODD, GOOD = "odd", "good"
SAMPLE = 30
PAGES = 1
PARTS = 8
"""Of all cases, each for one process: see `pytest_xdist_make_scheduler`."""
VALUES: tuple[Any, ...] = (
    None, True, -1, 2.5, 10**30, math.nan, math.inf, "text", "\0", "x" * 5000, "0001-01-01T00:00:00+14:00", [],
    ["text"], {"text": 1},
)  # fmt: skip
COMMANDS = get_command(app)
"""Made once: that takes four times as long as most commands."""
FILES: dict[str, Callable[[Path], object]] = {
    "missing": lambda path: None,
    "empty": lambda path: path.touch(),
    "torn": lambda path: path.write_bytes(b'{"a": '),
    "no table": lambda path: path.write_bytes(b"[]\n"),
    "null": lambda path: path.write_bytes(b"null\n"),
    "no text": lambda path: path.write_bytes(bytes(range(256))),
    "deep": lambda path: path.write_bytes(b'{"a":' * 50_000),
    "a folder": lambda path: path.mkdir(),
    "a named pipe": os.mkfifo,
    "a socket": lambda path: _socket(path),
    "a device": lambda path: path.symlink_to("/dev/zero"),
    "a loop": lambda path: path.symlink_to(path.name),
}


class Case(NamedTuple):
    """One file of the odd run, and what is done to it."""

    file: str
    what: str
    change: Callable[[Path], object]


def _socket(path: Path) -> None:
    here = os.getcwd()
    os.chdir(path.parent)  # the path of a socket may not be long
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
    finally:
        os.chdir(here)


def places(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The paths of all values inside one, of long lists the first ones only."""
    inside = value.items() if isinstance(value, dict) else enumerate(value[:2]) if isinstance(value, list) else ()
    for key, each in inside:
        yield (*path, key)
        yield from places(each, (*path, key))


def changed(value: Any, path: tuple[str | int, ...], new: Any, drop: bool = False) -> Any:
    """A copy with another value at this path, or without it."""
    copy = json.loads(json.dumps(value))
    inner = copy
    for key in path[:-1]:
        inner = inner[key]
    if drop:
        del inner[path[-1]]
    else:
        inner[path[-1]] = new
    return copy


def cases(folder: Path) -> list[Case]:
    """All that can be done to this folder."""
    found = []
    for path in sorted(folder.iterdir()):
        if path.suffix == ".lock":
            continue
        found += [Case(path.name, what, change) for what, change in FILES.items()]
        if path.suffix == ".json":
            found += _value_cases(path, json.loads(path.read_text()), lambda text, _: text)
        elif path.suffix == ".jsonl":
            first, *rest = path.read_text().splitlines()
            found += _value_cases(path, json.loads(first), lambda text, rest: "\n".join([text, *rest]) + "\n", rest)
    return found


def _value_cases(path: Path, value: Any, join: Callable[[str, Any], str], rest: Any = ()) -> Iterator[Case]:
    for place in places(value):
        name = ".".join(map(str, place))
        for new in VALUES:
            text = join(json.dumps(changed(value, place, new)).replace("Infinity", "1e999"), rest)
            yield Case(path.name, f"{name} = {str(new)[:30]!r}", partial(_write, text=text))
        text = join(json.dumps(changed(value, place, None, drop=True)), rest)
        yield Case(path.name, f"{name} is missing", partial(_write, text=text))


def _write(path: Path, text: str) -> None:
    path.write_text(text)


@pytest.fixture
def root(runs_root: Path, demo_root: Path) -> Path:
    """A folder with the run that will be odd and a good one, both with every file that a run may have."""
    for name in (ODD, GOOD):
        run = write_run(runs_root, demo_root, "finished", name=name, epochs=3)
        os.rename(run.paths.folder, runs_root / name)
        paths = RunPaths(runs_root, name)
        for history in (paths.steps, paths.system):
            history.write_text("".join(history.read_text().splitlines(keepends=True)[:4]))
        environment = describe_environment(command="core", device="CPU", threads=1, precision="float32", dataset={})
        resumes = [{"host": "other", "time": "now"}]
        few = {key: dict(list(environment[key].items())[:2]) for key in ("packages", "code")}
        write_json(paths.environment, {**environment, **few, "resumes": resumes})
        checks = [{"what": "data", "same": False, "words": "a → b"}]
        time = datetime.now(UTC).isoformat()
        result = {"time": time, "reproduces": GOOD, "outcome": "different", "words": "Differs.", "checks": checks}
        write_json(paths.reproduction, result)
        annotate(paths, "Ada", {"notes": "n", "review": "approved"}, tag=["a", "b"], comment="c")
        annotate(paths, "Ada", {"starred": True}, untag=["b"])
        add_label_reviews(paths, "Ada", "validation", ["a"], "ambiguous")
    return runs_root


def command(root: Path, *arguments: str) -> str:
    """What a command prints; it never ends with an exception."""
    with redirect_stdout(io.StringIO()) as output:
        COMMANDS.main([*arguments, "--runs-root", str(root)], standalone_mode=False)
    return output.getvalue()


def _no_constant(name: str) -> None:
    raise AssertionError(f"{name} is no JSON")


def assert_only_its_own_row_is_hurt(root: Path, rows: list[str]) -> None:
    """The commands, and all that the pages read and compute with."""
    listed = command(root, "runs", "list", "--archived").splitlines()
    assert set(rows) <= set(listed)
    assert any(line.startswith(f"{ODD} ") for line in listed)
    whole = json.loads(command(root, "runs", "list", "--archived", "--json"), parse_constant=_no_constant)
    assert {run["id"] for run in whole} == {ODD, GOOD}
    assert f"\n{GOOD}," in command(root, "runs", "list", "--csv")
    shown = command(root, "runs", "show", ODD)
    json.loads(command(root, "runs", "show", ODD, "--json"), parse_constant=_no_constant)
    runs = list_runs(root)
    odd = next(run for run in runs if run.id == ODD)
    good = next(run for run in runs if run.id == GOOD)
    if odd.config is None or odd.summary == Summary():
        assert odd.problem or not odd.paths.summary.exists()
    if odd.problem:
        assert odd.problem in shown
        assert "\n" not in odd.problem
    if odd.problem and odd.problem != odd.status.error:
        assert odd.problem.endswith(".")
        assert len(odd.problem) < 700
    for field in RUN_FIELDS:
        assert good in sort_runs(runs, field)
    known_settings(runs)
    best_run(runs)
    assert queued_runs(root) == [] or odd.state == "queued"
    interrupted_runs(runs)
    interrupted_without_checkpoint(runs)
    look_at(odd, good)


def look_at(odd: Run, good: Run) -> None:
    """As the pages do: one part of the page may say in a sentence that it cannot be shown, by a `RunError`."""
    for run in (odd, good):
        _row(run, [*RUN_FIELDS, "curve"])
        ago(run.status.created_at)
        exact(run.status.created_at)
        describe_mismatch(run.paths)
    for path in (odd.paths.epochs, odd.paths.steps, odd.paths.system):
        try:
            assert not cache.history(path).isin([math.inf, -math.inf]).any().any()
        except OSError:
            return
    epochs, steps = cache.history(odd.paths.epochs), cache.history(odd.paths.steps)
    kinds: tuple[AxisKind, ...] = ("epoch", "step", "time")
    for kind in kinds:
        axis = x_axis(kind, [planned(odd, epochs, steps)])
        charts = [
            training_curves(epochs, steps, "loss", axis, 0.9, odd.status.batches),
            training_curves(epochs, steps, "accuracy", axis, 0.9, odd.status.batches),
            over_time(steps, {"images_per_second": "throughput"}, "speed", "Throughput", axis),
        ]
        json.dumps([_chart(chart, axis) for chart in charts if chart])
    for frame, column in ((epochs, "validation_loss"), (epochs, "validation_accuracy")):
        trend(_course(frame, column))
    has_exploded(odd)
    compare_origins(good, odd)
    result = read_reproduction(odd)
    if result:
        assert all(isinstance(check.words, str) for check in result.checks)
    try:
        _facts(odd, read_environment_of(odd))
        [(change.in_words(), exact(change.time)) for change in read_changes(odd.paths)]
        reviews = read_label_reviews(odd.paths)
        label_review_rows(reviews)
        current_label_reviews(reviews, "validation")
        [review.in_words() for review in reviews]
    except (OSError, ValueError):
        return  # its tab says so


def read_environment_of(run: Run) -> Any:
    from core.runs.environment import read_environment

    return read_environment(run.paths)


def apply(case: Case, root: Path) -> Callable[[], None]:
    """Do it; returns what undoes it."""
    path = root / ODD / case.file
    kept = path.read_bytes()
    path.unlink()
    case.change(path)

    def undo() -> None:
        if path.is_dir() and not path.is_symlink():
            path.rmdir()
        else:
            path.unlink(missing_ok=True)
        path.write_bytes(kept)

    return undo


def try_cases(root: Path, chosen: list[Case]) -> None:
    rows = [line for line in command(root, "runs", "list", "--archived").splitlines() if not line.startswith(f"{ODD} ")]
    assert len(rows) == 2, "the heading and the good run"
    failed = []
    for case in chosen:
        undo = apply(case, root)
        try:
            assert_only_its_own_row_is_hurt(root, rows)
        except Exception as error:  # all of them are wanted, not the first one
            failed.append(f"{case.file}: {case.what}: {type(error).__name__}: {str(error)[:200]}")
        finally:
            undo()
    assert not failed, f"{len(failed)} of {len(chosen)}:\n" + "\n".join(failed[:40])


def test_a_sample_of_odd_files_costs_nobody_else_anything(root: Path, chance: random.Random) -> None:
    every = cases(root / ODD)
    of_files = [case for case in every if case.what in FILES]
    try_cases(root, chance.sample(of_files, SAMPLE // 2) + chance.sample(every, SAMPLE))


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("part", range(PARTS), ids=lambda part: f"part{part}")
def test_no_odd_file_costs_anybody_else_anything(part: int, root: Path) -> None:
    every = cases(root / ODD)
    assert len(every) > 6000
    try_cases(root, every[part::PARTS])


def test_pages_show_all_runs_beside_an_odd_one(root: Path, open_page: Opener, chance: random.Random) -> None:
    every = [case for case in cases(root / ODD) if case.file.endswith((".json", ".jsonl"))]
    for case in chance.sample(every, PAGES):
        print(case.file, case.what)
        undo = apply(case, root)
        assert GOOD in words(open_page("runs"))
        open_page("overview")
        open_page("run", run=ODD)
        undo()


FOLDERS = Path(__file__).parent / "run_folders"


@pytest.mark.parametrize("name", sorted(path.name for path in FOLDERS.iterdir()))
def test_a_folder_that_did_harm_once(name: str, root: Path, open_page: Opener) -> None:
    rows = [line for line in command(root, "runs", "list", "--archived").splitlines() if not line.startswith(f"{ODD} ")]
    shutil.rmtree(root / ODD)
    shutil.copytree(FOLDERS / name, root / ODD)
    assert_only_its_own_row_is_hurt(root, rows)
    for order in ("-created", "loss"):
        assert GOOD in words(open_page("runs", sort=order))
    open_page("overview")
    open_page("run", run=ODD)


def test_odd_predictions_are_refused_in_a_sentence(root: Path) -> None:
    import pandas as pd

    path = RunPaths(root, ODD).predictions("validation")
    table = pd.read_parquet(path)
    odd: dict[str, Any] = {"label": 99, "image_id": 5, "p_happy": math.nan, "p_sad": "text", "loss": math.inf}
    for column, value in odd.items():
        for frame in (table.assign(**{column: value}), table.drop(columns=column)):
            frame.to_parquet(path)
            with pytest.raises(RunError, match=r"is not a valid table of predictions: .*\.$"):
                read_predictions(path)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(RunError, match="it is not a regular file"):
        read_predictions(path)
