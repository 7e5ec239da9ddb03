"""From one page to another: whatever the address holds."""

from pathlib import Path

import pytest

from tests.conftest import PROJECT_ROOT
from tests.dashboard.conftest import Opener, Writer, choose, words


def test_what_the_address_holds_is_in_no_clicks_way(open_page: Opener, write: Writer) -> None:
    """Streamlit raises where a page is left whose address belongs to a widget; `ui.page.go_to` knows the way round."""
    run = write("finished", name="my run", author="Ada", epochs=1)
    for query in ({"q": "my"}, {"state": "finished"}, {"author": "Ada"}, {"archived": "true"}):
        app = open_page("runs", **query)
        next(button for button in app.button if button.label == "Start training").click().run()
        assert app.title[0].value == "Train" and not app.error, query
    app = open_page("run", run=run.id, tab="Review")
    choose(app, "Clone").run()
    assert app.query_params["clone"] == run.id and "New run based on" in words(app)
    app = open_page("run", run=run.id, tab="Review")
    app.text_input(key="who").set_value("Ada")
    choose(app, "Delete").run()
    choose(app, "Delete").button(key="delete-really").click().run()
    assert app.title[0].value == "Runs" and not app.error


def test_pages_are_left_in_one_way() -> None:
    files = (PROJECT_ROOT / "dashboard").rglob("*.py")
    leaving = {str(file.relative_to(PROJECT_ROOT)): file.read_text().count("switch_page(") for file in files}
    assert {name: count for name, count in leaving.items() if count} == {"dashboard/ui/page.py": 1}


@pytest.mark.parametrize("page", ["runs", "run", "group", "compare", "errors", "predict"])
def test_an_empty_page_leads_to_what_is_missing(open_page: Opener, demo_root: Path, tmp_path: Path, page: str) -> None:
    app = open_page(page, data_root=tmp_path / "nothing")
    [button] = [button for button in app.button if str(button.key).startswith("empty-")]
    assert button.label == "Add data" and "Training needs a dataset first." in words(app)
    button.click().run()
    assert app.title[0].value == "Data"
    app = open_page(page, data_root=demo_root)
    [button] = [button for button in app.button if str(button.key).startswith("empty-")]
    button.click().run()
    assert app.title[0].value == "Train"
