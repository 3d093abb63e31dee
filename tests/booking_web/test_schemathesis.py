"""The JSON API against its own description, by schemathesis: no 5xx, only documented answers, each as its schema says.

Every operation gets requests that fit the description and requests that don't; the second kind must be refused.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

import booking_web.api
from tests.booking_web.conftest import API_KEY
from tests.booking_web.test_api import book, booking, post

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    unsupported_method,
]


PATHS = json.loads((Path(booking_web.api.__file__).parent / "openapi.json").read_text("utf-8"))["paths"]
OPERATIONS = {
    f"{method.upper()} {path}": operation
    for path, operations in PATHS.items()
    for method, operation in operations.items()
    if method in {"get", "post", "delete"}
}
MAY_BE_WRONG = [
    label
    for label, operation in OPERATIONS.items()
    if "requestBody" in operation
    or any(each.get("in") == "query" for each in operation.get("parameters", ()))
]
"""Any text can be a token: only a body or a query can be against the description."""


@pytest.fixture(scope="module")
def operations(shared):
    schema = schemathesis.openapi.from_wsgi("/api/v1/openapi.json", shared.app)
    return {each.ok().label: each.ok() for each in schema.get_all_operations()}


def examine(operation, mode=GenerationMode.POSITIVE, token=""):
    @settings(
        max_examples=12,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
        deadline=None,
        derandomize=True,
    )
    @given(operation.as_strategy(generation_mode=mode))
    def each(case):
        if token:
            case.path_parameters["token"] = token
        case.call_and_validate(checks=CHECKS, headers={"Authorization": f"Bearer {API_KEY}"})

    each()


@pytest.mark.parametrize("label", OPERATIONS)
def test_what_fits_the_description_is_answered_as_described(operations, label):
    examine(operations[label])


@pytest.mark.parametrize("label", MAY_BE_WRONG)
def test_what_does_not_fit_is_refused_as_described(operations, label):
    examine(operations[label], GenerationMode.NEGATIVE)


@pytest.mark.parametrize("label", [label for label in OPERATIONS if "/appointments/{token}" in label])
def test_a_real_appointment_is_answered_as_described(operations, shared, label):
    booked = book(shared, start="2026-12-14T08:00:00+01:00", email="anna@example.org")
    examine(operations[label], token=booked["token"])
    shared.browser().delete(f"/api/v1/appointments/{booked['token']}")


@pytest.mark.parametrize("label", [label for label in OPERATIONS if "/holds/{token}" in label])
def test_a_real_hold_is_answered_as_described(operations, shared, label):
    wish = booking(start="2026-12-14T10:00:00+01:00", name=..., email=...)
    made = post(shared, "holds", wish)
    assert made.status_code == 201, made.json
    examine(operations[label], token=made.json["token"])
    shared.browser().delete(f"/api/v1/holds/{made.json['token']}")
    shared.browser().delete(f"/api/v1/appointments/{made.json['token']}")


@pytest.mark.parametrize("label", [label for label in OPERATIONS if "/waiting/{token}" in label])
def test_a_real_place_on_the_waiting_list_is_answered_as_described(operations, shared, label):
    wish = booking(start=..., until="2026-12-31", email=f"{OPERATIONS[label]['operationId']}@example.org")
    made = post(shared, "waiting", wish)
    assert made.status_code == 201, made.json
    examine(operations[label], token=made.json["token"])
