"""One key, one kind of widget: what a widget of another page has left in the session under the same key would end the
page, or be taken for its own value. And one parameter of the address, one page: what two pages bind is lost on the way
from one to the other."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from core.files import read_json, write_json
from core.review.runs import annotate
from dashboard.views.compare import curves
from dashboard.views.compare.sections import TABS as COMPARE_TABS
from dashboard.views.run import tabs
from dashboard.views.runs import filters
from dashboard.views.train import address
from tests.conftest import PROJECT_ROOT
from tests.dashboard.conftest import Opener, Writer
from tests.dashboard_fixtures import write_group

WIDGET_ID = re.compile(r"\$\$ID-[0-9a-f]{32}-(?P<key>.+)")
"""How Streamlit names a widget: a hash and the key that it was given, or `None`."""

DRAWN_AS = {"pills": "button_group", "segmented_control": "button_group", "tabs": "tab_container"}
"""Command to the kind of element that it draws, where the two have different names."""

Kinds = set[tuple[str, str]]
"""Pairs of key and kind, such as `("author", "text_input")`."""


def conflicts(kinds: Iterable[tuple[str, str]]) -> dict[str, set[str]]:
    """Keys with more than one kind of widget, or parameters with more than one page."""
    by_key = defaultdict(set)
    for key, kind in kinds:
        by_key[key].add(kind)
    return {key: found for key, found in by_key.items() if len(found) > 1}


def bound(app: AppTest) -> set[str]:
    """The parameters of the address that widgets on a page write."""
    return {name for each in app.main if (name := getattr(each.proto, "query_param_key", ""))}


def drawn(app: AppTest) -> Kinds:
    """What stands on a page, whichever function has drawn it: keys may come through helpers and be put together."""
    found = set()
    for element in app.main:
        match = WIDGET_ID.fullmatch(str(getattr(element.proto, "id", "")))
        if match and match["key"] != "None":
            found.add((match["key"], element.type))
    return found


def written() -> Kinds:
    """What is written down in the source with a key in plain words, also where no test comes by."""
    found = set()
    for file in (PROJECT_ROOT / "dashboard").rglob("*.py"):
        for call in ast.walk(ast.parse(file.read_text())):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and hasattr(st, call.func.attr):
                keys = [each.value for each in call.keywords if each.arg == "key"]
                kind = DRAWN_AS.get(call.func.attr, call.func.attr)
                found |= {(key.value, kind) for key in keys if isinstance(key, ast.Constant)}
    return found


def visited(open_page: Opener, write: Writer) -> Iterator[tuple[str, AppTest]]:
    """Every page, with each of its tabs open once."""
    one = write("finished", name="one", author="Ada", epochs=2)
    two = write("finished", name="two", author="Ben", epochs=2, seed=1)
    annotate(one.paths, "Ada", {"review": "approved"}, tag=["paper"])
    write_json(one.paths.meta, read_json(one.paths.meta) | {"parent": two.id})
    running = write("running", done=1)
    write("queued")
    for page in ("overview", "data", "train", "runs", "predict"):
        yield page, open_page(page)
    yield "train", open_page("train", clone=one.id)
    for tab in COMPARE_TABS:
        yield "compare", open_page("compare", runs=f"{one.id},{two.id}", section=tab)
    for tab in [tab.label for tab in open_page("errors", run=one.id).tabs]:
        yield "errors", open_page("errors", run=one.id, **{"errors-tab": tab})
    for tab in tabs.RUN_TABS:
        yield "run", open_page("run", run=one.id, tab=tab)
    yield "run", open_page("run", run=running.id)
    group = write_group([one, two, running], [{"seed": seed} for seed in range(3)])
    yield "group", open_page("group")
    for tab in [tab.label for tab in open_page("group", name=group.name).tabs]:
        yield "group", open_page("group", name=group.name, **{"group-tab": tab})
    yield "train", open_page("train", **{"sweep-seed": "0..2", "sweep-optimizer": "adam, sgd"})


def test_no_two_widgets_share_a_key_and_no_two_pages_a_parameter(open_page: Opener, write: Writer) -> None:
    kinds, pages = written(), set()
    for page, app in visited(open_page, write):
        kinds |= drawn(app)
        pages |= {(name, page) for name in bound(app)}
    assert len(kinds) > 100 and len(pages) > 30
    assert conflicts(kinds) == {}
    assert conflicts(pages) == {}
    assert not {name for name, _ in pages} & address.PARAMETERS, "the form of Train writes these itself"


def test_such_widgets_would_be_found(open_page: Opener, write: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    write("finished", author="Ada", epochs=1)
    keys = {"author": "run-name"}  # the latter is that of a text input on Train

    def choice(label: str, key: str, options: Iterable[str], *_: object) -> list[str]:
        return st.multiselect(label, list(options), key=keys.get(key, key))

    monkeypatch.setattr(filters, "filter_choice", choice)
    found = drawn(open_page("train")) | drawn(open_page("runs"))
    assert conflicts(found) == {"run-name": {"text_input", "multiselect"}}


def test_a_parameter_that_two_pages_bind_would_be_found(
    open_page: Opener, write: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = write("finished", epochs=1), write("finished", epochs=1, seed=1)
    monkeypatch.setattr(curves, "PREFIX", "")
    apps = {"run": open_page("run", run=one.id), "compare": open_page("compare", runs=f"{one.id},{two.id}")}
    pages = {(name, page) for page, app in apps.items() for name in bound(app)}
    assert set(conflicts(pages)) == {"axis", "smoothing", "log"}
