"""The matrix role x path x method, over HTTP: who gets through, and who is told no."""

from __future__ import annotations

import pytest
import requests

from calendar_server.ical.appointment import to_ical
from tests.support.calendar import PASSWORD, calendar_server
from tests.support.databases import fresh_sqlite
from tests.support.town import NOW, appointment, at, directory, office

OWN = "clerk1/calendar/"
COLLEAGUE = "clerk2/calendar/"
VIEW = "buergerbuero/appointments/"
OPENING = "buergerbuero/opening/"
BUSY = "buergerbuero/busy/"
ELSEWHERE = "standesamt/appointments/"
ROLES = ("clerk1", "lead", "admin", "site", "worker", "")

READ = {
    OWN: {"clerk1", "lead", "admin"},
    COLLEAGUE: {"lead", "admin"},
    VIEW: {"clerk1", "lead", "admin", "worker"},
    OPENING: {"clerk1", "lead", "admin", "worker"},
    BUSY: {"clerk1", "lead", "admin", "site", "worker"},
    ELSEWHERE: {"admin", "worker"},
}
WRITE = {
    OWN: {"clerk1", "lead", "admin"},
    COLLEAGUE: {"lead", "admin"},
    VIEW: {"lead", "admin", "site"},
    OPENING: {"lead", "admin"},
    BUSY: set(),
    ELSEWHERE: {"admin", "site"},
}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    offices = directory(office(), office(name="standesamt", clerks=()))
    with calendar_server(fresh_sqlite(tmp_path_factory.mktemp("rights")), offices) as made:
        made.client().book(appointment("there@test"), now=NOW)
        yield made


def ask(server, role: str, method: str, path: str, **options) -> int:
    auth = (role, PASSWORD) if role else None
    return requests.request(method, f"{server.url}/{path}", auth=auth, timeout=10, **options).status_code


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("path", READ)
@pytest.mark.parametrize("method", ["PROPFIND", "REPORT"])
def test_who_may_list(server, role, path, method):
    body = (
        '<D:sync-collection xmlns:D="DAV:"><D:sync-token/><D:prop><D:getetag/></D:prop></D:sync-collection>'
    )
    status = ask(
        server, role, method, path, data=body if method == "REPORT" else None, headers={"Depth": "1"}
    )
    assert status == (207 if role in READ[path] else 403 if role else 401)


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("path", WRITE)
def test_who_may_write(server, role, path):
    uid = f"w-{role or 'nobody'}-{path.replace('/', '-')}@test"
    hour = 9 + ROLES.index(role)
    day = 7 if path in {OWN, VIEW} else 14
    data = to_ical(appointment(uid, at(day, hour), minutes=15), now=NOW)
    status = ask(server, role, "PUT", f"{path}{uid}.ics", data=data)
    if role not in WRITE[path]:
        assert status == (403 if role else 401)
    elif path != ELSEWHERE:
        assert status == 201
        assert ask(server, role, "DELETE", f"{path}{uid}.ics") == 204
    else:
        # Nobody works there, so the rule says no, not the rights.
        assert status == 403


@pytest.mark.parametrize("role", ROLES)
def test_who_may_fetch_one_appointment_by_its_name(server, role):
    status = ask(server, role, "GET", f"{VIEW}there@test.ics")
    assert status == (200 if role in {"clerk1", "lead", "admin", "site", "worker"} else 401)


@pytest.mark.parametrize("role", ROLES)
def test_nobody_replaces_the_office_view_as_a_whole(server, role):
    data = to_ical(appointment("whole@test"), now=NOW)
    assert ask(server, role, "PUT", VIEW, data=data) in {401, 403}
    assert ask(server, role, "DELETE", VIEW) in {401, 403}
    assert ask(server, "lead", "GET", f"{VIEW}there@test.ics") == 200


@pytest.mark.parametrize("role", ROLES)
def test_only_the_owner_makes_calendars_below_her_name(server, role):
    expected = 201 if role == "clerk1" else 403 if role else 401
    if role in {"lead", "admin"}:
        expected = 201
    assert ask(server, role, "MKCALENDAR", f"clerk1/new-{role or 'nobody'}/") == expected
    assert ask(server, role, "MKCALENDAR", f"buergerbuero/new-{role or 'nobody'}/") in {401, 403}
