"""The description of the API for programs: OpenAPI 3.1, https://spec.openapis.org/oas/v3.1.1. The schemas of runs and
settings are those of the models that the server itself uses."""

from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel

from core.config import TrainConfig
from core.jobs.launchers import LAUNCHERS, LOCAL
from core.labels import LABELS
from core.presets import PRESETS
from core.runs.fields import RUN_FIELDS
from core.runs.records import RunMeta, RunState, RunStatus
from core.runs.values import NAME_LENGTH
from dashboard.api.body import MAX_BODY_BYTES, MOST_IMAGES

MOST_PER_PAGE: Final = 200
"""Runs."""
CURVES: Final = ("epochs", "steps", "system")
CURSOR: Final = r"[0-9]{1,16}-[0-9a-f]{16}"
"""A place in a history, in bytes, and the mark of what is before it."""

Json = dict[str, Any]

_REFUSALS: Final[Mapping[int, str]] = {
    401: "No API token, or one that is wrong, revoked or expired",
    403: "The role of the token does not allow it",
    404: "There is no such run; or the API is off, since nobody has created a token",
    408: "The body has not arrived in time",
    413: "The body is too large",
    415: "The body has another type",
    422: "Something in the request is wrong; the sentence says what",
    429: "Too much at once; `Retry-After` says when to try again",
    503: "The server can't do it just now",
}
_ALWAYS: Final = (401, 404, 422, 429, 503)


def describe_api(address: str) -> Json:
    """The whole description.

    Args:
        address: where the API is on this server, such as `/api`.
    """
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "FER Dashboard",
            "version": "1",
            "description": "Facial expressions in images, and the runs that models are trained in.",
        },
        "servers": [{"url": address}],
        "security": [{"token": []}],
        "paths": {
            "/predict": {"post": _predict()},
            "/runs": {"get": _list_runs(), "post": _start_run()},
            "/runs/{run_id}": {"get": _of_run("getRun", "Everything about a run", "RunDetails")},
            "/runs/{run_id}/curves": {"get": _curves()},
            "/runs/{run_id}/stop": {"post": _stop_run()},
            "/openapi.json": {
                "get": {
                    "operationId": "describe",
                    "summary": "This description",
                    "security": [],
                    "responses": {"200": _json("The description", {"type": "object"}), **_refused((404,))},
                }
            },
        },
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": _schemas(),
        },
    }


def _predict() -> Json:
    image = {"type": "array", "items": {"type": "string", "format": "binary"}, "minItems": 1, "maxItems": MOST_IMAGES}
    form = {"schema": {"type": "object", "properties": {"image": image}, "required": ["image"]}}
    return {
        "operationId": "predict",
        "summary": "Classify the facial expressions in images",
        "description": f"At most {MOST_IMAGES} images of {MAX_BODY_BYTES // 10**6} MB together.",
        "parameters": [
            _parameter(
                "run",
                "Run id or ensemble name that predicts; by default the approved run, else the best one.",
            ),
            _parameter("faces", "Detect faces, or use the full image.", {"type": "boolean", "default": True}),
            _parameter("margin", "Crop margin.", {"type": "number", "minimum": 0.5, "maximum": 2, "default": 1}),
            _parameter("flip", "Average over each face and its mirror image.", {"type": "boolean", "default": True}),
        ],
        "requestBody": {"required": True, "content": {"multipart/form-data": form}},
        "responses": {
            "200": _json("One answer per image, in order; some may be unreadable", _ref("Predictions")),
            **_refused((*_ALWAYS, 408, 413, 415)),
        },
    }


def _list_runs() -> Json:
    several: Json = {"type": "array", "items": {"type": "string"}}
    states = {"type": "array", "items": {"enum": list(RunState)}}
    keys = [sign + key for key in RUN_FIELDS for sign in ("", "-")]
    return {
        "operationId": "listRuns",
        "summary": "Runs, newest first",
        "parameters": [
            _parameter("page", "From 1.", {"type": "integer", "minimum": 1, "default": 1}),
            _parameter("per_page", "Runs.", {"type": "integer", "minimum": 1, "maximum": MOST_PER_PAGE, "default": 50}),
            _parameter("sort", "A field; descending after a minus sign.", {"enum": keys, "default": "-created"}),
            _parameter("search", "Words and conditions, as on the Runs page, such as `lr=0.01 test>=65`."),
            _parameter("state", "Any of these states.", states),
            _parameter("tag", "Any of these tags.", several),
            _parameter("author", "Any of these authors.", several),
            _parameter("review", "Any of these reviews.", several),
            _parameter("archived", "Archived runs, too.", {"type": "boolean", "default": False}),
        ],
        "responses": {"200": _json("A page of runs", _ref("RunPage")), **_refused(_ALWAYS)},
    }


def _start_run() -> Json:
    return {
        "operationId": "startRun",
        "summary": "Queue a run",
        "description": "Needs the role member. The owner of the token is the author.",
        "requestBody": {"required": True, "content": {"application/json": {"schema": _ref("StartRequest")}}},
        "responses": {
            "201": _json("The new run; its address is in `Location`", _ref("Run")),
            **_refused((*_ALWAYS, 403, 408, 413, 415)),
        },
    }


