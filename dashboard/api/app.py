"""The addresses of the API, and what each request of it passes: a token, a method, and an answer whatever happens."""

import inspect
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from core.errors import ActivityError, FerError, NotAllowedError, explain_system_error
from core.machine import memory_bytes
from core.team.limits import TooManyStartsError
from core.team.people import Actor
from dashboard.api import runs
from dashboard.api.access import OFF, WrongTokens, actor_of, is_on
from dashboard.api.answers import Refusal, busy, json_answer
from dashboard.api.body import MAX_BODY_BYTES, Incoming
from dashboard.api.openapi import describe_api
from dashboard.api.predict import Predictions
from dashboard.state.roots import for_visitors, runs_root

Handler = Callable[[Request, Actor], Response | Awaitable[Response]]
"""Those that read a body are coroutines; the others read files, and run in a thread."""

SPECIFICATION: Final = "/openapi.json"
API_FAILED: Final = "Something went wrong here. See the server log for details."

log = logging.getLogger(__name__)


def api_routes(base_path: str = "") -> list[BaseRoute]:
    """What the server answers besides pages.

    Args:
        base_path: `server.baseUrlPath`, below which Streamlit has its own routes, and leaves those of others to them.
    """
    base = f"/{base_path.strip('/')}".rstrip("/")
    app = Api(base)
    return [Route(f"{base}/healthz", healthy), Route(f"{base}/api", app), Mount(f"{base}/api", app)]


async def healthy(_request: Request) -> Response:
    """That the server answers, and nothing else: anybody may ask."""
    return json_answer({"status": "ok"})


class Resource:
    """What can be done at one address, by method."""

    def __init__(self, **handlers: Handler) -> None:
        self._handlers = handlers | ({"HEAD": handlers["GET"]} if "GET" in handlers else {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        handler = self._handlers.get(scope["method"])
        if handler is None:
            allowed = ", ".join(self._handlers)
            raise Refusal(405, f"Use {allowed} here, not {scope['method'][:20]}.", headers={"Allow": allowed})
        request = Request(scope, receive)
        actor: Actor = scope["actor"]
        if inspect.iscoroutinefunction(handler):
            answer = await handler(request, actor)
        else:
            answer = await run_in_threadpool(handler, request, actor)
        await answer(scope, receive, send)


class Api:
    """ASGI application: the API.

    Args:
        base: what stands before `/api` in its addresses.
    """

    def __init__(self, base: str = "") -> None:
        self.predictions = Predictions(max(2 * MAX_BODY_BYTES, memory_bytes() // 8))
        self._wrong = WrongTokens()
        self._specification = describe_api(f"{base}/api")
        self._router: ASGIApp = Router(
            [
                Route("/predict", Resource(POST=self.predictions.predict)),
                Route("/runs", Resource(GET=runs.list_of_runs, POST=runs.start_run)),
                Route("/runs/{run_id}", Resource(GET=runs.one_run)),
                Route("/runs/{run_id}/curves", Resource(GET=runs.curves)),
                Route("/runs/{run_id}/stop", Resource(POST=runs.stop_run)),
                Route(SPECIFICATION, Resource(GET=lambda *_: json_answer(self._specification))),
            ],
            redirect_slashes=False,
            default=_not_found,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        incoming = Incoming(scope, receive)
        try:
            await self._router({**scope, "actor": await self._asker(scope)}, incoming, send)
        except ClientDisconnect:
            return
        except Exception as error:
            answer = _refusal_of(error).answer()
            await incoming.drain()
            if not incoming.is_complete:  # what still comes would be taken for the next request
                answer.headers["Connection"] = "close"
            await answer(scope, incoming, send)

    async def _asker(self, scope: Scope) -> Actor | None:
        """Who asks; None for the specification, which is the same everywhere and needs no token."""
        root = runs_root()
        if scope["path"] == f"{scope.get('root_path', '')}{SPECIFICATION}":
            if not await run_in_threadpool(is_on, root):
                raise Refusal(404, OFF)
            return None
        return await run_in_threadpool(actor_of, root, scope, self._wrong)


async def _not_found(_scope: Scope, _receive: Receive, _send: Send) -> None:
    raise Refusal(404, "There is nothing at this address. See /api/openapi.json.")


def _refusal_of(error: Exception) -> Refusal:
    """What a request is told of an error."""
    if isinstance(error, Refusal):
        return error
    if isinstance(error, TooManyStartsError):
        return busy(str(error), error.wait_seconds)
    if isinstance(error, FerError) and error.exit_code == 2:
        kinds = {NotAllowedError: 403, ActivityError: 503}
        status = next((status for kind, status in kinds.items() if isinstance(error, kind)), 422)
        return Refusal(status, for_visitors(str(error)))
    log.error("A request of the API failed.", exc_info=error)
    if isinstance(error, OSError):
        return Refusal(503, for_visitors(explain_system_error(error)) or API_FAILED)
    return Refusal(500, API_FAILED)
