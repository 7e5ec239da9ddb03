"""Any number of images, in their order, in constant memory; and the whole test split through the upload path."""

import io
import json
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from PIL import Image

from core.data.dataset import load_split
from core.data.decode import decode_image
from core.evaluation.metrics import with_temperature
from core.evaluation.predictions import probabilities_of, read_predictions
from core.labels import LABELS
from core.models.cnn import build_model
from core.prediction import Predictor
from core.prediction.batch import CSV_COLUMNS, predict_images, prediction_rows, read_and_crop
from core.prediction.pictures import ImageFile, images_at
from core.prediction.predictor import Detection, crop_faces
from core.runs.paths import RunPaths
from tests.conftest import PROJECT_ROOT


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    torch.manual_seed(4)
    return Predictor(build_model("cnn-model-1"), temperature=0.5)


def png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def crops(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 48, 48), dtype=np.uint8)


def test_order_is_kept_and_a_broken_one_in_the_middle_stops_nothing(predictor: Predictor) -> None:
    images = crops(70)
    pictures = [ImageFile(f"{n}.png", lambda n=n: png(images[n])) for n in range(70)]
    pictures[40] = ImageFile("40.png", lambda: b"not an image")
    photos = list(predict_images(predictor, pictures))
    assert [photo.name for photo in photos] == [f"{n}.png" for n in range(70)]
    assert photos[40].faces == [] and photos[40].detection is None
    assert [photo.name for photo in photos if photo.problem] == ["40.png"]
    assert photos[40].problem.startswith("'40.png' is not a supported image")
    raw = predictor.probabilities(images)
    for number in (0, 31, 32, 39, 41, 69):
        np.testing.assert_allclose(photos[number].faces[0].uncalibrated, raw[number], atol=1e-6)


def test_nothing_but_broken_ones(predictor: Predictor) -> None:
    assert list(predict_images(predictor, [])) == []
    photos = list(predict_images(predictor, [ImageFile("a.png", lambda: b"not an image")] * 40))
    assert len(photos) == 40 and all(photo.problem and not photo.faces for photo in photos)


def test_probabilities_are_calibrated_and_the_others_kept(predictor: Predictor) -> None:
    images = crops(6)
    photos = predictor.classify([crop_faces(Image.fromarray(image)) for image in images])
    raw = predictor.probabilities(images)
    for photo, plain, calibrated in zip(photos, raw, with_temperature(raw, 0.5), strict=True):
        [face] = photo.faces
        np.testing.assert_allclose(face.uncalibrated, plain, atol=1e-6)
        np.testing.assert_allclose(face.probabilities, calibrated, atol=1e-6)
        assert face.confidence == pytest.approx(calibrated.max())
        assert face.label == LABELS[plain.argmax()]
        assert face.runner_up == LABELS[np.argsort(plain)[-2]]
        assert face.low_confidence == (calibrated.max() < 0.5)


def test_a_row_has_the_columns_and_no_formula(predictor: Predictor) -> None:
    photo = predictor.predict(Image.fromarray(crops(1)[0]))
    [row] = prediction_rows("=cmd()", photo)
    assert set(row) == set(CSV_COLUMNS)
    assert row["file"] == "'=cmd()"
    assert row["detection"] == Detection.FACE_CROP


