"""What is read once for all visitors, and what the server does when it starts."""

import json
from pathlib import Path

import pytest

from core.files import read_json, write_json
from core.jobs import control
from core.jobs.queue import queued_runs
from core.runs.reader import read_run
from dashboard.state import cache
from tests.conftest import wait_for
from tests.dashboard.conftest import Writer


def test_a_history_is_read_on_from_where_it_was(write: Writer) -> None:
    run = write("running", done=1)
    assert len(cache.history(run.paths.steps)) == 80
    run.add_epoch(2)
    assert cache.history(run.paths.steps)["step"].tolist() == list(range(1, 161))
    kept = run.paths.steps.read_bytes().splitlines(keepends=True)[:100]
    replacement = run.paths.folder / "new"
    replacement.write_bytes(b"".join(kept))
    replacement.replace(run.paths.steps)  # what a resume does
    assert len(cache.history(run.paths.steps)) == 100


def test_the_best_epoch_is_shown_as_evaluated(write: Writer, runs_root: Path) -> None:
    run = write("finished", epochs=3)
    summary = read_json(run.paths.summary)
    written = summary["best"]["validation_accuracy"] + 0.0123  # as an older version, which validated in bfloat16
    rows = run.paths.epochs.read_text().splitlines()
    last = json.loads(rows[-1]) | {"validation_accuracy": written, "validation_loss": 9.9}
    run.paths.epochs.write_text("\n".join([*rows[:-1], json.dumps(last)]) + "\n")
    write_json(run.paths.summary, summary | {"best": summary["best"] | last})
    found = read_run(runs_root, run.id)
    evaluated = found.metrics("validation")
    assert evaluated and evaluated.accuracy != pytest.approx(written, abs=0.001)
    assert found.validation_accuracy == pytest.approx(evaluated.accuracy, abs=1e-5)
    assert found.best and found.best.validation_loss == pytest.approx(evaluated.log_loss, abs=1e-5)
    frame, raw = cache.epochs(found), cache.history(run.paths.epochs)
    assert frame["validation_accuracy"].tolist()[-1] == found.validation_accuracy
    assert frame["validation_loss"].tolist()[-1] == found.best.validation_loss
    assert frame.iloc[:-1].equals(raw.iloc[:-1]) and raw["validation_accuracy"].tolist()[-1] == written
    assert cache.accuracy_curve(found)[-1] == round(100 * evaluated.accuracy, 2)


@pytest.mark.parametrize(("setting", "expected"), [("", ["waiting"]), ("1", ["waiting", "crashed"])])
def test_a_server_takes_over_what_waits_and_if_told_so_what_was_interrupted(
    write: Writer,
    runs_root: Path,
    demo_root: Path,
    monkeypatch: pytest.MonkeyPatch,
    setting: str,
    expected: list[str],
) -> None:
    wanted: list[Path] = []
    monkeypatch.setattr(control, "ensure_runner", lambda root, _: wanted.append(root))
    monkeypatch.setenv("FER_AUTO_RECOVER", setting)
    write("queued", name="waiting")
    write("crashed", name="crashed", done=1, epochs=2)
    for _ in range(2):  # every page load
        cache.take_over(runs_root, demo_root)
    wait_for(lambda: len(wanted) > 0, 20, "a runner being asked for")
    assert [read_run(runs_root, run.id).name for run in queued_runs(runs_root)] == expected
    assert wanted == [runs_root]


def test_a_page_reads_the_runs_once(write: Writer, runs_root: Path) -> None:
    write("finished", epochs=1)
    with cache.one_look():
        first = cache.runs(runs_root)
        write("finished", epochs=1)
        assert cache.runs(runs_root) is first and len(first) == 1
    assert len(cache.runs(runs_root)) == 2
