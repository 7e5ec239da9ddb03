"""The Data page with a team's own pictures, and the audit beneath them."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from core.data.demo import draw_face
from core.data.fer2013 import read_info
from core.labels import LABELS
from dashboard import audit_view, cache
from tests.conftest import PROJECT_ROOT, wait_for


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    monkeypatch.setenv("FER_DATA_ROOT", str(tmp_path / "data"))
    monkeypatch.setenv("FER_RUNS_ROOT", str(tmp_path / "runs"))
    cache.importer().forget()
    app = AppTest.from_file(str(PROJECT_ROOT / "dashboard" / "Home.py"), default_timeout=60).run()
    return app.switch_page("views/data.py").run()


def words(app: AppTest) -> str:
    parts = [*app.markdown, *app.caption, *app.success, *app.error, *app.subheader]
    return " ".join(str(part.value) for part in parts).replace("\\", "")


def test_own_pictures_are_imported_and_audited(page: AppTest, tmp_path: Path) -> None:
    for label, name in enumerate(LABELS):
        folder = tmp_path / "faces" / {"happy": "Happiness"}.get(name, name)
        folder.mkdir(parents=True)
        for number in range(5):
            face = Image.fromarray(draw_face(label, np.random.default_rng([label, number])))
            face.resize((90, 70)).save(folder / f"{number}.png")
    (tmp_path / "faces/sad/0.png").write_bytes((tmp_path / "faces/fear/0.png").read_bytes())
    (tmp_path / "faces/sad/x.jpg").write_bytes(b"no picture")

    def submit() -> str:
        page.button(key="import-own").click().run()
        wait_for(lambda: not cache.importer().look().running, what="the import")
        return words(page.run())

    assert page.button(key="import-own").disabled
    page.text_input(key="own-path").set_value(str(tmp_path / "faces"))
    page.text_input(key="own-name").set_value("mine").run()
    assert "1 folder that is no class, 'Happiness' (5)" in submit()
    page.text_input(key="own-mapping").set_value("happiness=happy,").run()
    assert "1 of 36 pictures in 'faces' cannot be read" in submit()
    page.checkbox(key="own-skip").check().run()
    shown = submit()
    assert not page.exception and not page.error
    assert "mine is ready: 35 images. 1 could not be read and were left out." in shown
    assert read_info(tmp_path / "data", "mine").kind == "own"
    assert "own pictures" in shown and "Repeats and empty images" in shown
    assert "Different labels" in audit_view.NOTES and audit_view.NOTES["Different labels"] in shown
    figures = {metric.label: metric.value for metric in page.metric}
    assert (figures["Exact repeats"], figures["Copies that disagree"], figures["Seen in training"]) == ("1", "1", "0")
    assert page.get("download_button")
