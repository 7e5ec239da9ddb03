"""More than 300 hostile uploads, each decoded or refused in one sentence: quickly, and in bounded memory."""

import io
import time
from collections import Counter
from typing import cast

import psutil
import pytest

from core.data.archives import is_zip
from core.data.decode import decode_image, to_face
from core.errors import ImageError
from core.prediction.pictures import MAX_ENTRIES, ImageFile, images_in_zip
from tests import hostile

SECONDS = 2.0
GROWTH_BYTES = 200_000_000


def take(name: str, data: bytes) -> list[str]:
    """What the page does with an upload: the messages about what is rejected; the rest must be images."""
    if is_zip(data):
        pictures = list(images_in_zip(cast(io.RawIOBase, io.BytesIO(data)), name))
        assert 1 <= len(pictures) <= MAX_ENTRIES + 1
    else:
        pictures = [ImageFile(name, lambda: data)]
    refused = []
    for picture in pictures:
        try:
            image = decode_image(picture.read(), picture.name)
        except ImageError as error:
            refused.append(str(error))
        else:
            assert image.mode in ("L", "RGB")
            assert to_face(image).shape == (48, 48)
    return refused


@pytest.mark.filterwarnings("ignore")
def test_every_hostile_upload_is_a_picture_or_a_sentence_quickly_and_in_bounded_memory() -> None:
    uploads = list(hostile.corpus())
    assert len(uploads) >= 300
    for upload in uploads[:3]:
        take(upload.name, upload.data)  # what is imported on first use is not growth
    process = psutil.Process()
    before, slowest = process.memory_info().rss, (0.0, "")
    refused: Counter[str] = Counter()
    for upload in uploads:
        started = time.process_time()
        sentences = take(upload.name, upload.data)
        slowest = max(slowest, (time.process_time() - started, f"{upload.kind} {upload.name[:40]!r}"))
        for sentence in sentences:
            assert sentence.endswith("."), (upload.kind, sentence)
            assert len(sentence) < 300
            assert sentence.isprintable(), (upload.kind, sentence)
            assert "Traceback" not in sentence and "Error" not in sentence
        refused[upload.kind] += bool(sentences)
        growth = process.memory_info().rss - before
        assert growth < GROWTH_BYTES, f"{upload.kind} {upload.name[:40]!r}: {growth / 1e6:.0f} MB"
    print(f"{len(uploads)} uploads, {sum(refused.values())} refused, slowest {slowest}, growth {growth / 1e6:.0f} MB")
    assert slowest[0] < SECONDS, slowest
    kinds = Counter(upload.kind for upload in uploads)
    for kind in ("bomb", "zip bomb", "cut"):
        assert refused[kind] > 0.8 * kinds[kind], kind
    for kind in ("animated", "odd mode"):
        assert refused[kind] == 0, kind
    assert refused["odd size"] == 2, "the two strips, and nothing else"


def test_what_is_wrong_with_a_zip_entry_is_named() -> None:
    by_name = {upload.name: upload.data for upload in hostile.zips()}

    def only(name: str) -> str:
        [sentence] = take(name, by_name[name])
        return sentence

    assert only("zeros.zip") == "'a.png' in 'zeros.zip' is too large (max 20 MB)."
    assert only("password.zip") == "'a.png' in 'password.zip' is protected by a password. Zip it without one."
    assert only("link.zip") == "'link.png' in 'link.zip' is a link or a special file, not an image."
    assert only("empty.zip") == "'empty.zip' contains no files. Choose a zip file of images."
    assert all(
        "is a zip file itself. Unpack it first." in sentence for sentence in take("n.zip", by_name["nested.zip"])
    )
    assert take("m.zip", by_name["many.zip"])[-1].endswith("Those after the first 10,000 were skipped.")
    assert take("p.zip", by_name["paths.zip"]) == []  # odd names, but images
