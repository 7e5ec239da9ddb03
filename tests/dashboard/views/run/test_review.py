"""The Review tab: verdicts and words with a name, and two people who edit at once."""

from collections.abc import Callable

import pytest

from core.review.runs import annotate, read_changes
from core.runs.reader import read_run
from core.runs.records import RunMeta
from core.team.people import Role
from tests.dashboard.conftest import HOSTILE, Opener, Writer, words
from tests.dashboard_fixtures import FakeRun


@pytest.fixture
def run(write: Writer) -> FakeRun:
    return write("finished", name="my run", author="Mara", epochs=1)


def meta(run: FakeRun) -> RunMeta:
    return read_run(run.paths.root, run.id).meta


def test_nobody_says_anything_without_a_name(open_page: Opener, run: FakeRun) -> None:
    app = open_page("run", run=run.id, tab="Review")
    assert "Enter your name" in words(app)
    assert app.button(key="review-approved").disabled and app.button(key="save-notes").disabled
    app.text_input(key="who").set_value("Ben").run()
    app.button(key="review-approved").click().run()
    assert (meta(run).review, meta(run).reviewer) == ("approved", "Ben")
    assert "unreviewed → approved" in words(app) and "Ben" in words(app) and "by default" in words(app)
    app.button(key="review-rejected").click().run()
    assert meta(run).review == "rejected"


def test_notes_name_tags_and_comments_are_kept(open_page: Opener, run: FakeRun) -> None:
    app = open_page("run", run=run.id, tab="Review")
    app.text_input(key="who").set_value("Ben").run()
    app.text_area(key=f"notes-{run.id}").set_value("Looks good.").run()
    app.button(key="save-notes").click().run()
    assert [toast.value for toast in app.toast] == ["Notes saved\\."]
    app.text_input(key=f"name-{run.id}").set_value("new name").run()
    app.button(key="save-name").click().run()
    app.text_area(key=f"comment-text-{run.id}").set_value("Hello")
    next(button for button in app.button if button.label == "Comment").click().run()
    assert meta(run).notes == "Looks good." and meta(run).name == "new name"
    assert [change.field for change in read_changes(run.paths)] == ["notes", "name", "comment"]
    assert "Looks good." in words(app) and app.title[0].value == "new name"


def test_two_who_edit_the_notes_at_once_lose_nothing(open_page: Opener, run: FakeRun) -> None:
    app = open_page("run", run=run.id, tab="Review")
    app.text_input(key="who").set_value("Ben").run()
    app.text_area(key=f"notes-{run.id}").set_value("Ben's words").run()
    annotate(run.paths, "Ada", {"notes": "Ada's words"}, tag=["hers"])
    app.button(key="save-notes").click().run()
    text = words(app)
    assert meta(run).notes == "Ada's words" and "Ada's words" in text
    assert app.text_area(key=f"notes-{run.id}").value == "Ben's words"
    app.button(key="both-notes").click().run()
    app.button(key="save-notes").click().run()
    assert meta(run).notes == "Ada's words\n\nBen's words" and meta(run).tags == ["hers"]


def test_a_verdict_meanwhile_is_not_overruled_unseen(
    run: FakeRun, visit_as: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    from dashboard.views.run import review

    visit_as(Role.ADMIN, name="Ben")
    drawn = read_run(run.paths.root, run.id)
    annotate(run.paths, "Ada", {"review": "rejected"})
    monkeypatch.setattr(review.st, "session_state", said := {})
    assert not review.annotate_run(drawn, changes={"review": "approved"}, seen={"review": drawn.meta.review})
    assert meta(run).review == "rejected" and "Ada changed the review" in said[f"refused-{run.id}"]


def test_what_people_say_is_shown_as_it_is(open_page: Opener, run: FakeRun) -> None:
    annotate(run.paths, HOSTILE[:50], {"notes": HOSTILE}, tag=["![x](http://evil.test/x.png)"], comment=HOSTILE)
    app = open_page("run", run=run.id, tab="Review")
    for element in [*app.markdown, *app.caption, *app.warning]:
        for active in ("![x]", "[l](", ":red[", "<b>", "http://evil", "www.evil"):
            assert active not in element.value
