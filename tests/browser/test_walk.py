"""A visitor who tries everything, at random, in real Chromium: whatever is clicked, no page falls over.

`FER_WALK_SEED` sets the seed (any text).
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest
import torch
from PIL import Image

from core.data.importers.demo import import_demo
from core.files import read_json, write_json
from core.models.cnn import build_model
from tests.browser.conftest import new_page, running_app
from tests.browser.walking import Walk
from tests.browser.watching import instead_of_a_runner, new_run, start_worker
from tests.dashboard_fixtures import FakeRun, write_group, write_run

SEED: Final = os.environ.get("FER_WALK_SEED", "0")
FIFTEEN: Final = (
    *("finished",) * 5,
    *("stopped", "failed") * 2,
    *("crashed", "stalled", "damaged", "running", "queued", "queued"),
)


def one_run(runs_root: Path, data_root: Path) -> None:
    import_demo(data_root, train_per_class=30, validation_per_class=30, test_per_class=6)
    run = write_run(runs_root, data_root, "finished", name="first", epochs=3, age=timedelta(days=2))
    torch.save(build_model("cnn-model-2").state_dict(), run.paths.weights)


def fifteen_runs(runs_root: Path, data_root: Path) -> list[FakeRun]:
    """In every state, of several people, some starred, reviewed or archived; gives back those that live."""
    import_demo(data_root, train_per_class=30, validation_per_class=30, test_per_class=6)
    weights = build_model("cnn-model-2").state_dict()
    runs = []
    for number, state in enumerate(FIFTEEN):
        author = ("Ana", "Björn", "")[number % 3]
        age = timedelta(hours=number)
        run = write_run(
            runs_root, data_root, state, name=f"run {number}", author=author, epochs=6, done=3, seed=number, age=age
        )
        said = {"starred": number == 1, "archived": number == 3, "review": "approved" if number == 2 else "unreviewed"}
        write_json(run.paths.meta, read_json(run.paths.meta) | said)
        if run.paths.weights.exists():
            torch.save(weights, run.paths.weights)
        runs.append(run)
    write_group(runs[3:8], [{"seed": seed, "weight_decay": 0.1} for seed in range(5)])
    return runs


@contextmanager
def nothing(runs_root: Path, data_root: Path) -> Iterator[None]:
    yield


@contextmanager
def one(runs_root: Path, data_root: Path) -> Iterator[None]:
    one_run(runs_root, data_root)
    yield


@contextmanager
def fifteen(runs_root: Path, data_root: Path) -> Iterator[None]:
    runs = fifteen_runs(runs_root, data_root)
    try:
        with one_goes_on(runs_root):
            yield
    finally:
        for run in runs:
            run.close()


@contextmanager
def running(runs_root: Path, data_root: Path) -> Iterator[None]:
    """One run has ended, one goes on."""
    one_run(runs_root, data_root)
    with one_goes_on(runs_root):
        yield


@contextmanager
def one_goes_on(runs_root: Path) -> Iterator[None]:
    worker = start_worker(runs_root, new_run(runs_root, "goes on"), steps=10_000, seconds=0.2)
    try:
        yield
    finally:
        worker.kill()
        worker.wait()


LONG: Final = [pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.mark.parametrize(
    ("state", "acts"),
    [
        (nothing, 20),
        pytest.param(fifteen, 30, marks=pytest.mark.slow),
        *(pytest.param(each, 200, marks=LONG) for each in (nothing, one, fifteen, running)),
    ],
)
def test_whatever_is_clicked_no_page_falls_over(
    state: Callable[..., Any], acts: int, browser: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # nothing is downloaded
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))  # a token that is typed stays in the test
    picture = tmp_path / "face.png"
    Image.linear_gradient("L").resize((48, 48)).save(picture)
    with instead_of_a_runner(tmp_path / "runs"), running_app(tmp_path) as app, state(app.runs_root, app.data_root):
        walk = Walk(new_page(browser), app, SEED, picture)
        walk.go(acts)
    print("\n".join(walk.acts))
    assert walk.missed < acts / 4  # else it only looks as if it tried everything
