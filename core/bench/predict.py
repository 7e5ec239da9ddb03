"""How long a prediction takes: ours, and that of a known package, on the same photo in the same process."""

import io
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image

from core.data.dataset import load_split
from core.data.decode import decode_image
from core.errors import DataError
from core.labels import LABELS
from core.prediction.face_search import find_faces
from core.prediction.predictor import FaceClassifier, crop_faces

_SIZE: Final = (1152, 864)
"""One megapixel."""
_FACES: Final = 6


def group_photo(data_root: Path) -> Image.Image:
    """A photo of one megapixel with real faces: six of FER2013's validation images, enlarged, on a gradient.

    Raises:
        DataError: FER2013 is not imported.
    """
    split = load_split(data_root, "fer2013", "validation")
    happy = np.flatnonzero(split.labels == LABELS.index("happy"))[:_FACES]
    photo = Image.linear_gradient("L").resize(_SIZE).point(lambda value: 90 + value // 4).convert("RGB")
    for number, index in enumerate(happy):
        side = 180 + 24 * (number % 3)
        face = Image.fromarray(np.array(split.images[index])).resize((side, side), Image.Resampling.BICUBIC)
        photo.paste(face.convert("RGB"), (90 + number % 3 * 350, 110 + number // 3 * 400))
    return photo


def bench_predictor(predictor: FaceClassifier, photo: Image.Image, rounds: int = 5) -> dict[str, Any]:
    """Milliseconds for one photo, medians over the rounds, after one that does not count.

    Args:
        predictor: the model.
        photo: with at least one face.
        rounds: turns of each.

    Returns:
        `photo` in words, `device`, and below `milliseconds`, for `ours` and `fer`, the whole `photo` from its JPEG
        bytes and per `face`; for ours also the parts. `fer` is "not installed" where it is not.

    Raises:
        DataError: no face is detected in the photo.
    """
    buffer = io.BytesIO()
    photo.save(buffer, "JPEG", quality=92)
    data = buffer.getvalue()
    decoded = decode_image(data)
    crops = crop_faces(decoded)
    faces = len(find_faces(decoded))
    if not faces:
        raise DataError("No face detected in this photo. Use one with faces.")
    predicted = predictor.classify([crops])[0]
    classes = np.array([LABELS.index(face.label) for face in predicted.faces])
    whole = _median(lambda: predictor.predict(decode_image(data)), rounds)
    model = _median(lambda: predictor.classify([crops]), rounds)
    ours = {
        "photo": whole,
        "face": whole / faces,
        "decoding": _median(lambda: decode_image(data), rounds),
        "finding_faces": _median(lambda: find_faces(decoded), rounds),
        "model_per_face": model / faces,
        "grad_cam_per_face": _median(lambda: predictor.grad_cam(crops.crops, classes), rounds) / faces,
    }
    return {
        "photo": f"{photo.width}x{photo.height} pixels, {faces} faces",
        "faces": faces,
        "device": str(predictor.device),
        "milliseconds": {"ours": ours, "fer": _fer(data, rounds)},
    }


def _fer(data: bytes, rounds: int) -> dict[str, float] | str:
    """The package `fer`, as its README uses it: OpenCV's Haar cascade, then its own model."""
    try:
        import cv2
        from fer.fer import FER
    except ImportError as error:
        return "not installed" if (error.name or "").split(".")[0] == "fer" else f"cannot be imported: {error}"
    detector = FER(mtcnn=False)

    def detect() -> list[Any]:
        return list(detector.detect_emotions(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)))

    found = len(detect())
    whole = _median(detect, rounds)
    return {"photo": whole, "face": whole / max(1, found), "faces_found": float(found)}


def _median(work: Callable[[], object], rounds: int) -> float:
    """Milliseconds."""
    work()
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        work()
        times.append(1000 * (time.perf_counter() - started))
    return round(statistics.median(times), 3)
