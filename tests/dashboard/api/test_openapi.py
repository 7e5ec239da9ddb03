"""The description is valid, and what is answered is as it says."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from dashboard.api import app, openapi
from dashboard.api.openapi import describe_api
from tests.asking import Answer
from tests.dashboard.api.conftest import Served, answered
from tests.dashboard.api.test_app import ENDPOINTS, PHOTO

DESCRIPTION = describe_api("/api")
OPERATIONS = {
    f"{method} {path}": operation
    for path, methods in DESCRIPTION["paths"].items()
    for method, operation in methods.items()
}


def validator(schema: dict[str, Any]) -> Draft202012Validator:
    """Of a part of the description, which may refer to others."""
    whole = Resource.from_contents(DESCRIPTION, default_specification=DRAFT202012)
    absolute = {"$ref": f"urn:api{schema['$ref']}"} if "$ref" in schema else schema
    return Draft202012Validator(absolute, registry=Registry().with_resource("urn:api", whole))


def below(value: Any) -> Iterator[dict[str, Any]]:
    """All objects in a value."""
    if isinstance(value, dict):
        yield value
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from below(each)


def check(endpoint: str, answer: Answer) -> None:
    """An answer is as described."""
    [schema] = [kind["schema"] for kind in OPERATIONS[endpoint]["responses"][str(answer.status)]["content"].values()]
    validator(schema).validate(answered(answer))


def test_the_schemas_are_valid_and_refer_to_what_is_there() -> None:
    for schema in DESCRIPTION["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    references = {each["$ref"] for each in below(DESCRIPTION) if "$ref" in each}
    assert references <= {f"#/components/schemas/{name}" for name in DESCRIPTION["components"]["schemas"]}
    identifiers = [operation["operationId"] for operation in OPERATIONS.values()]
    assert len(identifiers) == len(set(identifiers))
    for operation in OPERATIONS.values():
        assert {"summary", "responses"} <= operation.keys()
        for parameter in operation.get("parameters", ()):
            assert {"name", "in", "schema"} <= parameter.keys()


def test_every_address_in_the_path_is_a_parameter_and_the_other_way_round() -> None:
    for endpoint, operation in OPERATIONS.items():
        declared = [each["name"] for each in operation.get("parameters", ()) if each["in"] == "path"]
        assert declared == re.findall(r"{(\w+)}", endpoint)


def test_it_describes_the_addresses_that_there_are() -> None:
    routes = {
        f"{method.lower()} {route.path}"
        for route in app.Api()._router.routes  # type: ignore[attr-defined]
        for method in route.endpoint._handlers
        if method != "HEAD"
    }
    assert routes == set(OPERATIONS)


@pytest.mark.parametrize("endpoint", [name for name in OPERATIONS if name.startswith("get /runs")])
def test_the_parameters_are_those_that_are_read(served: Served, endpoint: str) -> None:
    described = [each["name"] for each in OPERATIONS[endpoint]["parameters"] if each["in"] == "query"]
    path = endpoint.removeprefix("get ").format(run_id=served.run.id)
    said = answered(served.ask("GET", f"{path}?nonsense=1", "viewer"))["error"]
    assert said.partition(". ")[2] == (f"Use one of {', '.join(described)}." if described else "There are none here.")


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize("token", ["admin", "viewer", "wrong"])
def test_answers_are_as_described(served: Served, endpoint: str, token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(served.api, "_wrong", app.WrongTokens())
    check(endpoint, ENDPOINTS[endpoint][0](served, token))


def test_unreadable_images_and_wrong_bodies_are_as_described(served: Served) -> None:
    check("post /predict", served.predict("viewer", ("a.jpg", PHOTO), ("b.jpg", b"no")))
    check("post /predict", served.predict("viewer", ("b.jpg", b"no")))
    check("post /runs", served.start("member", {"preset": "nope"}))


def test_the_defaults_are_those_of_the_server() -> None:
    assert validator(openapi._ref("StartRequest")).is_valid({"preset": "quick", "settings": {"epochs": 3}})
    for wrong in ({"presets": "quick"}, {"preset": "nope"}, {"settings": {"epoch": 1}}, {"settings": {"epochs": -1}}):
        assert not validator(openapi._ref("StartRequest")).is_valid(wrong), wrong