def test_a_thousand_photos_take_no_more_memory_than_a_hundred(predictor: Predictor, tmp_path: Path) -> None:
    """Photos of 320x240 pixels: kept, nine hundred of them would take 200 MB."""
    pixels = np.random.default_rng(1).integers(0, 256, (240, 320, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.jpg")
    for number in range(1000):
        (tmp_path / f"{number:04}.jpg").hardlink_to(tmp_path / "photo.jpg")
    (tmp_path / "0500.jpg").unlink()
    (tmp_path / "0500.jpg").write_bytes(b"\xff\xd8\xff broken")
    process, memory, broken = psutil.Process(), [], []
    whole = partial(read_and_crop, whole=True)
    for number, photo in enumerate(predict_images(predictor, images_at([str(tmp_path)]), whole)):
        if number % 100 == 99:
            memory.append(process.memory_info().rss)
        if photo.problem:
            broken.append((number, photo.problem))
    assert number == 1000
    assert broken == [(500, "'0500.jpg' is corrupt or incomplete. Save it again as JPEG or PNG and retry.")]
    assert memory[-1] - memory[0] < 100_000_000, memory


def test_the_command_shows_its_progress_and_ends_with_2_after_a_broken_file(tmp_path: Path) -> None:
    torch.manual_seed(4)
    torch.save(build_model("cnn-model-1").state_dict(), tmp_path / "mine.pth")
    folder = tmp_path / "photos"
    folder.mkdir()
    for number, image in enumerate(crops(120)):
        (folder / f"{number:03}.png").write_bytes(png(image))
    (folder / "060.png").write_bytes(b"broken")
    command = [sys.executable, "-m", "core", "predict", "photos", "--weights", "mine.pth"]
    env = {"PYTHONPATH": str(PROJECT_ROOT), "PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1"}
    options = {"cwd": tmp_path, "env": env, "capture_output": True, "text": True, "timeout": 200, "check": False}
    done = subprocess.run([*command, "--json"], **options)  # type: ignore[call-overload]
    assert done.returncode == 2
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(lines) == 119
    assert lines[0]["file"] == "photos/000.png"
    said = done.stderr.splitlines()
    assert [line for line in said if "060.png" in line] == [
        "'060.png' is not a supported image. Use JPEG, PNG, WebP, TIFF, AVIF, HEIC, JPEG 2000, BMP, GIF or PGM."
    ]
    assert any(line.startswith("100 images, 99 faces, 1 unreadable, ") for line in said)


@pytest.fixture(scope="module")
def group(real_root: Path) -> Image.Image:
    from core.bench.predict import group_photo

    return group_photo(real_root)


@pytest.mark.real_data
def test_one_photo_in_every_format_and_orientation_gives_the_same_faces(group: Image.Image) -> None:
    """JPEG, PNG, 16 bits, CMYK, with alpha, palette, and turned in all eight ways."""
    torch.manual_seed(4)
    predictor = Predictor(build_model("cnn-model-1"))
    gray = group.convert("L")

    def saved(image: Image.Image, kind: str, **options: object) -> bytes:
        buffer = io.BytesIO()
        image.save(buffer, kind, **options)
        return buffer.getvalue()

    files = {
        "png": saved(group, "PNG"),
        "jpeg": saved(group, "JPEG", quality=95),
        "gray": saved(gray, "PNG"),
        "16 bits": saved(Image.fromarray(np.asarray(gray).astype(np.uint16) * 257), "PNG"),
        "cmyk": saved(group.convert("CMYK"), "JPEG", quality=95),
        "alpha": saved(group.convert("RGBA"), "PNG"),
        "palette": saved(gray.convert("P"), "PNG"),
        "webp": saved(group, "WEBP", quality=95),
        "bmp": saved(group, "BMP"),
        "tiff": saved(group, "TIFF", compression="tiff_lzw"),
        "avif": saved(group, "AVIF", quality=90),
        "jpeg 2000": saved(group, "JPEG2000"),
    }
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # what a camera stores that is held so
    for orientation, turn in undo.items():
        exif = Image.Exif()
        exif[0x0112] = orientation
        files[f"orientation {orientation}"] = saved(group.transpose(Image.Transpose(turn)), "PNG", exif=exif)
    first = predictor.predict(decode_image(files.pop("png")))
    assert first.detection is Detection.FACES
    assert len(first.faces) == 6
    for name, data in files.items():
        photo = predictor.predict(decode_image(data, name))
        assert [face.label for face in photo.faces] == [face.label for face in first.faces], name
        boxes = np.array([[face.box for face in each.faces] for each in (photo, first)])
        assert np.abs(boxes[0] - boxes[1]).max() <= 4, name


@pytest.mark.real_data
@pytest.mark.parametrize("every", [pytest.param(1, marks=pytest.mark.slow), 9])
def test_the_test_split_through_the_upload_path_equals_the_evaluation(real_root: Path, every: int) -> None:
    """PNG bytes, decoded, used in full, classified: the same label on every image, probabilities to 1e-5."""
    reference = RunPaths(PROJECT_ROOT / "runs", "reference-cnn-model-2")
    predictor = Predictor.load(reference.weights)
    split = load_split(real_root, "fer2013", "test")
    assert len(split) == 3589
    framed = [crop_faces(decode_image(png(np.array(image))), whole=True) for image in split.images[::every]]
    uploaded = np.array([photo.faces[0].uncalibrated for photo in predictor.classify(framed)])
    evaluated = probabilities_of(read_predictions(reference.predictions("test")))[::every]
    assert len(uploaded) == len(evaluated)
    assert (uploaded.argmax(1) == evaluated.argmax(1)).all()
    np.testing.assert_allclose(uploaded, evaluated, atol=1e-5)
