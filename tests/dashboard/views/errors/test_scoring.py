"""Predictions that are computed when somebody asks."""

import pytest

from dashboard.state.background import Scoring, Scorings
from tests.dashboard.conftest import Opener, words
from tests.dashboard_fixtures import FakeRun


def test_train_is_scored_when_somebody_asks(open_page: Opener, run: FakeRun) -> None:
    text = words(open_page("errors", run=run.id, split="train"))
    assert "No predictions on train yet" in text and f"python -m core evaluate {run.id} --split train" in text


def test_a_scoring_that_is_queued_says_how_many_come_first(
    open_page: Opener, run: FakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Scorings, "look", lambda *_: Scoring(ahead=2))
    app = open_page("errors", run=run.id, split="train")
    assert "Queued (2 ahead)" in words(app)
    assert not [button for button in app.button if button.key == "score"]
