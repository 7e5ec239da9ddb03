"""Predictions are those of the command line, in turns, within limits, and for those alone who still wait for them."""

import io
import json
import shutil
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from core.__main__ import app
from core.data.dataset import load_split
from core.prediction.faces import Region
from core.prediction.predictor import Detection, FaceClassifier, FaceCrops, PhotoPrediction
from dashboard.api import predict
from tests.asking import Answer, ask
from tests.conftest import PROJECT_ROOT, wait_for
from tests.dashboard.api.conftest import Served, answered, multipart, refusal

ASTRONAUT = PROJECT_ROOT / "dashboard" / "ui" / "astronaut.jpg"
REFERENCE = PROJECT_ROOT / "runs" / "reference-cnn-model-2"


def png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


GRAY = png(Image.linear_gradient("L").resize((60, 60)))


@pytest.fixture(scope="module")
def reference(served: Served) -> str:
    """The run that is shipped, among those of the server; its id."""
    folder = served.runs_root / REFERENCE.name
    shutil.copytree(REFERENCE, folder, ignore=shutil.ignore_patterns("*.parquet", "*.pt", "*.lock"))
    return REFERENCE.name


def test_ten_images_are_answered_as_on_the_command_line(served: Served, reference: str, tmp_path: Path) -> None:
    astronaut = Image.open(ASTRONAUT)
    faces = load_split(served.data_root, "demo", "test").images[:6]
    images: dict[str, bytes] = {
        "astronaut.jpg": ASTRONAUT.read_bytes(),
        "sideways.png": png(astronaut.rotate(90, expand=True)),
        "two faces.png": png(beside(astronaut, astronaut)),
        "noise.png": png(Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 90), dtype=np.uint8))),
        **{f"face {number}.png": png(Image.fromarray(face)) for number, face in enumerate(faces)},
    }
    assert len(images) == 10
    for name, content in images.items():
        (tmp_path / name).write_bytes(content)
    options = ["--json", "--run", reference, "--runs-root", str(served.runs_root)]
    printed = CliRunner().invoke(app, ["predict", *(str(tmp_path / name) for name in images), *options])
    expected = [json.loads(line) for line in printed.stdout.splitlines()]
    value = answered(served.predict("viewer", *images.items(), query=f"?run={reference}"))
    assert value["run"] == reference
    assert [image["file"] for image in value["images"]] == list(images)
    assert [len(image["faces"]) for image in value["images"]][:3] == [1, 1, 2]
    for found, line in zip(value["images"], expected, strict=True):
        assert found == line | {"file": found["file"]}


def beside(left: Image.Image, right: Image.Image) -> Image.Image:
    both = Image.new("RGB", (left.width + right.width, max(left.height, right.height)))
    both.paste(left, (0, 0))
    both.paste(right, (left.width, 0))
    return both


def test_without_faces_the_full_image_is_used(served: Served) -> None:
    query = "?faces=false&margin=1.2"
    [image] = answered(served.predict("viewer", ("a.jpg", ASTRONAUT.read_bytes()), query=query))["images"]
    assert image["detection"] == "skipped"
    assert image["faces"][0]["box"] == [0, 0, *Image.open(ASTRONAUT).size]


def test_the_mirror_image_counts_unless_it_is_left_out(served: Served) -> None:
    photo = ("a.jpg", ASTRONAUT.read_bytes())
    both, single = (
        answered(served.predict("viewer", photo, query=query))["images"][0]["faces"][0]["probabilities"]
        for query in ("", "?flip=false")
    )
    assert both.keys() == single.keys() and both != single


def test_an_unreadable_image_is_named_and_the_others_are_answered(served: Served) -> None:
    files = [("ok.png", GRAY), ("bad\ud83d.jpg".encode(errors="replace").decode(), b"not an image"), ("../x.png", GRAY)]
    answer = served.predict("viewer", *files)
    first, second, third = answered(answer)["images"]
    assert answer.status == 200 and first["faces"] and third["file"] == "../x.png"
    assert set(second) == {"file", "error"} and second["error"].startswith("'bad?.jpg' is not a supported image.")


def test_if_none_is_readable_that_is_the_answer(served: Served) -> None:
    answer = served.predict("viewer", ("a.pdf", b"%PDF-1.7"), ("empty.png", b""))
    assert "'a.pdf' is a PDF document" in refusal(answer, 422)
    assert ["error" in image for image in answered(answer)["images"]] == [True, True]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("?run=nope", "Run “nope” not found."),
        ("?run=/etc", "Invalid run ID"),
        ("?run=../runs", "Invalid run ID"),
        ("?runs=x", "Unknown parameter 'runs'. Use one of run, faces, margin, flip."),
        ("?faces=no", "faces must be one of true, false (got 'no')."),
        ("?margin=3", "margin must be a number from 0.5 to 2 (got '3')."),
        ("?margin=nan", "(got 'nan')"),
    ],
)
def test_wrong_parameters_are_named(served: Served, query: str, said: str) -> None:
    assert said in refusal(served.predict("viewer", ("a.png", GRAY), query=query), 422)


def test_a_run_without_weights_is_refused(served: Served) -> None:
    run = json.loads(served.start("member", {"settings": {"dataset": "demo"}}).body)["id"]
    assert "has no weights yet" in refusal(served.predict("viewer", ("a.png", GRAY), query=f"?run={run}"), 422)


# --- while something else is computed