def _stop_run() -> Json:
    stopping = _of_run("stopRun", "Stop a run with a checkpoint, or remove it from the queue", "Run", "202", (403,))
    return stopping | {"description": "Needs the role member, and admin for runs that somebody else has started."}


def _curves() -> Json:
    shown = _of_run("getCurves", "Rows of a history, appended to while a run trains", "Curves")
    offset = {"type": "integer", "minimum": 0, "default": 0, "deprecated": True}
    cursor = {"type": "string", "pattern": f"^{CURSOR}$"}
    shown["parameters"] += [
        _parameter("of", "Which history.", {"enum": list(CURVES), "default": "epochs"}),
        _parameter("offset", "`next` of an earlier answer; after a resume, rows may be missed: use `cursor`.", offset),
        _parameter("cursor", "`cursor` of an earlier answer, to get only what has come since.", cursor),
    ]
    return shown


def _of_run(operation: str, summary: str, schema: str, status: str = "200", more: tuple[int, ...] = ()) -> Json:
    run_id = {"name": "run_id", "in": "path", "required": True, "schema": {"type": "string"}}
    return {
        "operationId": operation,
        "summary": summary,
        "parameters": [run_id],
        "responses": {status: _json(summary, _ref(schema)), **_refused((*_ALWAYS, *more))},
    }


def _parameter(name: str, description: str, schema: Json | None = None) -> Json:
    return {"name": name, "in": "query", "description": description, "schema": schema or {"type": "string"}}


def _json(description: str, schema: Json) -> Json:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _refused(statuses: tuple[int, ...]) -> Json:
    return {str(status): _json(_REFUSALS[status], _ref("Error")) for status in sorted(statuses)}


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def _object(properties: Json, optional: tuple[str, ...] = ()) -> Json:
    return {
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in optional],
    }


def _schemas() -> Json:
    text, count = {"type": "string"}, {"type": "integer", "minimum": 0}
    share, label = {"type": "number", "minimum": 0, "maximum": 1}, {"enum": list(LABELS)}
    probabilities = _object(dict.fromkeys(LABELS, share))
    face = _object(
        {
            "box": {
                "type": "array",
                "items": {"type": "integer"},
                "minItems": 4,
                "maxItems": 4,
                "description": "Left, top, width and height in pixels; may reach over the edges of the image.",
            },
            "rotation": {"enum": [0, 90, 180, 270], "description": "Degrees clockwise that make the face upright."},
            "detection_score": {"anyOf": [share, {"type": "null"}]},
            "label": label,
            "confidence": share,
            "runner_up": label,
            "low_confidence": {"type": "boolean"},
            "probabilities": probabilities,
            "uncalibrated": probabilities,
        }
    )
    found = _object({"file": text, "detection": text, "faces": {"type": "array", "items": _ref("Face")}})
    unreadable = _object({"file": text, "error": text})
    run = {
        "id": text,
        "name": text,
        "state": {"enum": list(RunState)},
        "problem": {"type": ["string", "null"]},
        "status": _ref("RunStatus"),
        "meta": _ref("RunMeta"),
        "config": {"anyOf": [_ref("TrainConfig"), {"type": "null"}]},
        "summary": {"type": "object", "description": "As in `summary.json`: see runs/README.md."},
    }
    start = _object(
        {
            "preset": {"enum": list(PRESETS), "default": "original"},
            "settings": _ref("TrainConfig"),
            "name": text | {"maxLength": NAME_LENGTH},
            "launcher": {"enum": list(LAUNCHERS), "default": LOCAL},
        },
        optional=("preset", "settings", "name", "launcher"),
    )
    rows = {"type": "array", "items": {"type": "object"}}
    listed = {"type": "array", "items": _ref("Run")}
    return {
        "Error": _object({"error": text}),
        "Face": face,
        "Predictions": _object(
            {"run": text, "images": {"type": "array", "items": {"anyOf": [found, unreadable]}, "minItems": 1}}
        ),
        "Run": _object(run),
        "RunDetails": _object(run | {"reproduction": {"type": ["object", "null"]}}),
        "RunPage": _object({"total": count, "page": count, "pages": count, "per_page": count, "runs": listed}),
        "Curves": _object(
            {
                "of": {"enum": list(CURVES)},
                "offset": count | {"description": "Of the first row. 0: forget what came before."},
                "next": count | {"description": "Of the row after the last; the same as `offset`: nothing has come."},
                "cursor": text | {"description": "To go on with: it also knows whether the file was rewritten."},
                "rows": rows,
            }
        ),
        "StartRequest": start | {"additionalProperties": False},
        **_of_models(TrainConfig, RunStatus, RunMeta),
    }


def _of_models(*models: type[BaseModel]) -> Json:
    """Their schemas, and those that they refer to."""
    schemas: Json = {}
    for model in models:
        schema = model.model_json_schema(ref_template="#/components/schemas/{model}", mode="serialization")
        schemas |= schema.pop("$defs", {})
        schema.pop("required", None)  # of what is sent, all may be left out
        schemas[model.__name__] = schema
    return schemas
