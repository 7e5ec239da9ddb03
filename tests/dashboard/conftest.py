"""Pages as a new visitor opens them, fake runs for them to show, and what stands on a page."""

import json
import re
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from core.team.people import Actor, Role
from dashboard.state import actor, cache
from dashboard.ui.format import _JOINER
from dashboard.ui.page import UNEXPECTED
from tests.conftest import PROJECT_ROOT
from tests.dashboard_fixtures import FakeRun, write_run

HOME = PROJECT_ROOT / "dashboard" / "Home.py"

HOSTILE = "![x](http://evil.test/x.png) [l](http://evil.test) :red[r] $a^2$ <b>b</b> **s** `c` :smile: www.evil.test"

Opener = Callable[..., AppTest]

Writer = Callable[..., FakeRun]


@pytest.fixture
def open_page(runs_root: Path, demo_root: Path, monkeypatch: pytest.MonkeyPatch) -> Opener:
    """Open a page as a new visitor would."""
    monkeypatch.setenv("FER_RUNS_ROOT", str(runs_root))
    monkeypatch.setenv("FER_DATA_ROOT", str(demo_root))
    monkeypatch.setattr(cache, "take_over", lambda *_: None)  # fake runs that wait need no runner
    cache.importer.clear()

    def opener(page: str, /, data_root: Path | None = None, **query: str) -> AppTest:
        if data_root:
            monkeypatch.setenv("FER_DATA_ROOT", str(data_root))
        app = AppTest.from_file(str(HOME), default_timeout=120).run()
        if page != "overview":
            app.switch_page(f"views/{page}/page.py")
        for key, value in query.items():
            app.query_params[key] = value
        app.run()
        assert not app.exception, app.exception
        assert_headings_are_nested(app)
        assert UNEXPECTED not in [error.value for error in app.error], "the page failed; its traceback is in the log"
        return app

    return opener


@pytest.fixture
def write(runs_root: Path, demo_root: Path) -> Iterator[Writer]:
    """Write fake runs; those alive let go of their lock at the end."""
    written: list[FakeRun] = []

    def writer(state: str, **options: object) -> FakeRun:
        written.append(write_run(runs_root, demo_root, state, **options))  # type: ignore[arg-type]
        return written[-1]

    yield writer
    for run in written:
        run.close()


def assert_headings_are_nested(app: AppTest) -> None:
    """One title, then sections: who listens to a page goes through its headings, and none of them skips a level."""
    levels = [level for element in app.main if (level := heading_level(element))]
    assert levels[:1] in ([1], []) and levels.count(1) <= 1, levels  # none: the page itself could not be drawn
    assert all(later <= earlier + 1 for earlier, later in pairwise(levels)), levels


def heading_level(element: Any) -> int:
    """1 to 6 for a heading, also for one that is written as Markdown; 0 for anything else."""
    if element.type in ("title", "header", "subheader"):
        return int(element.tag.removeprefix("h"))
    marks = re.match(r"(#{1,6}) ", element.value) if element.type == "markdown" else None
    return len(marks[1]) if marks else 0


def line_charts(app: AppTest) -> list[dict[str, Any]]:
    """The line charts of a page, as they are sent to the browser."""
    sent = [each.proto for each in app.get("bidi_component") if each.proto.component_name == "fer_charts"]
    return [chart for each in sent for chart in json.loads(each.json)["charts"]]


def words(app: AppTest) -> str:
    """Everything that stands on a page, with the invisible characters of escaped text left out."""
    kinds = "title header markdown caption text metric error warning info success button code progress".split()
    parts = [str(getattr(element, "label", "")) for kind in kinds for element in app.get(kind)]
    parts += [str(getattr(element, "value", "")) for kind in kinds for element in app.get(kind)]
    parts += [element.proto.delta for element in app.get("metric")]
    parts += [element.proto.text for element in app.get("progress") if hasattr(element.proto, "text")]
    parts += [element.value.to_string() for element in app.dataframe]
    return "\n".join(parts).replace(_JOINER, "").replace("\\", "").replace("\u00a0", " ")


def press(app: AppTest, *keys: str) -> None:
    """Click buttons at once: AppTest forgets a dialog whose opening button is not pressed again."""
    for key in keys:
        app.button(key=key).click()
    app.run()
    assert not app.exception


def choose(app: AppTest, entry: str) -> AppTest:
    """Choose from the menu of a run, by a word of the entry; to be run."""
    menu = app.menu_button(key="more")
    [option] = [option for option in menu.options if entry in option]
    menu.click(option)
    return app


@pytest.fixture
def visit_as(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """From now on, the visitor is somebody else: `visit_as(Role.VIEWER, name="Zoe")`."""

    def change(role: Role, **who: str) -> None:
        monkeypatch.setattr(actor, "Actor", lambda **given: Actor(**{**given, "role": role, **who}))

    return change