@contextmanager
def busy_thread(served: Served) -> Iterator[None]:
    """Inside, torch has its hands full."""
    free, begun = threading.Event(), threading.Event()

    def compute() -> None:
        begun.set()
        free.wait(60)

    task = served.api.predictions.turns._thread.submit(compute)
    begun.wait(30)
    try:
        yield
    finally:
        free.set()
        task.result(60)


def waiting(served: Served, count: int) -> None:
    """Wait until so many requests are here."""
    turns = served.api.predictions.turns
    wait_for(lambda: turns.requests == count, what=f"{count} requests")


def in_thread(served: Served, answers: list[Answer]) -> threading.Thread:
    thread = threading.Thread(target=lambda: answers.append(served.predict("viewer", ("a.png", GRAY))))
    thread.start()
    return thread


def test_requests_wait_for_their_turn_and_the_server_goes_on(served: Served) -> None:
    answers: list[Answer] = []
    with busy_thread(served):
        threads = [in_thread(served, answers) for _ in range(20)]
        waiting(served, 20)
        assert ask(served.port, "/healthz").status == 200
        assert served.ask("GET", "/runs", "viewer").status == 200
        assert not answers
    for thread in threads:
        thread.join(60)
    assert [answer.status for answer in answers] == [200] * 20
    assert len({answer.body for answer in answers}) == 1
    waiting(served, 0)


def test_more_than_can_wait_are_told_to_come_back(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predict, "MAX_REQUESTS", 1)
    answers: list[Answer] = []
    with busy_thread(served):
        thread = in_thread(served, answers)
        waiting(served, 1)
        refused = served.predict("viewer", ("a.png", GRAY))
        assert "Try again" in refusal(refused, 429) and refused.headers["retry-after"] == "5"
    thread.join(60)
    assert answers[0].status == 200


def test_what_takes_too_long_is_given_up(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predict, "ANSWER_SECONDS", 0.2)
    with busy_thread(served):
        answer = served.predict("viewer", ("a.png", GRAY))
        assert "took longer than 0.2 s" in refusal(answer, 503) and answer.headers["retry-after"] == "30"
        waiting(served, 0)
    assert served.api.predictions.memory.held == 0


def test_nothing_is_computed_for_a_client_that_was_killed(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[Any] = []
    monkeypatch.setattr(predict.predictors, "classifier", lambda chosen, flip: loaded.append(chosen))
    content, kind = multipart(("a.png", GRAY))
    head = (
        f"POST /api/predict HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {served.tokens['viewer']}\r\n"
        f"Content-Type: {kind}\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    with busy_thread(served):
        with closing(socket.create_connection(("127.0.0.1", served.port), timeout=30)) as connection:
            connection.sendall(head.encode() + content)
            waiting(served, 1)
            wait_for(lambda: served.api.predictions.memory.held >= len(content), what="the body")
        waiting(served, 0)
        assert served.api.predictions.memory.held == 0
    served.api.predictions.turns._thread.submit(int).result(30)  # whatever was before it in the queue
    assert loaded == []


def crops_of(*faces: int) -> list[FaceCrops]:
    """Images with so many faces."""
    full = Region((0, 0, 48, 48))
    return [
        FaceCrops(Detection.FACES, [full] * count, np.zeros((count, 48, 48), np.uint8), f"{number}")
        for number, count in enumerate(faces)
    ]


@pytest.mark.parametrize(
    ("faces", "parts"),
    [
        ([1] * 70, [32, 32, 6]),
        ([30, 30, 30, 4, 30], [2, 3]),
        ([100, 0, 1, 64, 1], [1, 2, 1, 1]),
        ([0] * 3, [3]),
    ],
    ids=["one each", "several", "many", "none"],
)
def test_a_turn_classifies_a_few_faces(faces: list[int], parts: list[int]) -> None:
    crops = crops_of(*faces)
    split = list(predict._parts(crops))
    assert [image.name for part in split for image in part] == [image.name for image in crops]
    assert [len(part) for part in split] == parts


def test_the_faces_of_many_images_hold_nobody_up(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    classify = FaceClassifier.classify

    def noted(self: FaceClassifier, images: Sequence[FaceCrops]) -> list[PhotoPrediction]:
        order.append(images[0].name)
        return classify(self, images)

    monkeypatch.setattr(predict, "MOST_FACES", 2)
    monkeypatch.setattr(FaceClassifier, "classify", noted)
    threads = []
    with busy_thread(served):
        for name, count in (("many", 8), ("one", 1)):
            threads.append(threading.Thread(target=served.predict, args=("viewer", *[(name, GRAY)] * count)))
            threads[-1].start()
            waiting(served, len(threads))
    for thread in threads:
        thread.join(60)
    assert order.count("many") == 4 and order.count("one") == 1


def test_a_request_of_many_images_holds_nobody_up(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    cropped = predict._cropped

    def noted(image: Any, options: predict.PredictOptions) -> Any:
        order.append(image.name)
        return cropped(image, options)

    monkeypatch.setattr(predict, "_cropped", noted)
    threads = []
    with busy_thread(served):
        for name, count in (("many", 30), ("one", 1)):
            files = [(name, GRAY)] * count
            threads.append(threading.Thread(target=served.predict, args=("viewer", *files)))
            threads[-1].start()
            waiting(served, len(threads))
    for thread in threads:
        thread.join(60)
    assert order.count("many") == 30 and order.index("one") < 25
