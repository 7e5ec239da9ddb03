"""`POST /api/predict`: as `python -m core predict --json`, for images that are sent."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from core.errors import RunError
from core.runs.ensembles import Candidate, runs_of
from core.runs.removed import why_removed
from core.runs.selection import best_run
from core.team.people import Actor
from dashboard.api.answers import Refusal, busy, json_answer
from dashboard.api.body import BodyMemory, read_images
from dashboard.api.query import Query
from dashboard.state import cache, predictors, roots

if TYPE_CHECKING:
    from core.prediction.pictures import ImageFile
    from core.prediction.predictor import FaceCrops, PhotoPrediction

MAX_REQUESTS: Final = 64
"""In progress at once: one of them computes, the others send their body or wait."""
ANSWER_SECONDS: Final = 120.0
"""Within which images are answered once they are here, or not at all."""

MOST_FACES: Final = 64
"""Classified in one turn, unless they are in one image: a second of one core."""

_T = TypeVar("_T")


class Turns:
    """One thread in which torch computes for the API, an image or a few faces at a time, for all requests in turn: a
    request of a hundred images holds nobody up, and GPUs and most cores are left to the runs."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="api-predict")
        self.requests = 0

    @contextmanager
    def place(self) -> Iterator[None]:
        """Be one of those who wait for their turns.

        Raises:
            Refusal: there are too many.
        """
        if self.requests >= MAX_REQUESTS:
            raise busy(f"{MAX_REQUESTS} predictions are in progress. Try again in a few seconds.", 5)
        self.requests += 1
        try:
            yield
        finally:
            self.requests -= 1

    async def take(self, work: Callable[[], _T], until: float, left: "asyncio.Task[None]") -> _T:
        """Have something computed; what waits for its turn when it is not wanted any more is never begun.

        Args:
            work: takes a second or less.
            until: moment of the monotonic clock at which there is no more use for it.
            left: ends when whoever asked has gone.

        Raises:
            Refusal: it took too long.
            ClientDisconnect: whoever asked has gone.
        """
        turn = asyncio.get_running_loop().run_in_executor(self._thread, work)
        try:
            waiting: set[asyncio.Future[Any]] = {turn, left}
            await asyncio.wait(waiting, timeout=until - time.monotonic(), return_when=asyncio.FIRST_COMPLETED)
            if turn.done():
                return turn.result()
        finally:
            turn.cancel()
        if left.done():
            raise ClientDisconnect
        raise Refusal(
            503,
            f"The prediction took longer than {ANSWER_SECONDS:g} s. Send fewer images at once, or try again.",
            headers={"Retry-After": "30"},
        )


@dataclass(frozen=True)
class PredictOptions:
    """What is asked for besides the images."""

    run: str
    faces: bool
    margin: float
    flip: bool

    @classmethod
    def of(cls, query: Query) -> "PredictOptions":
        """As they are in the query.

        Raises:
            Refusal: one of them is unknown or has a wrong value.
        """
        return cls(
            query.text("run"),
            query.flag("faces", True),
            query.number("margin", 1.0, 0.5, 2.0),
            query.flag("flip", True),
        )


class Predictions:
    """The endpoint.

    Args:
        most_bytes: of images that are kept in memory at once.
    """

    def __init__(self, most_bytes: int) -> None:
        self.turns = Turns()
        self.memory = BodyMemory(most_bytes)

    async def predict(self, request: Request, _actor: Actor) -> Response:
        """Classify the faces in images."""
        options = PredictOptions.of(Query(request, ("run", "faces", "margin", "flip")))
        chosen = await run_in_threadpool(_chosen, options.run)
        with self.turns.place(), self.memory.share() as share:
            files = await read_images(request, share)
            async with _noticed(request) as left:
                photos = await self._photos(chosen, options, files, left)
        images = [_image_as_json(photo) for photo in photos]
        if all(photo.problem for photo in photos):
            raise Refusal(422, photos[0].problem, run=chosen.id, images=images)
        return json_answer({"run": chosen.id, "images": images})

    async def _photos(
        self, chosen: Candidate, options: PredictOptions, files: list[tuple[str, bytes]], left: "asyncio.Task[None]"
    ) -> "list[PhotoPrediction]":
        take = partial(self.turns.take, until=time.monotonic() + ANSWER_SECONDS, left=left)
        predictor = await take(partial(predictors.classifier, chosen, flip=options.flip))
        crops = [await take(partial(_cropped, image, options)) for image in _image_files(files)]
        return [photo for part in _parts(crops) for photo in await take(partial(predictor.classify, part))]


# --- in the thread: what imports torch


def _image_files(files: list[tuple[str, bytes]]) -> "Iterator[ImageFile]":
    from core.prediction.pictures import ImageFile

    for name, content in files:
        yield ImageFile(name, partial(bytes, content))  # which copies nothing


def _cropped(image: "ImageFile", options: PredictOptions) -> "FaceCrops":
    from core.prediction.batch import read_and_crop

    return read_and_crop(image, whole=not options.faces, margin=options.margin)


# ---


def _parts(crops: "list[FaceCrops]") -> "Iterator[list[FaceCrops]]":
    """Images that are classified together: as many as on the command line, which gives the same digits, unless they
    have more faces than one turn has time for."""
    from core.prediction.batch import IMAGES_PER_BATCH  # which the thread has imported for the crops

    part: list[FaceCrops] = []
    faces = 0
    for image in crops:
        if part and (len(part) == IMAGES_PER_BATCH or faces + len(image.crops) > MOST_FACES):
            yield part
            part, faces = [], 0
        part.append(image)
        faces += len(image.crops)
    yield part


def _chosen(name: str) -> Candidate:
    """The run of that id or the ensemble of that name; without one, the run that predictions use by default.

    Raises:
        Refusal: there is none, or it cannot predict.
    """
    root = roots.runs_root()
    chosen: Candidate | None
    if name:
        try:
            chosen = cache.candidate(root, name)
        except RunError as error:
            raise Refusal(422, str(error)) from None
    elif (chosen := best_run(cache.runs(root))) is None:
        raise Refusal(422, "No trained run yet. Start one, or name one in the parameter run.")
    for run in runs_of(chosen):
        if not run.has_weights:
            why = why_removed(run.paths.weights)
            raise Refusal(422, f"Run {run.id} has no weights. {why}" if why else f"Run {run.id} has no weights yet.")
    return chosen


def _image_as_json(photo: "PhotoPrediction") -> dict[str, Any]:
    from core.prediction.batch import photo_as_json

    return {"file": photo.name, "error": photo.problem} if photo.problem else photo_as_json(photo.name, photo)


@asynccontextmanager
async def _noticed(request: Request) -> AsyncIterator["asyncio.Task[None]"]:
    """A task that ends when whoever asked has gone; of a request whose body is here."""
    watching = asyncio.create_task(_gone(request), name="api-disconnect")
    try:
        yield watching
    finally:
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
