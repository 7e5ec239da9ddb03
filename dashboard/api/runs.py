"""`/api/runs`: lists, shows, starts and stops runs."""

import re
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from core.data.dataset import read_info
from core.errors import RunError, quote
from core.jobs.launchers import LOCAL
from core.presets import make_config
from core.runs.fields import RUN_FIELDS
from core.runs.history import read_page
from core.runs.records import Run, RunState
from core.runs.selection import RunFilter, sort_runs
from core.runs.table import run_as_json
from core.team import actions
from core.team.people import Actor
from dashboard.api.answers import Refusal, json_answer
from dashboard.api.body import read_json_body
from dashboard.api.openapi import CURSOR, CURVES, MOST_PER_PAGE
from dashboard.api.query import Query
from dashboard.state import cache, roots

MOST_CURVE_BYTES: Final = 1_000_000
"""Of one answer: some 5,000 rows. A row that is longer comes alone."""


class StartRequest(BaseModel):
    """What is to be trained."""

    model_config = ConfigDict(extra="forbid", strict=True)

    preset: str = "original"
    settings: dict[str, bool | int | float | str] = {}
    name: str = ""
    launcher: str = LOCAL


def list_of_runs(request: Request, _actor: Actor) -> Response:
    """Runs, newest first, by pages."""
    query = Query(request, ("page", "per_page", "sort", "search", "state", "tag", "author", "review", "archived"))
    page, per_page = query.integer("page", 1, 1, 10**6), query.integer("per_page", 50, 1, MOST_PER_PAGE)
    sort = query.text("sort", "-created")
    if sort.removeprefix("-") not in RUN_FIELDS:
        raise Refusal(
            422, f"Can't sort by {quote(sort)}. Use created, -validation or another field of /api/openapi.json."
        )
    wanted = RunFilter(
        text=query.text("search"),
        states=query.texts("state"),
        tags=query.texts("tag"),
        authors=query.texts("author"),
        reviews=query.texts("review"),
        archived=query.flag("archived", False),
    )
    if unknown := set(wanted.states) - set(RunState):
        raise Refusal(422, f"state must be one of {', '.join(RunState)} (got {min(unknown)!r}).")
    found = sort_runs(
        wanted.fitting(cache.runs(roots.runs_root())), sort.removeprefix("-"), descending=sort.startswith("-")
    )
    start = (page - 1) * per_page
    runs = [run_as_json(run) for run in found[start : start + per_page]]
    pages = max(1, -(-len(found) // per_page))
    return json_answer({"total": len(found), "page": page, "pages": pages, "per_page": per_page, "runs": runs})


def one_run(request: Request, _actor: Actor) -> Response:
    """Everything about a run, as `python -m core runs show --json` prints it."""
    from core.comparison.reproduction import read_reproduction

    Query(request)
    run = _asked_run(request)
    result = read_reproduction(run)
    return json_answer({**run_as_json(run), "reproduction": result and result.model_dump(mode="json")})


def curves(request: Request, _actor: Actor) -> Response:
    """The rows of a history of a run, page by page: a program that asks again with `cursor` gets what has come since,
    and all of them anew where those that it has were replaced."""
    query = Query(request, ("of", "offset", "cursor"))
    of, (offset, mark) = query.choice("of", "epochs", CURVES), _asked_place(query)
    path: Path = getattr(_asked_run(request).paths, of)
    page = read_page(path, offset, MOST_CURVE_BYTES, mark)
    cursor = f"{page.end}-{page.mark}"
    return json_answer({"of": of, "offset": page.start, "next": page.end, "cursor": cursor, "rows": page.rows})


def _asked_place(query: Query) -> tuple[int, str]:
    """Where to go on, in bytes, and the mark of what was before it, which programs that only know offsets have not.

    Raises:
        Refusal: it makes no sense.
    """
    offset, cursor = query.text("offset"), query.text("cursor")
    if not cursor:
        return query.integer("offset", 0, 0, 2**53), ""
    if offset:
        raise Refusal(422, "Send cursor or offset, not both.")
    if not re.fullmatch(CURSOR, cursor):
        raise Refusal(422, f"cursor must be that of an earlier answer (got {quote(cursor)}).")
    place, _, mark = cursor.partition("-")
    return int(place), mark


async def start_run(request: Request, actor: Actor) -> Response:
    """Queue a run with the settings of a preset, some of them overridden."""
    Query(request)
    try:
        wanted = StartRequest.model_validate(await read_json_body(request))
    except ValidationError as error:
        raise Refusal(422, _explained(error)) from None
    return await run_in_threadpool(_start, wanted, actor, str(request.url.path))


def _start(wanted: StartRequest, actor: Actor, place: str) -> Response:
    runs_root, data_root = roots.runs_root(), roots.data_root()
    config = make_config(wanted.preset, wanted.settings)
    read_info(data_root, config.dataset)  # a missing dataset is better reported now than in the run's log
    run_id = actions.start(actor, runs_root, data_root, config, name=wanted.name, launcher=wanted.launcher)
    return json_answer(run_as_json(cache.run(runs_root, run_id)), 201, {"Location": f"{place}/{run_id}"})


def stop_run(request: Request, actor: Actor) -> Response:
    """Ask a run to stop at its next batch, or remove it from the queue; harmless where it has ended."""
    Query(request)
    run = _asked_run(request)
    actions.stop(actor, roots.runs_root(), run.id)
    return json_answer(run_as_json(_asked_run(request)), 202)


def _asked_run(request: Request) -> Run:
    """The run in the address, by its whole id.

    Raises:
        Refusal: there is none.
    """
    try:
        return cache.run(roots.runs_root(), request.path_params["run_id"])
    except RunError as error:
        raise Refusal(404, str(error)) from None


def _explained(error: ValidationError) -> str:
    """What is wrong with the body, the first thing of it."""
    first: Any = error.errors()[0]
    if first["type"] == "extra_forbidden":
        return f"Unknown field {str(first['loc'][0])!r}. Use one of {', '.join(StartRequest.model_fields)}."
    if not first["loc"]:
        return "The body must be a JSON object."
    if first["loc"][0] == "settings":
        return "settings must be an object of setting to number, text, true or false."
    return f"{first['loc'][0]} must be text."
