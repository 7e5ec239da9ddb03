"""One key, one kind of widget: what a widget of another page has left in the session under the same key would end the
page, or be taken for its own value."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterable

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from core.review.runs import annotate
from dashboard.views.compare.sections import TABS as COMPARE_TABS
from dashboard.views.run import tabs
from dashboard.views.runs import filters
from tests.conftest import PROJECT_ROOT
from tests.dashboard.conftest import Opener, Writer

WIDGET_ID = re.compile(r"\$\$ID-[0-9a-f]{32}-(?P<key>.+)")
"""How Streamlit names a widget: a hash and the key that it was given, or `None`."""

DRAWN_AS = {"pills": "button_group", "segmented_control": "button_group", "tabs": "tab_container"}
"""Command to the kind of element that it draws, where the two have different names."""

Kinds = set[tuple[str, str]]
"""Pairs of key and kind, such as `("author", "text_input")`."""


def conflicts(kinds: Iterable[tuple[str, str]]) -> dict[str, set[str]]:
    """Keys with more than one kind of widget."""
    by_key = defaultdict(set)
    for key, kind in kinds:
        by_key[key].add(kind)
    return {key: found for key, found in by_key.items() if len(found) > 1}


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


def test_no_two_widgets_of_different_kinds_share_a_key(open_page: Opener, write: Writer) -> None:
    one = write("finished", name="one", author="Ada", epochs=2)
    two = write("finished", name="two", author="Ben", epochs=2, seed=1)
    annotate(one.paths, "Ada", {"review": "approved"}, tag=["paper"])
    running = write("running", done=1)
    write("queued")
    found = written()
    for page in ("overview", "data", "train", "runs", "predict"):
        found |= drawn(open_page(page))
    found |= drawn(open_page("train", clone=one.id))
    for tab in COMPARE_TABS:
        found |= drawn(open_page("compare", runs=f"{one.id},{two.id}", section=tab))
    for tab in [tab.label for tab in open_page("errors", run=one.id).tabs]:
        found |= drawn(open_page("errors", run=one.id, tab=tab))
    for tab in tabs.RUN_TABS:
        found |= drawn(open_page("run", run=one.id, tab=tab))
    found |= drawn(open_page("run", run=running.id))
    assert len(found) > 100
    assert conflicts(found) == {}


def test_such_widgets_would_be_found(open_page: Opener, write: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    write("finished", author="Ada", epochs=1)
    keys = {"author": "run-name"}  # the latter is that of a text input on Train

    def choice(label: str, key: str, options: Iterable[str], *_: object) -> list[str]:
        return st.multiselect(label, list(options), key=keys.get(key, key))

    monkeypatch.setattr(filters, "filter_choice", choice)
    found = drawn(open_page("train")) | drawn(open_page("runs"))
    assert conflicts(found) == {"run-name": {"text_input", "multiselect"}}
