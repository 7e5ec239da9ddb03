"""Nothing is done that is not written down first."""

import errno
import logging
import os
from collections.abc import Callable

import pytest

from core.errors import ActivityError, NotAllowedError, RunError
from core.runs.reader import list_runs, read_run
from core.runs.records import RunState
from core.team import actions, door, log
from core.team.limits import STARTS_PER_MINUTE, TooManyStartsError
from core.team.log import ActivityPaths
from core.team.rights import Action
from tests.core.team.conftest import ADA, BEN, CONFIG, EVE, ZOE, Place


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """No line of the log can be written any more."""

    def refuse(*args: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(log, "_append", refuse)


@pytest.mark.usefixtures("full_disk")
def test_what_cannot_be_written_down_is_not_done(place: Place) -> None:
    before = place.content()
    with pytest.raises(ActivityError, match=r"Nothing was done.*No space left"):
        actions.stop(ADA, place.runs_root, "of-ada")
    with pytest.raises(ActivityError, match=r"Nothing was done.*No space left"):
        actions.start(ADA, place.runs_root, place.data_root, CONFIG)
    with pytest.raises(ActivityError, match=r"Nothing was done.*No space left"):
        actions.delete_dataset(EVE, place.data_root, "demo")
    assert place.content() == before


@pytest.mark.usefixtures("full_disk")
def test_a_refusal_that_cannot_be_written_down_is_one_all_the_same(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING), pytest.raises(NotAllowedError):
        actions.stop(ZOE, place.runs_root, "of-ada")
    assert read_run(place.runs_root, "of-ada").state is RunState.QUEUED
    assert "refusal" in caplog.text and "No space left" in caplog.text


def test_the_line_is_there_before_anything_is_done(place: Place) -> None:
    with door.door(Action.STOP, ADA, place.runs_root, run=read_run(place.runs_root, "of-ada")):
        [entry] = place.activity()
        assert (entry.on, entry.outcome) == ("of-ada", "allowed")


@pytest.mark.parametrize(
    ("act", "error", "reason"),
    [
        (lambda place: actions.move_queued(EVE, place.runs_root, "of-ada", "first"), RunError, "is not queued"),
        (
            lambda place: actions.score(ADA, place.runs_root, "of-ada", "train", lambda: 1 // 0),
            ArithmeticError,
            "ZeroDiv",
        ),
    ],
    ids=["said", "unforeseen"],
)
def test_what_fails_says_so(act: Callable[[Place], object], error: type[Exception], reason: str, place: Place) -> None:
    actions.stop(ADA, place.runs_root, "of-ada")
    with pytest.raises(error):
        act(place)
    entry = place.activity()[0]
    assert entry.outcome == "failed" and reason in entry.reason


def test_an_act_on_what_is_not_there_is_no_act(place: Place) -> None:
    with pytest.raises(RunError, match="nope"):
        actions.stop(BEN, place.runs_root, "nope")
    assert place.activity() == [] and not ActivityPaths(place.runs_root).folder.exists()


def test_a_run_that_was_made_is_named_even_where_the_log_is_full_by_then(
    place: Place, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*args: object, **more: object) -> None:
        raise ActivityError("No space left.")

    monkeypatch.setattr(door, "add_to", refuse)
    run_id = actions.start(ADA, place.runs_root, place.data_root, CONFIG, name="first")
    assert read_run(place.runs_root, run_id).meta.started_by == ADA.email
    assert "The run that an act has made is not in the activity log" in caplog.text
    [entry] = place.activity()
    assert (entry.action, entry.made, entry.detail) == ("start", "", "“first” on demo")


def test_who_starts_too_often_is_refused_and_that_is_written_down(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(STARTS_PER_MINUTE, "2")
    first = actions.start(ADA, place.runs_root, place.data_root, CONFIG)
    actions.clone(ADA, place.runs_root, place.data_root, first, CONFIG)
    before = {run.id for run in list_runs(place.runs_root)}
    with pytest.raises(TooManyStartsError, match=r"You have started 2 times within a minute \(max 2\)\. Try again in"):
        actions.start(ADA, place.runs_root, place.data_root, CONFIG)
    assert {run.id for run in list_runs(place.runs_root)} == before
    assert (place.activity()[0].action, place.activity()[0].outcome) == ("start", "refused")
    actions.start(BEN, place.runs_root, place.data_root, CONFIG)
    actions.stop(ADA, place.runs_root, first)  # what starts nothing is not counted
