"""Viewers of a live run: what they count, on a real server beside a real training."""

import json
import os
import signal
from pathlib import Path

import pytest
from typer.testing import CliRunner

from core.__main__ import app
from core.bench.load import Polls, Viewer, _quantile
from core.bench.streamlit_wire import FINISHED_EARLY_FOR_RERUN, FINISHED_FRAGMENT, ServerMessage
from core.cli.bench import _explained
from core.errors import FerError


def test_an_answer_counts_for_all_polls_that_wait_for_it_and_only_for_what_was_drawn() -> None:
    viewer = Viewer(0, "run")
    viewer._intervals = {"body": 1.5, "watch": 5.0}
    viewer.polls.interval = 1.5
    viewer._asked = {"body": [0.0, 1.0], "watch": [2.0]}
    viewer._answered({"watch"})
    assert viewer.polls.seconds == [] and viewer._asked == {"body": [0.0, 1.0]}
    viewer._answered({"body"})
    assert len(viewer.polls.seconds) == 2 and viewer._asked == {}


def test_a_poll_whose_end_was_still_queued_when_the_next_run_began_is_answered_with_that_one() -> None:
    viewer = Viewer(0, "run")
    viewer._intervals = {"body": 1.5, "watch": 5.0}
    viewer.polls.interval = 1.5
    viewer._asked = {"body": [0.0], "watch": [0.0]}
    for message in (
        ServerMessage(fragment="body"),
        ServerMessage(script_finished=FINISHED_EARLY_FOR_RERUN),
        ServerMessage(fragment="watch"),
        ServerMessage(script_finished=FINISHED_FRAGMENT),
    ):
        viewer._note_drawn(message)
    assert len(viewer.polls.seconds) == 1 and viewer._asked == {} and viewer._drawn == set()


def test_what_is_on_time_and_how_long_it_took() -> None:
    assert Polls(1.5, [0.1, 1.5, 1.6]).on_time == 2
    values = [each / 1000 for each in range(1, 101)]
    assert [_quantile(values, share) for share in (0.5, 0.95, 1.0)] == [50, 95, 100]
    assert [_quantile([], 0.5), _quantile([0.2], 0.95)] == [None, 200]


@pytest.mark.parametrize("viewers", ["", "5,x", "-1", "1.5"])
def test_what_is_no_list_of_numbers_is_refused(viewers: str, demo_root: Path) -> None:
    words = ["bench", "load", "--dataset", "demo", "--data-root", str(demo_root), "--viewers", viewers]
    result = CliRunner().invoke(app, words)
    assert isinstance(result.exception, FerError)
    assert "Separate them by commas" in str(result.exception)


def test_a_benchmark_that_is_terminated_ends_what_it_has_started() -> None:
    handler, ended = signal.getsignal(signal.SIGTERM), []

    def measure() -> None:
        with _explained("The load"):
            try:
                os.kill(os.getpid(), signal.SIGTERM)
                signal.pause()
            finally:
                ended.append("server and training")

    with pytest.raises(SystemExit) as exited:
        measure()
    assert (exited.value.code, ended) == (143, ["server and training"])
    assert signal.getsignal(signal.SIGTERM) is handler


@pytest.mark.slow
def test_viewers_are_served_beside_a_training(demo_root: Path) -> None:
    words = ["--dataset", "demo", "--preset", "original", "--set", "model=cnn-model-1", "--set", "batch_size=16"]
    result = CliRunner().invoke(
        app, ["bench", "load", "--data-root", str(demo_root), *words, "--viewers", "0,3", "--seconds", "8", "--json"]
    )
    assert result.exception is None, (result.exception, result.output)
    nobody, three = json.loads(result.stdout)["stages"]
    assert (nobody["polls"], nobody["p95_ms"]) == (0, None)
    assert 3 * 3 <= three["polls"] <= 3 * 6, "every 1.5 s"
    assert three["on_time"] > 0 and three["p50_ms"] <= three["p95_ms"] <= three["worst_ms"]
    assert three["server_cpu"] > nobody["server_cpu"]
    assert nobody["training_images_per_second"] > 0 and three["training_images_per_second"] > 0
