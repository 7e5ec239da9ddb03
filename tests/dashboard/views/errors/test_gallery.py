"""The gallery: its address, its filters and its pages."""

from pathlib import Path

import numpy as np

from core.data.dataset import load_split
from core.evaluation.predictions import write_predictions
from core.labels import LABELS
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


def test_pages_of_sixty_and_a_new_filter_starts_at_the_first(open_page: Opener, run: FakeRun, demo_root: Path) -> None:
    split = load_split(demo_root, "demo", "train")
    flat = np.full((len(split), 7), 1 / 7, np.float32)
    write_predictions(run.paths.predictions("train"), split.ids, split.labels, flat)
    app = open_page("errors", run=run.id, split="train", show="All")
    assert "These are training images" in words(app)
    app.pagination[0].set_value(3).run()
    assert len(part(app, "wall")["tiles"]) == len(split) - 120
    again = open_page("errors", run=run.id, split="train", show="All", page=str(app.query_params["page"]))
    assert part(again, "wall")["tiles"] == part(app, "wall")["tiles"]
    app.selectbox(key="show").set_value("wrong").run()
    first = part(app, "wall")["tiles"]
    assert len(first) == 60 and not any(tile["right"] for tile in first)
