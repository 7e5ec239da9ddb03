"""What the HTTP API answers to many programs at once beside a training: run by `python -m core bench api`."""

import http.client
import json
import shutil
import statistics
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple
from uuid import uuid4

import psutil

from core.bench.load import ENDLESS_EPOCHS, training
from core.bench.visitor import serve
from core.config import TrainConfig
from core.files import PROJECT_ROOT
from core.machine import available_cores
from core.runs.history import read_rows
from core.runs.paths import RunPaths
from core.team.actions import create_api_token
from core.team.people import Actor, Role

PHOTO: Final = PROJECT_ROOT / "dashboard" / "ui" / "astronaut.jpg"
MODEL: Final = "reference-cnn-model-2"
"""The run that predicts: the one that is shipped."""
_ANSWER_SECONDS: Final = 300.0


class Asked(NamedTuple):
    """One request and how it ended."""

    seconds: float
    status: int
    """Of the answer; 0: there was none."""
    faces: int


def measure_api(
    data_root: Path, dataset: str, requests: int, at_once: int, settings: TrainConfig, photo: Path = PHOTO
) -> dict[str, Any]:
    """How many requests are answered, and how fast, while a run trains.

    Args:
        data_root: the folder of datasets.
        dataset: what is trained on meanwhile.
        requests: how many predictions are asked for.
        at_once: by how many programs.
        settings: what is trained; its epochs and dataset do not matter.
        photo: what is sent.

    Returns:
        Plain values for JSON.

    Raises:
        RuntimeError: the server or the training does not start.
    """
    config = settings.model_copy(update={"dataset": dataset, "epochs": ENDLESS_EPOCHS})
    body, kind = _multipart(photo)
    with tempfile.TemporaryDirectory(prefix="fer-bench-", ignore_cleanup_errors=True) as folder:
        root = Path(folder) / "runs"
        left_out = shutil.ignore_patterns("*.parquet", "*.lock")
        shutil.copytree(PROJECT_ROOT / "runs" / MODEL, root / MODEL, ignore=left_out)
        _, token = create_api_token(Actor("bench", Role.ADMIN, "command line"), root, "bench", Role.VIEWER)
        with training(root, data_root, config) as paths, serve(root, data_root, Path(folder) / "server.log") as server:
            ask = partial(_ask, server.port, token, body, kind)
            first = ask()
            rate = partial(_trained_images, paths, config.batch_size)
            process = psutil.Process(server.process.pid)
            begun, images = time.monotonic(), rate()
            with ThreadPoolExecutor(at_once) as programs:
                asked = list(programs.map(lambda _: ask(), range(requests)))
            took = time.monotonic() - begun
            trained = (rate() - images) / took
            memory = round(process.memory_info().rss / 1e6)
    seconds = sorted(each.seconds for each in asked)
    return {
        "cores": available_cores(),
        "requests": requests,
        "at_once": at_once,
        "lost": sum(each.status != 200 or not each.faces for each in asked),
        "statuses": {str(status): count for status, count in sorted(Counter(each.status for each in asked).items())},
        "first_ms": round(1000 * first.seconds),
        "p50_ms": round(1000 * statistics.median(seconds)),
        "p95_ms": round(1000 * seconds[max(0, -(-95 * len(seconds) // 100) - 1)]),
        "worst_ms": round(1000 * seconds[-1]),
        "images_per_second": round(requests / took, 1),
        "training_images_per_second": round(trained, 1),
        "server_memory_mb": memory,
    }


def _ask(port: int, token: str, body: bytes, kind: str) -> Asked:
    """Have one image predicted."""
    headers = {"Authorization": f"Bearer {token}", "Content-Type": kind}
    begun = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_ANSWER_SECONDS)
    try:
        connection.request("POST", f"/api/predict?run={MODEL}", body, headers)
        with connection.getresponse() as response:
            value, status = json.loads(response.read()), response.status
    except (OSError, http.client.HTTPException, ValueError):
        return Asked(time.monotonic() - begun, 0, 0)
    finally:
        connection.close()
    faces = sum(len(image.get("faces", ())) for image in value.get("images", ()))
    return Asked(time.monotonic() - begun, status, faces)


def _multipart(photo: Path) -> tuple[bytes, str]:
    """A body with one image, and its type."""
    frame = uuid4().hex
    head = f'--{frame}\r\nContent-Disposition: form-data; name="image"; filename="{photo.name}"\r\n\r\n'
    body = head.encode() + photo.read_bytes() + f"\r\n--{frame}--\r\n".encode()
    return body, f"multipart/form-data; boundary={frame}"


def _trained_images(paths: RunPaths, batch_size: int) -> int:
    """On how many images the run has trained so far."""
    return batch_size * max((int(row["step"]) for row in read_rows(paths.steps)[0][-1:]), default=0)
