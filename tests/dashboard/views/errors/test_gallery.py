"""The gallery: its address, its filters and its pages."""

from pathlib import Path

import numpy as np
import pytest
import streamlit as st

from core.data.dataset import load_split
from core.evaluation.predictions import write_predictions
from core.labels import LABELS
from dashboard.ui.components.wall import REVEALED
from dashboard.views.errors.matrix import choose_cell
from tests.dashboard.conftest import Opener, words
from tests.dashboard.views.errors.conftest import part, table_of
from tests.dashboard_fixtures import FakeRun


def test_the_address_holds_filters_and_order(open_page: Opener, run: FakeRun) -> None:
    table = table_of(run)
    app = open_page("errors", run=run.id, show="All", true="sad", order="Least confident", unit="Rows (recall)")
    expected = table[table["label"] == LABELS.index("sad")].sort_values("confidence", kind="stable")
    assert [tile["id"] for tile in part(app, "wall")["tiles"]] == expected["image_id"].tolist()
    assert part(app, "matrix")["chosen"] == [LABELS.index("sad"), None]
    app.slider(key="confidence").set_value((100, 100)).run()
    assert "No images match these filters" in words(app)


def test_all_filters_are_reset_at_once_and_the_order_stays(open_page: Opener, run: FakeRun) -> None:
    plain = open_page("errors", run=run.id, order="Least confident")
    assert plain.button(key="reset-filters").disabled
    filters = {"show": "All", "true": "sad", "predicted": "happy", "verdict": "Not reviewed", "copies": "In train"}
    app = open_page("errors", run=run.id, order="Least confident", confidence=["20", "90"], **filters)
    app.button(key="reset-filters").click().run()
    assert part(app, "wall")["tiles"] == part(plain, "wall")["tiles"]
    assert set(app.query_params) == {"run", "order"} and app.button(key="reset-filters").disabled


def test_every_tile_has_room_for_the_notes_that_may_come(open_page: Opener, run: FakeRun) -> None:
    assert part(open_page("errors", run=run.id), "wall")["lines"] == 1
    assert part(open_page("errors", run=run.id, order="Likely label error"), "wall")["lines"] == 2


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ({"row": 5, "column": 4}, ("sad", "neutral", "all")),
        ({"row": 5, "column": None}, ("sad", "any", "wrong")),
        ({"row": None, "column": None}, ("any", "any", "wrong")),
    ],
)
def test_a_cell_sets_the_filters_and_asks_for_its_images_to_be_in_sight(
    cell: dict[str, int | None], expected: tuple[str, str, str]
) -> None:
    st.session_state["matrix"] = {"chosen": cell}
    before = st.session_state.get(REVEALED, 0)
    choose_cell()
    assert tuple(st.session_state[key] for key in ("true", "predicted", "show")) == expected
    assert st.session_state[REVEALED] == before + 1


def test_pages_of_sixty_and_a_new_filter_starts_at_the_first(open_page: Opener, run: FakeRun, demo_root: Path) -> None:
    split = load_split(demo_root, "demo", "train")
    flat = np.full((len(split), 7), 1 / 7, np.float32)
    write_predictions(run.paths.predictions("train"), split.ids, split.labels, flat)
    app = open_page("errors", run=run.id, split="train", show="All")
    assert "These are training images" in words(app)
    app.pagination[1].set_value(3).run()  # those beneath the images
    assert len(part(app, "wall")["tiles"]) == len(split) - 120
    assert [links.value for links in app.pagination] == [3, 3] and part(app, "wall")["reveal"] == 1
    again = open_page("errors", run=run.id, split="train", show="All", page=str(app.query_params["page"]))
    assert part(again, "wall")["tiles"] == part(app, "wall")["tiles"]
    app.selectbox(key="show").set_value("wrong").run()
    first = part(app, "wall")["tiles"]
    assert len(first) == 60 and not any(tile["right"] for tile in first)
