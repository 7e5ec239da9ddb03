"""One name for everything, and every key in one list."""

from core.labels import LABELS
from dashboard.ui.visitor_menu import SHORTCUTS
from dashboard.views.errors import shortcuts
from tests.dashboard.conftest import Opener, Writer, words

PAGES = ("overview", "data", "train", "runs", "run", "group", "compare", "errors", "predict")


def test_every_page_asks_for_the_name_in_one_place(open_page: Opener, write: Writer) -> None:
    run = write("finished", epochs=1)
    write("finished", epochs=1, seed=1)
    for page in PAGES:
        app = open_page(page, run=run.id) if page == "run" else open_page(page)
        fields = [box.key for box in app.text_input if box.label in ("Your name", "Author", "Reviewer")]
        assert fields == ["who"], page
        app.button(key="shortcuts").click().run()
        assert "Images of the error analysis" in words(app), page


def test_a_name_goes_with_its_visitor_from_page_to_page(open_page: Opener, write: Writer) -> None:
    write("finished", epochs=1)
    app = open_page("train")
    app.text_input(key="who").set_value("  Ada  Lovelace ").run()
    assert "Author: Ada Lovelace" in words(app)
    app.switch_page("views/runs/page.py").run()
    assert app.get("popover")[0].proto.popover.label.startswith("Ada") or "Ada" in str(app.get("popover")[0].proto)


def test_the_list_has_every_key_of_the_gallery() -> None:
    listed = {key.lower() for keys in SHORTCUTS.values() for key, _ in keys}
    single = {key for _, group in shortcuts.LEGEND for key, _ in group} - set(shortcuts.LABEL_KEYS)
    assert single <= listed
    assert f"1 to {len(LABELS)}" in listed and list(shortcuts.LABEL_KEYS.values()) == list(LABELS)
