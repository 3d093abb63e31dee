"""What is not CalDAV: one's own secrets as JSON, whatever is sent."""

from __future__ import annotations

import http.client
import json
from base64 import b64encode

import pytest

from tests.hostile.raw import SECONDS, request

OWN = ("/.termin/own/feeds", "/.termin/own/app-passwords")
BODIES = {
    "empty": b"",
    "no JSON": b"label=x",
    "a list": b"[]",
    "a number": b"1",
    "infinite": b"Infinity",
    "nested": b"[" * 200_000,
    "no label": b"{}",
    "null": b'{"label": null}',
    "a list as label": b'{"label": ["x"]}',
    "blank": b'{"label": "  "}',
    "NUL": b'{"label": "\\u0000"}',
    "half a character": b'{"label": "\\ud800"}',
    "controls": b'{"label": "a\\u202eb\\u0007"}',
    "Latin-1": b'{"label": "\xfc"}',
    "a number of any length": b'{"label": ' + b"9" * 100_000 + b"}",
}


@pytest.mark.parametrize("path", OWN)
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_body_of_any_kind_makes_nothing(url, path, body):
    answer = request(url, "POST", path, body, account="clerk1", headers={"Content-Type": "application/json"})
    assert answer.status == 400
    (known,) = json.loads(request(url, "GET", path, account="clerk1").body).values()
    assert known == []


@pytest.mark.parametrize("path", OWN)
def test_a_long_name_is_cut_and_what_it_made_can_be_revoked(url, path):
    body = json.dumps({"label": "ü" * 100_000}).encode()
    assert request(url, "POST", path, body, account="clerk2").status == 201
    ((known,),) = json.loads(request(url, "GET", path, account="clerk2").body).values()
    assert known["label"] == "ü" * 100
    assert request(url, "POST", f"{path}/{known['id']}/revoke", account="clerk2").status == 200
    assert request(url, "POST", f"{path}/{known['id']}/revoke", account="clerk2").status == 400


@pytest.mark.parametrize(
    "path",
    [
        *OWN,
        "/.termin/offices/buergerbuero/plans",
        "/.termin/offices/buergerbuero/mails",
        "/.termin/busy",
        "/.termin/",
    ],
)
@pytest.mark.parametrize("account", ["clerk4", "lead", "admin"])
def test_the_password_of_one_device_opens_calendars_only(url, path, account):
    made = request(url, "POST", OWN[1], b'{"label": "a lost telephone"}', account=account)
    password = json.loads(made.body)["password"]
    basic = b64encode(f"{account}:{password}".encode()).decode()
    headers = {"Authorization": f"Basic {basic}"}
    answer = request(url, "GET", path, account="", headers=headers)
    assert (answer.status, json.loads(answer.body)) == (403, {"error": "app-password"})
    assert request(url, "PROPFIND", "/", account="", headers={**headers, "Depth": "0"}).status == 207


@pytest.mark.parametrize("path", OWN)
def test_nobody_has_any(url, path):
    assert request(url, "GET", path, account="").status == 401
    assert request(url, "POST", path, b'{"label": "x"}', account="").status == 401


def test_a_feed_is_fetched_as_programs_do_it(url):
    """A look at the head first, then the whole, then only if it changed; the connection stays open meanwhile."""
    made = request(url, "POST", "/.termin/own/feeds", b'{"label": "Outlook"}', account="clerk3")
    path = json.loads(made.body)["path"]
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=SECONDS)

    def ask(method: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()

    status, head, body = ask("HEAD")
    assert (status, body) == (200, b"")
    status, got, body = ask("GET")
    assert (status, len(body)) == (200, int(head["content-length"]))
    assert got["etag"] == head["etag"]
    assert body.startswith(b"BEGIN:VCALENDAR\r\n")
    status, _, body = ask("GET", **{"If-None-Match": got["etag"]})
    assert (status, body) == (304, b"")
    assert ask("GET")[0] == 200
    connection.close()
    ((known,),) = json.loads(request(url, "GET", "/.termin/own/feeds", account="clerk3").body).values()
    assert request(url, "POST", f"/.termin/own/feeds/{known['id']}/revoke", account="clerk3").status == 200
    assert request(url, "GET", path, account="").status == 404
