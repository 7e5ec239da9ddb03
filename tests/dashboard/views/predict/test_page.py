"""The Predict page: uploads of every kind, two models, uploaded weights."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from streamlit.runtime.context import ContextProxy
from streamlit.testing.v1 import AppTest

from core.data.dataset import load_split
from core.data.decode import MAX_IMAGE_BYTES
from core.labels import LABELS
from core.models.cnn import build_model
from core.prediction.ensemble import predictor_of
from core.prediction.predictor import limit_threads
from core.review.runs import annotate
from core.runs.ensembles import create_ensemble
from core.runs.reader import read_run
from dashboard.state import cache, predictors, visitor
from dashboard.ui.samples import SAMPLE_IMAGES
from dashboard.views.predict import uploads
from dashboard.views.predict.draw import rotation_note
from tests.conftest import PROJECT_ROOT
from tests.dashboard.conftest import Opener, Writer
from tests.dashboard.views.predict.conftest import crop
from tests.dashboard_fixtures import FakeRun, write_run
from tests.members import write_members

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
    assert "2 faces in 2 photos" in words(app).replace("*", "")
    app.segmented_control(key="view").set_value("Table").run()
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


def wall() -> bytes:
    """A photo without a face, twice as wide as it is high."""
    buffer = io.BytesIO()
    Image.linear_gradient("L").resize((400, 200)).save(buffer, "PNG")
    return buffer.getvalue()


def test_a_photo_without_a_face_says_so_before_any_expression(
    open_predict: Callable[..., AppTest], run: FakeRun
) -> None:
    app = open_predict(("wall.png", wall(), "image/png"))
    said = words(app)
    headings = [line for line in said.splitlines() if line.startswith("## ")]
    assert headings == ["## :material/search_off: No face detected"]
    assert "with low confidence" in said
    assert "400×200 pixels are squeezed" in said
    assert not app.warning or not any("detected" in warning.value for warning in app.warning)


def test_a_photo_that_is_used_whole_says_that_it_is_squeezed(
    open_predict: Callable[..., AppTest], run: FakeRun, demo_root: Path
) -> None:
    app = open_predict(("wall.png", wall(), "image/png"))
    app.toggle(key="whole").set_value(True).run()
    assert "Face detection skipped; the full image was used. Its 400×200 pixels are squeezed" in words(app)
    app = open_predict(("face.png", crop(demo_root), "image/png"))
    assert "squeezed" not in words(app)


def test_a_row_without_a_face_is_marked_and_not_counted(
    open_predict: Callable[..., AppTest], run: FakeRun, demo_root: Path
) -> None:
    app = open_predict(("wall.png", wall(), "image/png"), ("face.png", crop(demo_root), "image/png"))
    assert "1 face in 1 photo · no face detected in 1 photo" in words(app).replace("*", "")
    app.segmented_control(key="view").set_value("Table").run()
    [table] = (frame.value for frame in app.dataframe)
    assert table.set_index("file")["note"]["wall.png"] == "No face detected"
    assert table.set_index("file")["note"]["face.png"] != "No face detected"
    assert "1 of 1 faces in 2 images" in words(app).replace("*", "")


@pytest.mark.parametrize("name", SAMPLE_IMAGES)
def test_a_sample_in_the_address_is_predicted(
    name: str, open_predict: Callable[..., AppTest], run: FakeRun, demo_root: Path
) -> None:
    app = open_predict()
    assert not app.get("plotly_chart") and "Click a sample image" in words(app)
    app.query_params["sample"] = name
    app.run()
    assert not app.exception
    assert len(app.get("plotly_chart")) == 1
    assert app.session_state[visitor.HAS_PREDICTED]
    assert "No face detected" not in words(app)
    app.file_uploader(key="photos").set_value([("my face.png", crop(demo_root), "image/png")]).run()
    assert "my face.png" in words(app) and "sample" not in app.query_params


def test_a_sample_that_does_not_exist_is_none(open_predict: Callable[..., AppTest], run: FakeRun) -> None:
    app = open_predict()
    app.query_params["sample"] = "nope"
    assert not app.run().exception
    assert not app.get("plotly_chart") and "Click a sample image" in words(app)


def leave_and_return(app: AppTest) -> None:
    app.switch_page("views/runs/page.py").run()
    app.switch_page("views/predict/page.py").run()
    assert not app.exception


def test_photos_are_still_there_after_a_look_at_another_page(
    open_predict: Callable[..., AppTest], run: FakeRun, demo_root: Path
) -> None:
    app = open_predict(("my face.png", crop(demo_root), "image/png"))
    for _ in range(2):
        leave_and_return(app)
        assert "Still here from before: my face.png" in words(app)
        assert len(app.get("plotly_chart")) == 1
    app.file_uploader(key="photos").set_value([("other.png", crop(demo_root, 1), "image/png")]).run()
    assert "2 faces in 2 photos" in words(app).replace("*", "")
    app.button(key="remove-kept").click().run()
    assert "my face.png" not in words(app) and "other.png" in words(app)
    app.file_uploader(key="photos").set_value([]).run()
    leave_and_return(app)
    assert "other.png" not in words(app)


def test_photos_that_take_much_memory_are_not_kept(
    open_predict: Callable[..., AppTest], run: FakeRun, demo_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = [(f"{number}.png", crop(demo_root, number), "image/png") for number in range(3)]
    monkeypatch.setattr(uploads, "MAX_KEPT_BYTES", sum(len(data) for _, data, _ in photos) - 1)
    app = open_predict(*photos)
    leave_and_return(app)
    assert "from before" not in words(app)
    for photo in photos:  # one after the other: the oldest goes
        app.file_uploader(key="photos").set_value([photo]).run()
        leave_and_return(app)
    assert "Still here from before: 1.png, 2.png" in words(app)


def test_similar_images_are_left_out_where_the_dataset_is_missing(
    open_predict: Callable[..., AppTest],
    run: FakeRun,
    demo_root: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FER_DATA_ROOT", str(tmp_path / "nothing"))
    app = open_predict(("face.png", crop(demo_root), "image/png"))
    assert "Similar misclassified images" not in words(app)
    assert not app.info


def test_the_limit_that_is_shown_is_that_of_an_image(open_predict: Callable[..., AppTest], run: FakeRun) -> None:
    limits = {each.key: each.proto.max_upload_size_mb for each in open_predict().get("file_uploader")}
    assert limits["photos"] == MAX_IMAGE_BYTES // 10**6 == 20


def test_select_boxes_stay_the_same_whatever_is_shown(
    open_predict: Callable[..., AppTest], run: FakeRun, runs_root: Path, demo_root: Path
) -> None:
    def ids() -> dict[str, str]:
        return {box.key: box.proto.id for box in app.selectbox}

    other = write_run(runs_root, demo_root, "finished", name="other run", epochs=1)
    torch.save(build_model("cnn-model-2").state_dict(), other.paths.weights)
    app = open_predict()
    app.query_params["sample"] = "group"
    app.run()
    before = ids()
    first = app.selectbox(key="choose-run").value
    app.selectbox(key="choose-second").set_value(other.id if first == run.id else run.id).run()
    assert ids() == before
    app.selectbox(key="grad-cam").set_value("fear").run()
    assert app.selectbox(key="grad-cam").value == "fear"
    app.button_group(key="face").set_value(3).run()
    assert ids() == before
    label = app.selectbox(key="grad-cam").value
    assert words(app).count(label) > 1  # that of the other face again


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
    [chart] = app.get("plotly_chart")  # one for both, so that they can be compared
    assert "my run: " in chart.proto.alt and "other run: " in chart.proto.alt
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
    assert "Similar misclassified images" not in said


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
            lambda: predictors.predictor(read_run(run.paths.root, run.id)),
            lambda: predictors.own_predictor("an upload", upload.getvalue(), "mine.pth")[0],
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


def test_flip_tta_is_on_and_can_be_switched_off(
    open_predict: Callable[..., AppTest], open_page: Opener, runs_root: Path, demo_root: Path
) -> None:
    write_members(runs_root, demo_root, 1)
    app = open_predict(("0.png", crop(demo_root), "image/png"))
    assert app.toggle(key="flip-tta").value is True
    assert "Averaged over the face and its flip." in words(app)
    assert "Misclassified validation images (single view) closest" in words(app)
    flipped = app.get("plotly_chart")[0].proto.alt
    app.toggle(key="flip-tta").set_value(False).run()
    assert not app.exception
    assert "Averaged" not in words(app) and "(single view)" not in words(app)
    single = app.get("plotly_chart")[0].proto.alt
    assert single != flipped
    app = open_page("predict", **{"flip-tta": "false"})
    assert app.toggle(key="flip-tta").value is False
    app.file_uploader(key="photos").set_value([("0.png", crop(demo_root), "image/png")]).run()
    assert app.get("plotly_chart")[0].proto.alt == single


def test_an_ensemble_predicts_as_one_model(
    open_predict: Callable[..., AppTest], runs_root: Path, demo_root: Path
) -> None:
    two = write_members(runs_root, demo_root)
    create_ensemble(runs_root, "both", [each.id for each in two])
    app = open_predict()
    app.selectbox(key="choose-run").set_value("both").run()
    app.file_uploader(key="photos").set_value([("0.png", crop(demo_root), "image/png")]).run()
    assert not app.exception and not app.error
    said = words(app)
    assert "Mean of 2 runs: " in said and "member 0" in said and "member 1" in said
    assert "Mean of 2 models, each calibrated (T = " in said
    assert "Similar misclassified images" in said
    image = np.array(load_split(demo_root, "demo", "test").images[:1])
    [probabilities] = predictor_of(two).scores(image)[1]
    [heading] = [line for line in said.splitlines() if line.startswith("## ")]
    assert f" {LABELS[probabilities.argmax()]} " in heading and f" {100 * probabilities.max():.0f}%" in heading
    two[1].paths.weights.unlink()
    app.run()
    assert not app.exception
    assert f"Can't use ensemble “both”: run '{two[1].id}' has no usable weights." in words(app)
    assert not app.get("plotly_chart")
