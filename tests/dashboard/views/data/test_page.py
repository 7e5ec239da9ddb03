"""The Data page with a custom dataset, and the audit beneath it."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from core.data.audit import audit_dataset
from core.data.dataset import list_datasets, load_split, read_info, write_dataset
from core.data.importers.demo import import_demo
from core.data.importers.drawing import draw_face
from core.data.importers.fer2013 import import_dataset
from core.labels import LABELS
from core.splits import SPLITS
from dashboard.state import cache
from dashboard.views.data.audit import NOTES, export_findings
from tests.conftest import PROJECT_ROOT, wait_for
from tests.core.data.importers.test_ferplus import votes_for, write_votes
from tests.core.data.importers.test_tables import lines_of, write_lines
from tests.dashboard_fixtures import end_run, write_run


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    monkeypatch.setenv("FER_DATA_ROOT", str(tmp_path / "data"))
    monkeypatch.setenv("FER_RUNS_ROOT", str(tmp_path / "runs"))
    monkeypatch.setattr(cache, "take_over", lambda *_: None)  # a fake run that waits needs no runner
    cache.importer().forget()
    app = AppTest.from_file(str(PROJECT_ROOT / "dashboard" / "Home.py"), default_timeout=120).run()
    return app.switch_page("views/data/page.py").run()


def words(app: AppTest) -> str:
    parts = [*app.markdown, *app.caption, *app.success, *app.error, *app.header]
    return " ".join(str(part.value) for part in parts).replace("\\", "")


def test_own_images_are_imported_and_audited(page: AppTest, tmp_path: Path) -> None:
    for label, name in enumerate(LABELS):
        folder = tmp_path / "faces" / {"happy": "Grin"}.get(name, name)
        folder.mkdir(parents=True)
        for number in range(5):
            face = Image.fromarray(draw_face(label, np.random.default_rng([label, number])))
            face.resize((90, 70)).save(folder / f"{number}.png")
    (tmp_path / "faces/sad/0.png").write_bytes((tmp_path / "faces/fear/0.png").read_bytes())
    (tmp_path / "faces/sad/x.jpg").write_bytes(b"not an image")

    def submit() -> str:
        page.button(key="import-own").click().run()
        wait_for(lambda: not cache.importer().look().running, what="the import")
        return words(page.run())

    assert page.button(key="import-own").disabled
    page.text_input(key="own-path").set_value(str(tmp_path / "faces"))
    page.text_input(key="own-name").set_value("mine").run()
    assert "skip it with 'Grin=-'" in submit()
    page.text_input(key="own-mapping").set_value("grin=happy,").run()
    assert "1 of 36 images in 'faces' are unreadable" in submit()
    page.checkbox(key="own-skip").check().run()
    shown = submit()
    assert not page.exception and not page.error
    assert "mine is ready: 35 images. 1 unreadable images skipped." in shown
    assert read_info(tmp_path / "data", "mine").kind == "own"
    assert "Custom" in shown and "Duplicates and blank images" in shown
    assert NOTES["Conflicting labels"] in shown
    figures = {metric.label: metric.value for metric in page.metric}
    assert [figures[name] for name in ("Exact duplicates", "Conflicting labels", "Leaked from train")] == [
        "1",
        "1",
        "0",
    ]
    assert page.get("download_button")


def test_the_findings_as_csv_hold_no_formulas(tmp_path: Path) -> None:
    faces = np.stack([draw_face(0, np.random.default_rng(0))] * 2)
    ids = np.array(["=1+1/a.png", "happy/b.png"])
    splits = {split: (faces, np.zeros(2, np.uint8), ids) for split in SPLITS}
    write_dataset(tmp_path, "copies", title="Copies", kind="own", source="x", splits=splits)
    audit = audit_dataset(tmp_path, "copies")
    content = export_findings(audit, {split: load_split(tmp_path, "copies", split) for split in SPLITS})
    table = content.decode("utf-8-sig")
    assert "\nduplicate,1,train,0,'=1+1/a.png," in table and ",=" not in table


def test_what_a_set_is_and_what_needs_it_before_it_is_deleted(page: AppTest, tmp_path: Path) -> None:
    data_root, runs_root = tmp_path / "data", tmp_path / "runs"
    info = import_demo(data_root, train_per_class=4, validation_per_class=2, test_per_class=2)
    waiting = write_run(runs_root, data_root, "queued", name="needs *it*")
    finished = write_run(runs_root, data_root, "finished", name="done")
    page.run()
    assert not page.exception and not page.error
    [facts] = [caption for caption in page.caption if "MB on disk" in caption.value]
    assert facts.value.startswith("56 images · class imbalance 1.0 : 1 · ") and "`demo`" in facts.value
    assert info.fingerprint in facts.help and f"mean {info.mean:.4f}" in facts.help
    page.button(key="delete-dataset").click().run()
    [warning] = page.warning
    assert "1 queued or running run uses this dataset and will fail: needs \\*it\\*" in warning.value
    end_run(waiting, "stopped")
    page.run()
    page.text_input(key="who").set_value("Ada")
    page.button(key="delete-dataset").click().run()
    assert not page.warning
    page.button(key="delete-dataset").click()
    page.button(key="delete-demo").click().run()
    assert page.toast[0].value == "Deleted Synthetic demo faces\\."
    assert list_datasets(data_root) == [] and finished.paths.folder.exists()
    assert "Class counts" in words(page)


def test_ferplus_is_imported_by_its_path(page: AppTest, tmp_path: Path) -> None:
    import_demo(tmp_path, train_per_class=4, validation_per_class=2, test_per_class=2)
    table = write_lines(tmp_path / "fer2013.csv", lines_of(tmp_path, "demo"))
    import_dataset(table, tmp_path / "data", accept_differences=True)
    votes = write_votes(tmp_path / "fer2013new.csv", votes_for(table))
    page.text_input(key="path").set_value(str(votes)).run()
    page.button(key="import-path").click().run()
    wait_for(lambda: not cache.importer().look().running, what="the import")
    page.run()
    assert not page.exception and not page.error
    assert "FER2013 with FER+ labels is ready" in words(page) and "images excluded" in words(page)
    assert page.segmented_control(key="set").options == ["FER2013", "FER2013 with FER+ labels"]
    page.segmented_control(key="set").set_value("fer2013-plus").run()
    assert page.query_params["set"] == "fer2013-plus"
    assert "Excluded because FER+ assigns none of the seven classes:" in words(page)
