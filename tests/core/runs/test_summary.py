"""`summary.json`: what it may hold, and that one with wrong values costs its run's metrics and nothing else."""

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from streamlit.testing.v1 import AppTest

from core.bench import synthetic_records
from core.review.runs import annotate
from core.runs.fields import RUN_FIELDS
from core.runs.reader import list_runs, read_run
from core.runs.selection import sort_runs
from core.runs.summary import Summary
from core.splits import ORIGINAL_TEST, with_current_splits
from dashboard.state import cache
from tests.conftest import PROJECT_ROOT
from tests.core.cli.conftest import runs_cli, table
from tests.dashboard_fixtures import FakeRun, write_run

REFERENCE = PROJECT_ROOT / "runs" / "reference-cnn-model-2" / "summary.json"
SPLITS = dict.fromkeys(("validation", "test"), synthetic_records.fake_predictions(0.6))
Pair = tuple[FakeRun, FakeRun, bool]
Opener = Callable[..., AppTest]

WHOLE = json.loads(
    json.dumps(synthetic_records.summary([synthetic_records.epoch_row()], synthetic_records.evaluation(SPLITS)))
)


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths of all single values, without the table of classes, which follows from the confusion matrix."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    if items is None:
        yield path
        return
    for key, below in items:
        if key != "per_class":
            yield from leaves(below, (*path, key))


