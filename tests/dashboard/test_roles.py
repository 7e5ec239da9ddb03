"""What a role may not press is not drawn, and is refused where it is pressed all the same."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
from streamlit.testing.v1 import AppTest

from core.jobs import control
from core.runs.create import write_meta
from core.runs.reader import list_runs, read_run
from core.runs.records import RunState
from core.team.log import read_activity
from core.team.people import Role
from tests.dashboard.conftest import Opener, Writer, words

ACTING: Final = {
    *(
        "start",
        "import-run",
        "stop",
        "stop-group",
        "resume-group",
        "kill",
        "resume",
        "clone-failed",
        "recover",
        "archive",
        "delete",
        "star",
        "tags-change",
    ),
    *("save-name", "save-notes", "delete-dataset", "import-demo", "import-zip", "import-path", "import-own"),
    *("kaggle-download", "kaggle-cancel", "kaggle-again", "kaggle-close", "kaggle-remove", "score", "create-set"),
    *("bar-save", "bar-remove", "undo-review", "viewer-undo", "image-save"),
}
ACTING_WITH: Final = ("review-", "earlier-", "later-", "remove-", "stop-", "train-", "viewer-key-")
"""Keys of buttons that change something, and how the keys of others begin."""


def acting(app: AppTest) -> list[str]:
    """The buttons on a page, and the entries of its menu, that change something."""
    keys = [button.key or "" for button in app.button]
    entries = [option for menu in app.get("menu_button") for option in menu.options]
    return [key for key in keys if key in ACTING or key.startswith(ACTING_WITH)] + [
        entry for entry in entries if not entry.endswith((" Error analysis", " Predict"))
    ]


@pytest.fixture
def team(write: Writer) -> dict[str, str]:
    """A run in each of several states: state to id."""
    return {state: write(state, done=2, epochs=3).id for state in ("queued", "running", "failed", "finished")}


def test_a_viewer_is_offered_nothing_that_changes_something(
    open_page: Opener, team: dict[str, str], visit_as: Callable[..., None]
) -> None:
    pages = {page: {} for page in ("overview", "data", "train", "runs")} | {"errors": {"run": team["finished"]}}
    pages["run"] = {"run": team["failed"], "tab": "Review"}
    for page in ("data", "errors", "run"):
        assert acting(open_page(page, **pages[page])), "an admin is offered something"
    visit_as(Role.VIEWER, name="Zoe", email="zoe@example.org")
    others = [("run", {"run": team[state], "tab": "Review"}) for state in ("running", "finished")]
    for page, query in (*pages.items(), *others, ("errors", {"run": team["finished"], "split": "train"})):
        app = open_page(page, **query)
        assert acting(app) == [], page
        if page == "train":
            assert "“Start run” needs the role member. Your role is viewer." in words(app)


def test_a_member_is_offered_their_own_run_and_not_that_of_others(
    open_page: Opener, write: Writer, runs_root: Path, visit_as: Callable[..., None]
) -> None:
    own, other = write("queued"), write("queued")
    for run, who in ((own, "ada@example.org"), (other, "ben@example.org")):
        write_meta(run.paths, lambda meta, who=who: meta.model_copy(update={"started_by": who}))
    visit_as(Role.MEMBER, name="Ada", email="ada@example.org")
    assert "stop" in acting(open_page("run", run=own.id))
    app = open_page("run", run=other.id, tab="Review")
    assert "stop" not in acting(app) and not any("Archive" in each for each in app.menu_button(key="more").options)
    assert {"review-in review", "save-name"} <= set(acting(app)) and "review-approved" not in acting(app)
    buttons = acting(open_page("overview"))
    assert f"remove-{own.id}" in buttons and f"remove-{other.id}" not in buttons
    assert not any(key.startswith(("earlier-", "later-")) for key in buttons)


def test_what_a_member_may_not_do_with_ticked_runs_says_why_and_leaves_the_ticks(
    open_page: Opener, write: Writer, visit_as: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    own, other = write("finished", epochs=1), write("finished", epochs=1, seed=1)
    for run, who in ((own, "ada@example.org"), (other, "ben@example.org")):
        write_meta(run.paths, lambda meta, who=who: meta.model_copy(update={"started_by": who}))
    visit_as(Role.MEMBER, name="Ada", email="ada@example.org")
    app = open_page("runs", selected=own.id)
    assert not app.button(key="archive").disabled
    both = f"{own.id},{other.id}"
    button = open_page("runs", selected=both).button(key="archive")
    assert button.disabled and "for a run that somebody else has started" in button.help
    visit_as(Role.ADMIN, name="Ada", email="ada@example.org")
    app = open_page("runs", selected=both)
    visit_as(Role.MEMBER, name="Ada", email="ada@example.org")  # since the page was drawn
    monkeypatch.setattr("dashboard.views.runs.actions.why_not_all", lambda *_: None)
    app.button(key="archive").click().run()
    assert app.query_params["selected"] == other.id and "somebody else has started" in words(app)
    assert read_run(own.paths.root, own.id).meta.archived and not read_run(own.paths.root, other.id).meta.archived


@pytest.mark.parametrize("button", ["stop", "review-approved"])
def test_a_button_that_was_drawn_before_the_role_changed_is_refused(
    button: str, open_page: Opener, write: Writer, runs_root: Path, visit_as: Callable[..., None]
) -> None:
    run = write("queued", name="my run")
    visit_as(Role.ADMIN, name="Eve", email="eve@example.org")
    app = open_page("run", run=run.id, tab="Review")
    pressed = app.button(key=button).click()
    visit_as(Role.VIEWER, name="Eve", email="eve@example.org")
    pressed.run()
    assert not app.exception and read_run(runs_root, run.id).state is RunState.QUEUED
    assert read_run(runs_root, run.id).meta.review == "unreviewed"
    assert button not in acting(app)


def test_a_click_that_reaches_an_act_is_refused_in_a_sentence_and_written_down(
    open_page: Opener, write: Writer, runs_root: Path, visit_as: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if the role had changed after the page was drawn and before the act."""
    from dashboard.views.run import actions

    run = write("queued")
    visit_as(Role.VIEWER, name="Zoe", email="zoe@example.org")
    monkeypatch.setattr(actions, "may", lambda *_: True)
    app = open_page("run", run=run.id)
    app.button(key="stop").click().run()
    assert "“Stop run” needs the role admin for a run that somebody else has started." in words(app)
    assert read_run(runs_root, run.id).state is RunState.QUEUED
    [entry] = read_activity([runs_root])
    assert (entry.email, entry.action, entry.outcome, entry.way) == ("zoe@example.org", "stop", "refused", "page")


def test_what_is_started_on_a_page_belongs_to_the_login(
    open_page: Opener, runs_root: Path, visit_as: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "ensure_runner", lambda *_: None)
    visit_as(Role.MEMBER, name="Ada", email="ada@example.org")
    open_page("train").button(key="start").click().run()
    [run] = list_runs(runs_root)
    assert (run.meta.author, run.meta.started_by) == ("Ada", "ada@example.org")
    assert next(read_activity([runs_root])).made == run.id
