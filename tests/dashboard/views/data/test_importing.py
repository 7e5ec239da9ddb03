"""Imports from the Data page: drawn faces, a path, and numbers that are not the published ones."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from streamlit.runtime.context import ContextProxy

from core.data.importers import demo
from core.labels import LABELS
from dashboard.state import cache, import_roots
from dashboard.state.browser import BROWSER_COOKIE
from tests.conftest import PROJECT_ROOT, wait_for
from tests.dashboard.conftest import Opener, words


def test_the_demo_set_is_made_and_shown(open_page: Opener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = demo.import_demo
    monkeypatch.setattr(demo, "import_demo", lambda root, **kw: small(root, train_per_class=4, **kw))
    app = open_page("data", data_root=tmp_path / "data")
    app.button(key="import-demo").click().run()
    wait_for(lambda: not cache.importer().look().running, what="the import")
    app.run()
    assert "is ready" in words(app) and "Synthetic" in words(app)
    assert len(app.image) == 14, "two halves of a strip for each class"


def test_a_path_that_is_no_data_set_is_refused_to_whom_it_concerns(
    open_page: Opener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = open_page("data", data_root=tmp_path / "data")
    app.text_input(key="path").set_value(str(tmp_path / "none.zip")).run()
    app.button(key="import-path").click().run()
    wait_for(lambda: not cache.importer().look().running, what="the import")
    app.run()
    assert "File not found: " in words(app)
    assert [path.name for path in tmp_path.glob("data/*")] == [".activity"], "only the log"

    other = open_page("data", data_root=tmp_path / "data")
    assert "File not found: " not in words(other) and not other.get("warning"), "of another visitor's import"
    cookies = {BROWSER_COOKIE: app.session_state["browser"]}
    monkeypatch.setattr(ContextProxy, "cookies", cookies)
    assert "File not found: " in words(open_page("data", data_root=tmp_path / "data")), (
        "the same browser, after a reload"
    )
    app.button(key="close-import").click().run()
    assert "File not found: " not in words(app)


@pytest.mark.parametrize("typed", ["1,5", "-1", str(2**31), ""])
def test_a_split_seed_that_is_none_is_refused_as_it_was_typed(open_page: Opener, tmp_path: Path, typed: str) -> None:
    app = open_page("data", data_root=tmp_path / "data")
    app.text_input(key="own-path").set_value(str(tmp_path)).run()
    app.text_input(key="own-name").set_value("mine").run()
    assert not app.button(key="import-own").disabled
    app.text_input(key="own-seed").set_value(typed).run()
    assert f"Split seed must be a whole number from 0 to 2,147,483,647 (got {typed!r})." in words(app)
    assert app.button(key="import-own").disabled


def test_what_needs_no_account_comes_first_until_there_is_a_dataset(open_page: Opener, tmp_path: Path) -> None:
    assert open_page("data").tabs[0].label == "FER2013 from Kaggle"
    assert open_page("data", data_root=tmp_path / "data").tabs[0].label == "Synthetic demo"


def test_two_datasets_of_one_title_are_told_apart(open_page: Opener, tmp_path: Path) -> None:
    sizes = {"train_per_class": 4, "validation_per_class": 2, "test_per_class": 2}
    demo.import_demo(tmp_path / "data", **sizes)
    app = open_page("data", data_root=tmp_path / "data")
    assert not app.segmented_control
    demo.import_demo(tmp_path / "data", name="again", seed=1, **sizes)
    for wanted, shown in (("demo", "demo"), ("nope", "again")):
        app = open_page("data", data_root=tmp_path / "data", set=wanted)
        [choice] = [each for each in app.segmented_control if each.key == "set"]
        assert choice.options == ["Synthetic demo faces (again)", "Synthetic demo faces (demo)"]
        assert choice.value == shown and f"`{shown}` on the command line" in words(app)


def test_other_numbers_of_images_are_shown_and_may_be_accepted(open_page: Opener, tmp_path: Path) -> None:
    for folder, prefix in (("train", "Training"), ("test", "PublicTest"), ("test", "PrivateTest")):
        for label in LABELS:
            file = tmp_path / "few" / folder / label / f"{prefix}_1.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.new("L", (48, 48), 90).save(file)
    app = open_page("data", data_root=tmp_path / "data")
    app.text_input(key="path").set_value(str(tmp_path / "few")).run()
    app.button(key="import-path").click().run()
    wait_for(lambda: not cache.importer().look().running, what="the import")
    app.run()
    assert "Image counts don't match the published FER2013 counts" in words(app)
    assert len(app.dataframe[0].value) == 21
    app.checkbox(key="accept").check().run()
    app.button(key="import-path").click().run()
    wait_for(lambda: not cache.importer().look().running, what="the import")
    app.run()
    assert "FER2013 is ready: 21 images" in words(app) and "21 class counts differ" in words(app)
    app.text_input(key="who").set_value("Ada").run()
    app.button(key="delete-dataset").click().run()
    app.button(key="delete-dataset").click()  # AppTest forgets a dialog whose opening button is not pressed again
    app.button(key="delete-fer2013").click().run()
    assert "counts differ" not in words(app)


def test_a_preview_shows_what_was_understood_and_what_must_be_said(open_page: Opener, tmp_path: Path) -> None:
    for label in LABELS[:-1]:
        for number in range(4):
            file = tmp_path / "faces" / f"{label} {number // 2}" / f"{number}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.new("L", (48, 48), 30 * LABELS.index(label) + number).save(file)
    app = open_page("data", data_root=tmp_path / "data")
    app.text_input(key="own-path").set_value(str(tmp_path / "faces")).run()
    app.button(key="preview-own").click().run()
    assert "2 folders for the class angry: 'angry 0', 'angry 1'" in words(app)
    app.text_input(key="own-mapping").set_value(", ".join(f"{label} 1={label}" for label in LABELS[:-1])).run()
    app.button(key="preview-own").click().run()
    assert "images in class folders (folder)" in words(app) and "No images of surprise" in words(app)
    assert app.dataframe[0].value["images"].tolist() == [2] * 12
    assert not list(tmp_path.glob("data/*"))
    app.text_input(key="own-name").set_value("mine").run()
    app.button(key="import-own").click().run()
    wait_for(lambda: not cache.importer().look().running, what="the import")
    app.run()
    assert "mine is ready: 24 images. No images of surprise" in words(app)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small file system")
def test_an_upload_larger_than_the_temporary_folder_says_so(tmp_path: Path) -> None:
    """In a process that alone sees a temporary folder of half a megabyte."""
    code = (
        "import sys; from dashboard.views.data.import_job import from_upload\n"
        "try: from_upload(bytes(2_000_000), lambda path, progress: sys.exit('kept'), None)\n"
        "except Exception as error: print(type(error).__name__, error)\n"
    )
    mount = f'mount -t tmpfs -o size=512k tmpfs {tmp_path} && TMPDIR={tmp_path} exec {sys.executable} -c "$0"'
    result = subprocess.run(
        ["unshare", "--mount", "sh", "-c", mount, code], cwd=PROJECT_ROOT, capture_output=True, text=True, check=False
    )
    if "unshare: " in result.stderr or "mount: " in result.stderr:
        pytest.skip(result.stderr.strip())
    assert result.stdout.startswith("DataError Can't keep the upload (2.0 MB)"), result.stdout + result.stderr
    assert str(tmp_path) in result.stdout and "set TMPDIR" in result.stdout


def test_paths_are_off_where_others_can_ask(open_page: Opener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_roots, "is_on_loopback_only", lambda: False)
    app = open_page("data", data_root=tmp_path / "data")
    assert "Server paths are off" in words(app)
    assert not {"path", "own-path"} & {field.key for field in app.text_input}


def test_paths_outside_the_roots_are_neither_looked_at_nor_imported(
    open_page: Opener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "hr" / "payroll").mkdir(parents=True)
    monkeypatch.setenv("FER_IMPORT_ROOTS", str(tmp_path / "in"))
    app = open_page("data", data_root=tmp_path / "data")
    assert f"It must be inside {tmp_path / 'in'}." in words(app)
    app.text_input(key="path").set_value(str(tmp_path / "hr")).run()
    app.text_input(key="own-path").set_value(str(tmp_path / "hr"))
    app.text_input(key="own-name").set_value("mine").run()
    for button in ("preview-path", "import-path", "preview-own", "import-own"):
        app.button(key=button).click().run()
        assert [each for each in app.error if "Paths must be inside" in each.value], button
        assert "payroll" not in words(app) and not cache.importer().look().running
    app.text_input(key="path").set_value(str(tmp_path / "in" / "none.zip")).run()
    app.button(key="preview-path").click().run()
    assert "File not found" in words(app)