def changed(path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    """A whole summary with another value at one place; ... for none there."""
    summary = copy.deepcopy(WHOLE)
    parent: Any = summary
    for key in path[:-1]:
        parent = parent[key]
    if value is ...:
        del parent[path[-1]]
    else:
        parent[path[-1]] = value
    return summary


# --- what it may hold


def test_a_real_summary_is_read_and_written_again_to_the_last_bit() -> None:
    text = REFERENCE.read_bytes()
    real = json.loads(text)
    assert json.loads(json.dumps(Summary.model_validate_json(text).as_json())) == real | {
        "evaluation": with_current_splits(real["evaluation"])
    }


def test_a_value_of_another_kind_is_refused_wherever_it_stands() -> None:
    places = [path for path in leaves(WHOLE) if not {"validation", ORIGINAL_TEST} & set(path)]
    for path in places:
        for bad in (True, [], {"a": 1}, float("nan"), float("inf"), *([] if "fingerprint" in str(path) else ["0.7"])):
            with pytest.raises(ValidationError) as caught:
                Summary.model_validate_json(json.dumps(changed(path, bad)))
            assert caught.value.errors()[0]["loc"][: len(path)] == path, bad


@pytest.mark.parametrize("value", [10**30, -1, -0.5])
def test_a_value_out_of_its_range_is_refused(value: float) -> None:
    test = ("evaluation", "test")
    for path in (
        ("best", "epoch"),
        ("best", "validation_accuracy"),
        ("epochs_done",),
        ("validation_images",),
        (*test, "images"),
        (*test, "accuracy"),
        (*test, "interval", 1),
        (*test, "macro_f1"),
        (*test, "temperature"),
        (*test, "confusion", 3, 3),
        (*test, "tta", "without_train_duplicates", "accuracy"),
    ):
        with pytest.raises(ValidationError) as caught:
            Summary.model_validate_json(json.dumps(changed(path, value)))
        assert caught.value.errors()[0]["loc"][: len(path)] == path


def test_a_number_too_large_for_a_float_is_refused() -> None:
    text = json.dumps(changed(("best", "validation_loss"), "LARGE")).replace('"LARGE"', "1e999")
    with pytest.raises(ValidationError, match="finite"):
        Summary.model_validate_json(text)


@pytest.mark.parametrize("matrix", [[[1] * 7] * 6, [[1] * 6] * 7, [1] * 49, "none"])
def test_a_confusion_matrix_has_seven_rows_of_seven_counts(matrix: Any) -> None:
    with pytest.raises(ValidationError, match="confusion"):
        Summary.model_validate_json(json.dumps(changed(("evaluation", "test", "confusion"), matrix)))


def test_fields_of_newer_versions_are_ignored_and_missing_ones_have_defaults() -> None:
    old = Summary.model_validate_json('{"best": {}, "newer": [NaN], "evaluation": {}}')
    assert (old.best, old.epochs_done, old.validation_images, old.evaluation) == (None, 0, None, {})
    short = {"images": 3, "accuracy": 0.5, "interval": [0.1, 0.9]}
    [split] = Summary.model_validate_json(json.dumps({"evaluation": {"test": short}})).evaluation.values()
    assert (split.tta, split.confusion, split.per_class, split.temperature) == (None, None, {}, None)


# --- beside other runs


CASES: dict[str, tuple[tuple[Any, ...], Any, bool]] = {
    "accuracy as text": (("evaluation", "test", "accuracy"), "0.70", False),
    "accuracy without measure": (("evaluation", "test", "accuracy"), 10**30, False),
    "unseen is no table": (("evaluation", "test", "without_train_duplicates"), "none", False),
    "loss as text": (("best", "validation_loss"), "0.9", False),
    "infinite loss": (("best", "validation_loss"), float("inf"), False),
    "enormous loss": (("best", "validation_loss"), 10**30, True),
    "no test-time augmentation": (("evaluation", "test", "tta"), ..., True),
    "odd confusion": (("evaluation", "test", "confusion"), [[1, 2], "x"], False),
    "no confusion": (("evaluation", "test", "confusion"), ..., True),
    "no best epoch": (("best",), ..., True),
}
"""The place, the value, and whether the summary can be used all the same."""


@pytest.fixture(params=CASES)
def pair(request: pytest.FixtureRequest, runs_root: Path, demo_root: Path) -> tuple[FakeRun, FakeRun, bool]:
    """A good run and one with such a summary, which is the best one; and whether that can be used."""
    path, value, usable = CASES[request.param]
    good, odd = (write_run(runs_root, demo_root, "finished", name=name, epochs=1) for name in ("good", "odd"))
    odd.paths.summary.write_text(json.dumps(changed(path, value)).replace("Infinity", "1e999"))
    annotate(odd.paths, "Ada", {"review": "approved"})
    return good, odd, usable


def no_json(name: str) -> None:
    raise AssertionError(f"{name} is not JSON")


def test_the_command_line_shows_it_beside_the_others(runs_root: Path, pair: Pair) -> None:
    good, odd, usable = pair
    problem = read_run(runs_root, odd.id).problem
    assert problem is None if usable else problem and problem.startswith("Can't use summary.json: ")
    assert read_run(runs_root, good.id).problem is None
    lines = runs_cli(runs_root, "list").splitlines()
    assert [len([line for line in lines if line.startswith(run.id)]) for run in (good, odd)] == [1, 1]
    shown = runs_cli(runs_root, "show", odd.id)
    assert ("settings" in shown) and (usable or "Can't use summary.json" in shown)
    assert len(table(runs_cli(runs_root, "list", "--csv"))) == 2
    for arguments in (("list", "--json"), ("show", odd.id, "--json")):
        json.loads(runs_cli(runs_root, *arguments), parse_constant=no_json)
    for field in RUN_FIELDS:
        assert len(sort_runs(list_runs(runs_root), field)) == 2


@pytest.fixture
def open_page(runs_root: Path, demo_root: Path, monkeypatch: pytest.MonkeyPatch) -> Opener:
    monkeypatch.setenv("FER_RUNS_ROOT", str(runs_root))
    monkeypatch.setenv("FER_DATA_ROOT", str(demo_root))
    monkeypatch.setattr(cache, "take_over", lambda *_: None)

    def opener(page: str, **query: str) -> AppTest:
        app = AppTest.from_file(str(PROJECT_ROOT / "dashboard" / "Home.py"), default_timeout=30).run()
        if page != "overview":
            app.switch_page(f"views/{page}/page.py")
        for key, value in query.items():
            app.query_params[key] = value
        return app.run()

    return opener


def test_pages_show_it_beside_the_others(
    open_page: Callable[..., AppTest], pair: tuple[FakeRun, FakeRun, bool]
) -> None:
    good, odd, usable = pair
    app = open_page("runs", sort="loss")
    assert app.selectbox(key="sort").value == "loss"
    assert not app.exception and not app.error
    assert set(app.dataframe[0].value["name"]) == {"good", "odd"}
    app = open_page("overview")
    assert not app.exception and not app.error
    assert any("odd" in element.value for element in app.markdown)
    app = open_page("run", run=odd.id)
    assert not app.exception
    problems = [element.value.replace("\\", "") for element in app.error]
    assert ["Can't use summary.json" in problem for problem in problems] == [True] * (not usable)
    app = open_page("compare", runs=f"{good.id},{odd.id}")
    assert not app.exception and not app.error
