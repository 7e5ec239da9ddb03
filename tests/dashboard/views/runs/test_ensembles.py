"""Ensembles on the Runs page: created from ticked runs, listed, deleted."""

from pathlib import Path

import pytest

from core.runs.ensembles import create_ensemble, list_ensembles
from core.runs.records import Run
from dashboard.views.runs.ensembles import ASKED, MENU
from tests.dashboard.conftest import Opener, press, words
from tests.members import write_members


@pytest.fixture
def two(runs_root: Path, demo_root: Path) -> list[Run]:
    return write_members(runs_root, demo_root)


def test_ticked_runs_become_an_ensemble_that_is_listed(open_page: Opener, runs_root: Path, two: list[Run]) -> None:
    app = open_page("runs", selected=",".join(run.id for run in two))
    app.session_state["who"] = "Ana"
    app.session_state[MENU] = True
    app.run()
    app.text_input(key="ensemble-name").set_value("Both!").run()
    app.button(key="ensemble-create").click().run()
    assert "Invalid name" in words(app) and not list_ensembles(runs_root)
    app.text_input(key="ensemble-name").set_value("both").run()
    app.button(key="ensemble-create").click().run()
    assert not app.exception
    [made] = list_ensembles(runs_root)
    assert (made.name, made.author, {run.id for run in made.runs}) == ("both", "Ana", {run.id for run in two})


def test_what_there_is_can_be_used_and_deleted(open_page: Opener, runs_root: Path, two: list[Run]) -> None:
    create_ensemble(runs_root, "both", [run.id for run in two])
    app = open_page("runs", selected=two[0].id)
    app.session_state["who"] = "Ana"
    app.session_state[MENU] = True
    app.run()
    assert "Select two or more finished runs" in words(app)
    assert "both" in words(app) and "member 0, member 1" in words(app)
    press(app, "ensemble-both-delete")
    assert "Its runs are kept" in words(app) and list_ensembles(runs_root)
    assert "ensemble-both-delete" not in [button.key for button in app.button], "the menu makes room for the dialog"
    app.session_state[ASKED] = "both"  # AppTest forgets the dialog
    press(app, "ensemble-delete-really")
    assert list_ensembles(runs_root) == []


def test_runs_that_cannot_answer_together_are_said(open_page: Opener, two: list[Run]) -> None:
    two[1].paths.weights.unlink()
    app = open_page("runs", selected=",".join(run.id for run in two))
    app.session_state[MENU] = True
    app.run()
    assert f"can't be an ensemble: run '{two[1].id}' has no usable weights" in words(app)
    assert "ensemble-create" not in [button.key for button in app.button]
