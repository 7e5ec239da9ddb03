"""The Predict page: uploads of every kind, two models, uploaded weights."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import cv2
import pytest
import torch
from PIL import Image
from streamlit.runtime.context import ContextProxy
from streamlit.testing.v1 import AppTest

from core.models.cnn import build_model
from core.prediction.predictor import limit_threads
from core.review.runs import annotate
from core.runs.reader import read_run
from dashboard.state import cache
from dashboard.views.predict.draw import rotation_note
from tests.conftest import PROJECT_ROOT
from tests.dashboard.conftest import Opener, Writer
from tests.dashboard.views.predict.conftest import crop
from tests.dashboard_fixtures import FakeRun, write_run

HOME = PROJECT_ROOT / "dashboard" / "Home.py"
File = tuple[str, bytes, str]


@pytest.fixture
def open_predict(runs_root: Path, demo_root: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., AppTest]:
    monkeypatch.setenv("FER_RUNS_ROOT", str(runs_root))
    monkeypatch.setenv("FER_DATA_ROOT", str(demo_root))
    monkeypatch.setattr(cache, "take_over", lambda *_: None)

    def opener(*files: File) -> AppTest:
        app = AppTest.from_file(str(HOME), default_timeout=120).run()
        app.switch_page("views/predict/page.py").run()
        if files:
            app.file_uploader(key="photos").set_value(list(files)).run()
        assert not app.exception, app.exception
        return app

    return opener


def words(app: AppTest) -> str:
    kinds = "markdown caption text error warning info expander"
    parts = [
        str(getattr(each, "value", "")) + str(getattr(each, "label", "")) for k in kinds.split() for each in app.get(k)
    ]
    return "\n".join(parts).replace("\\", "").replace("\u2060", "").replace("\u00a0", " ")


def test_one_image_with_everything_about_it(
    open_predict: Callable[..., AppTest], run: FakeRun, demo_root: Path
) -> None:
    annotate(run.paths, "Mara", {"review": "approved"})
    app = open_predict(("../../my face.png", crop(demo_root), "image/png"))
    said = words(app)
    assert "Approved by Mara. Used for predictions by default." in said
    assert "my face.png" in said and "../" not in said
    assert "Looks like a cropped face" in said
    assert "Calibrated (T = " in said
    assert "2nd:" in said
    assert "Model input (48×48)" in said
    assert "Similar misclassified images" in said
    assert "closest in feature space" in said
    assert "Trained on synthetic faces only" in said
    assert len(app.get("plotly_chart")) == 1
    assert not app.get("camera_input")
    app.toggle(key="camera").set_value(True).run()
    assert len(app.get("camera_input")) == 1


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("http://gpu-box:8501/predict", False),
        ("http://192.168.0.7:8501/predict", False),
        ("https://gpu-box/predict", True),
        ("http://localhost:8501/predict", True),
        ("http://127.0.0.1:8501/predict", True),
        ("http://[::1]:8501/predict", True),
        (None, True),
    ],
)
def test_where_browsers_refuse_the_camera_the_page_says_why(
    open_predict: Callable[..., AppTest],
    run: FakeRun,
    monkeypatch: pytest.MonkeyPatch,
    address: str | None,
    allowed: bool,
) -> None:
    monkeypatch.setattr(ContextProxy, "url", address)
    app = open_predict()
    app.toggle(key="camera").set_value(True).run()
    assert bool(app.get("camera_input")) == allowed
    assert any("only over HTTPS or on localhost" in info.value for info in app.info) != allowed


def test_many_images_are_a_table_with_filters_and_what_is_broken_is_named(
    open_predict: Callable[..., AppTest], run: FakeRun, demo_root: Path
) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a/1.png", crop(demo_root, 1))
        archive.writestr("a/notes.txt", "hello")
    files = [("0.png", crop(demo_root), "image/png"), ("b.jpg", b"broken", "image/jpeg")]
    app = open_predict(*files, ("album.zip", packed.getvalue(), "application/zip"))
    assert "2 of 4 files skipped (unreadable)" in words(app)
    broken, table = (frame.value for frame in app.dataframe)
    assert set(broken["File"]) == {"b.jpg", "notes.txt"}
    assert set(table["file"]) == {"0.png", "1.png"}
    assert table["crop"].str.startswith("data:image/png;base64,").all()
    assert "2 of 2 faces in 2 images" in words(app).replace("*", "")
    app.slider(key="only-confidence").set_value((100, 100)).run()
    assert "No faces match these filters" in words(app)


def test_a_single_broken_file_is_one_sentence(open_predict: Callable[..., AppTest], run: FakeRun) -> None:
    app = open_predict(("photo.heic", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "image/heic"))
    [error] = app.error
    assert "is corrupt or incomplete" in error.value


def test_a_photo_without_a_face_has_low_confidence(open_predict: Callable[..., AppTest], run: FakeRun) -> None:
    buffer = io.BytesIO()
    Image.linear_gradient("L").save(buffer, "PNG")
    app = open_predict(("wall.png", buffer.getvalue(), "image/png"))
    said = words(app)
    assert "No face detected; the full image was classified instead." in said
    assert "Low confidence: no face was detected." in said


@pytest.mark.parametrize(
    ("rotations", "note"),
    [
        ([0, 0], ""),
        ([180], "The face was rotated to be upright."),
        ([90, 90], "All faces were rotated to be upright."),
        ([0, 90], "Face 2 was rotated to be upright."),
        ([180, 0, 90], "Faces 1, 3 were rotated to be upright."),
    ],
)
def test_rotated_faces_are_named(rotations: list[int], note: str) -> None:
    assert rotation_note(rotations) == note


def test_two_models_side_by_side(
    open_predict: Callable[..., AppTest], run: FakeRun, runs_root: Path, demo_root: Path
) -> None:
    other = write_run(runs_root, demo_root, "finished", name="other run", epochs=1)
    torch.save(build_model("cnn-model-2").state_dict(), other.paths.weights)
    app = open_predict(("0.png", crop(demo_root), "image/png"))
    first = app.selectbox[0].value
    app.selectbox(key="choose-second").set_value(other.id if first == run.id else run.id).run()
    assert not app.exception
    assert len(app.get("plotly_chart")) == 2
    assert "my run" in words(app) and "other run" in words(app)


def test_uploaded_weights_are_checked(open_predict: Callable[..., AppTest], run: FakeRun, demo_root: Path) -> None:
    app = open_predict(("0.png", crop(demo_root), "image/png"))
    app.file_uploader(key="weights").set_value(("bad.pth", b"no weights", "")).run()
    assert "'bad.pth' is not a valid weights file" in words(app)
    buffer = io.BytesIO()
    torch.save(build_model("cnn-model-1").state_dict(), buffer)
    app.file_uploader(key="weights").set_value(("fer2013_model_2.pth", buffer.getvalue(), "")).run()
    assert not app.exception
    said = words(app)
    assert "Using uploaded weights: fer2013_model_2.pth." in said
    checkpoint = io.BytesIO()
    torch.save({"state_dict": build_model("cnn-model-1").state_dict(), "epoch": 3}, checkpoint)
    app.file_uploader(key="weights").set_value(("last.ckpt", checkpoint.getvalue(), "")).run()
    assert not app.exception
    said = words(app)
    assert "Using uploaded weights: last.ckpt (state_dict)." in said
    assert "Uncalibrated probabilities." in said
    assert "Not available for uploaded weights" in said


def test_the_server_predicts_on_the_cpu_with_its_share_of_the_cores(
    run: FakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr("core.machine.available_cores", lambda: 9)
    monkeypatch.setenv("FER_CPU_SLOTS", "2")
    threads = torch.get_num_threads(), cv2.getNumThreads()
    upload = io.BytesIO()
    torch.save(build_model("cnn-model-1").state_dict(), upload)
    try:
        for load in (
            lambda: cache.predictor(read_run(run.paths.root, run.id)),
            lambda: cache.own_predictor("an upload", upload.getvalue(), "mine.pth")[0],
        ):
            limit_threads(8)
            assert load().device == torch.device("cpu")
            assert (torch.get_num_threads(), cv2.getNumThreads()) == (3, 3)  # 9 cores: 2 slots and this
    finally:
        torch.set_num_threads(threads[0])
        cv2.setNumThreads(threads[1])


def test_predict_works_on_a_finished_run(open_page: Opener, write: Writer) -> None:
    run = write("finished", name="my run", epochs=2)
    app = open_page("predict")
    assert "Faces are detected" in words(app)
    assert app.selectbox[0].value == run.id
