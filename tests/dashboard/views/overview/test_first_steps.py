"""The first steps of a new user."""

from pathlib import Path

from streamlit.testing.v1 import AppTest

from dashboard.state import visitor
from tests.dashboard.conftest import Opener, Writer, words


def test_the_first_visit_shows_three_steps(open_page: Opener, write: Writer, demo_root: Path, tmp_path: Path) -> None:
    def buttons(app: AppTest) -> list[str]:
        return [app.button(key=f"step-{number}").label for number in (1, 2, 3)]

    nothing = tmp_path / "no-data"
    assert buttons(open_page("overview", data_root=nothing)) == ["Add data", "Open Train", "Open Predict"]
    shipped = write("finished", epochs=1)
    shipped.paths.folder.rename(shipped.paths.root / "reference-of-a-test")
    app = open_page("overview", data_root=nothing)
    assert buttons(app) == ["Open Predict", "Add data", "Open Train"]
    assert "Step 1" in words(app) and "Done" not in words(app)
    app.session_state[visitor.HAS_PREDICTED] = True
    assert "Step 1" not in words(app.run()) and "Step 2" in words(app) and "Done" in words(app)
    assert "Step 2" not in words(open_page("overview", data_root=demo_root)), "there are data"
    write("queued")
    assert "Get started" not in words(open_page("overview", data_root=nothing))
