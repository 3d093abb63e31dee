"""No input makes the site fail: whatever comes, the answer is below 500, and what the API says fits its description."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from jsonschema import validate as fits
from openapi_spec_validator import validate

from tests.booking_web.test_api import API_KEY, MONDAY_8, booking

QUICK = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
ANY_TEXT = st.text(max_size=200) | st.sampled_from(
    ["\x00", "\ud800", "\u202e", "x" * 20_000, "' OR 1=1 --", "{{7*7}}", "../../etc"]
)
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ANY_TEXT, inner, max_size=4),
    max_leaves=8,
)
FIELDS = ["office", "services", "start", "name", "email", "phone", "remarks", "reminder", "language"]
STEPS = ["daten", "pruefen", "zeit", "anliegen", "unterlagen", "abgesagt", "fertig"]
PATHS = ["appointments", "holds", "holds/" + "a" * 42 + "/confirm", "appointments/" + "a" * 42 + "/move"]


@QUICK
@given(st.sampled_from(PATHS), st.sampled_from(FIELDS), ANY_JSON)
def test_any_value_in_any_field(shared, path, field, value):
    fields = {**booking(), field: value}
    if field not in {"start", "services"}:
        fields["start"] = "2026-12-08T08:00:00+01:00"
    answer = shared.browser().post(
        f"/api/v1/{path}", data=json.dumps(fields), content_type="application/json"
    )
    assert answer.status_code < 500, answer.text


@QUICK
@given(
    st.sampled_from(PATHS), st.binary(max_size=500) | ANY_JSON.map(lambda value: json.dumps(value).encode())
)
def test_any_body(shared, path, body):
    answer = shared.browser().post(f"/api/v1/{path}", data=body, content_type="application/json")
    assert answer.status_code in {404, 413, 422}
    assert answer.mimetype == "application/problem+json"


@pytest.mark.parametrize(
    "body",
    [b"[" * 60_000, b'{"a":' * 10_000, b'{"start": NaN}', b"1" * 9_000, b'"\\ud800"', b"\xff\xfe", b""],
)
def test_bodies_made_to_hurt(shared, body):
    assert shared.browser().post("/api/v1/appointments", data=body).status_code == 422


@QUICK
@given(
    st.dictionaries(
        st.sampled_from(
            [
                "office",
                "service",
                "day",
                "monat",
                "ansicht",
                "start",
                "q",
                "weiter",
                "from",
                "to",
                "persons-reisepass",
            ]
        ),
        ANY_TEXT,
        max_size=5,
    ),
    st.sampled_from(
        [
            "/termin/",
            "/termin/unterlagen",
            "/termin/zeit",
            "/en/termin/",
            "/api/v1/offers",
            "/api/v1/services",
            *(f"/termin/{'a' * 42}/{step}" for step in STEPS),
        ]
    ),
)
def test_any_query(shared, query, path):
    safe = {name: value.encode("utf-8", "surrogatepass") for name, value in query.items()}
    assert shared.browser().get(path, query_string=safe).status_code < 500


@QUICK
@given(
    st.dictionaries(
        st.sampled_from(["name", "email", "phone", "remarks", "reminder", "wish", "start", "key"]),
        st.text(max_size=300),
        max_size=8,
    ),
    st.sampled_from(
        ["zeit", "a" * 42 + "/daten", "a" * 42 + "/buchen", "a" * 42 + "/verschieben", "a" * 42 + "/absagen"]
    ),
)
def test_any_form(shared, form, path):
    safe = {name: value.encode("utf-8", "surrogatepass") for name, value in form.items()}
    address = f"/termin/{path}?service=reisepass&start=2026-12-08T08:00:00%2B01:00"
    answer = shared.browser().post(address, data=safe)
    assert answer.status_code < 500


@QUICK
@given(st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=255), max_size=300))
def test_any_header(shared, value):
    headers = {
        "Idempotency-Key": value,
        "Accept-Language": value,
        "Authorization": value,
        "Cookie": f"termin_hold={value}; termin_entries={value}",
    }
    for name, content in headers.items():
        answer = shared.browser().post("/api/v1/appointments", json={}, headers={name: content})
        assert answer.status_code in {401, 422}
        assert (
            shared.browser().get("/termin/zeit?service=reisepass", headers={name: content}).status_code == 200
        )


def test_the_description_is_valid_and_its_examples_fit(shared):
    description = shared.browser().get("/api/v1/openapi.json").json
    validate(description)
    assert description["servers"] == [{"url": "https://termin.example/api/v1"}]
    for name, schema in description["components"]["schemas"].items():
        for example in schema.get("examples", []):
            check(description, {"$ref": f"#/components/schemas/{name}"}, example)


def check(description, schema, value):
    whole = {**schema, "components": description["components"]}
    fits(value, whole, Draft202012Validator, format_checker=Draft202012Validator.FORMAT_CHECKER)


def described(description, path, method, answer):
    """Check an answer against what the description says of it."""
    responses = description["paths"][path][method]["responses"]
    assert str(answer.status_code) in responses, answer.status_code
    response = responses[str(answer.status_code)]
    if "$ref" in response:
        response = description["components"]["responses"][response["$ref"].rpartition("/")[2]]
    for media_type, content in response.get("content", {}).items():
        assert answer.mimetype == media_type
        if "json" in media_type:
            check(description, content["schema"], answer.json)


def test_every_answer_fits_the_description(citizens):
    browser = citizens.browser()
    description = browser.get("/api/v1/openapi.json").json
    seen = set()

    def ask(path, method, url, **values):
        answer = browser.open(f"/api/v1{url}", method=method.upper(), **values)
        described(description, path, method, answer)
        seen.add((path, method))
        return answer

    ask("/services", "get", "/services")
    ask("/services", "get", "/services", headers={"Authorization": "Bearer x"})
    ask("/offers", "get", "/offers?service=reisepass:2&from=2026-12-07")
    ask("/offers", "get", "/offers?service=magic")
    ask("/challenge", "get", "/challenge")
    made = ask("/appointments", "post", "/appointments", json=booking()).json
    ask("/appointments", "post", "/appointments", json={})
    ask("/appointments", "post", "/appointments", data=b"x" * 70_000)
    while ask("/appointments", "post", "/appointments", json=booking()).status_code == 201:
        pass
    wish = booking(name=..., email=..., start="2026-12-09T08:00:00+01:00")
    held = ask("/holds", "post", "/holds", json=wish).json
    ask(
        "/holds/{token}/confirm",
        "post",
        f"/holds/{held['token']}/confirm",
        json={"name": "E", "email": "e@example.org"},
    )
    ask("/holds/{token}/confirm", "post", f"/holds/{'a' * 42}/confirm", json={})
    spare = ask("/holds", "post", "/holds", json=wish, headers={"Authorization": f"Bearer {API_KEY}"}).json
    ask("/holds/{token}", "delete", f"/holds/{spare['token']}")
    one = "/appointments/{token}"
    ask(one, "get", f"/appointments/{made['token']}")
    ask(one, "get", f"/appointments/{held['token']}")
    ask(f"{one}/termin.ics", "get", f"/appointments/{made['token']}/termin.ics")
    ask(f"{one}/move", "post", f"/appointments/{held['token']}/move", json={"start": MONDAY_8})
    ask(
        f"{one}/move",
        "post",
        f"/appointments/{made['token']}/move",
        json={"start": "2026-12-09T09:00:00+01:00"},
    )
    ask(f"{one}/accept", "post", f"/appointments/{made['token']}/accept")
    ask(f"{one}/accept", "post", f"/appointments/{held['token']}/accept")
    ask(one, "delete", f"/appointments/{made['token']}")
    ask(one, "delete", f"/appointments/{made['token']}")
    group = {
        **wish,
        "group": 2,
        "services": [{"id": "meldebescheinigung"}],
        "start": "2026-12-14T08:00:00+01:00",
    }
    family = ask(
        "/appointments", "post", "/appointments", json={**group, "name": "E", "email": "f@example.org"}
    ).json
    for number in (1, 1, 9):
        ask(f"{one}/members/{{number}}", "delete", f"/appointments/{family['token']}/members/{number}")
    waiting = {**wish, "name": "E", "email": "e@example.org", "until": "2026-12-31"}
    ask("/waiting", "post", "/waiting", json={})
    place = ask("/waiting", "post", "/waiting", json=waiting).json
    at, one = f"/waiting/{place['token']}", "/waiting/{token}"
    ask(one, "get", at)
    ask(f"{one}/decline", "post", f"{at}/decline", json={"start": MONDAY_8})
    ask(f"{one}/accept", "post", f"{at}/accept", json={"start": "2030-01-01T08:00:00+01:00"})
    offered = ask(one, "get", at).json["offered_start"]
    assert ask(f"{one}/accept", "post", f"{at}/accept", json={"start": offered}).json["state"] == "taken"
    ask(one, "delete", at)
    ask(one, "get", f"/waiting/{'a' * 42}")
    everything = {
        (path, method)
        for path, item in description["paths"].items()
        for method in item
        if method != "parameters"
    }
    assert seen == everything


def test_every_described_path_exists(shared):
    description = shared.browser().get("/api/v1/openapi.json").json
    rules = {re.sub(r"<(?:[^>:]*:)?(\w+)>", r"{\1}", rule.rule) for rule in shared.app.url_map.iter_rules()}
    for path in description["paths"]:
        assert "/api/v1" + path in rules
    routed = {rule.removeprefix("/api/v1") for rule in rules if rule.startswith("/api/")}
    assert routed - {"/openapi.json"} == set(description["paths"])
