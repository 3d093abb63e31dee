"""The matrix role x path x method, over HTTP: who gets through, and who is told no."""

from __future__ import annotations

import pytest
import requests

from calendar_server.accounts import Account, AccountRole, Accounts
from calendar_server.ical.appointment import to_ical
from tests.support.calendar import CHEAP, PASSWORD, calendar_server
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


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("path", READ)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_who_may_read_a_calendar_as_a_whole(server, role, path, method):
    status = ask(server, role, method, path)
    assert status == (200 if role in READ[path] else 403 if role else 401)


CALDAV = 'xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"'
WEEK = '<C:time-range start="20261207T000000Z" end="20261214T000000Z"/>'
REPORTS = {
    "query": f'<C:calendar-query {CALDAV}><D:prop><D:getetag/></D:prop><C:filter><C:comp-filter name="VCALENDAR"/></C:filter></C:calendar-query>',
    "multiget": f"<C:calendar-multiget {CALDAV}><D:prop><C:calendar-data/></D:prop><D:href>/{VIEW}there@test.ics</D:href></C:calendar-multiget>",
    "free-busy": f"<C:free-busy-query {CALDAV}>{WEEK}</C:free-busy-query>",
    "expand-property": f"<D:expand-property {CALDAV}/>",
    "unknown": f"<D:version-tree {CALDAV}/>",
}


@pytest.mark.parametrize("report", REPORTS.values(), ids=REPORTS)
@pytest.mark.parametrize("path", [VIEW, f"{VIEW}there@test.ics", OWN, "clerk1/", "buergerbuero/"])
def test_no_report_lists_anything_for_the_site(server, report, path):
    auth = ("site", PASSWORD)
    headers = {"Depth": "1"}
    answer = requests.request(
        "REPORT", f"{server.url}/{path}", auth=auth, data=report, headers=headers, timeout=10
    )
    assert "Erika" not in answer.text
    assert "there@test" not in answer.text.replace(f"{VIEW}there@test.ics</href>", "")
    assert answer.status_code == 403 or path.endswith(".ics")


PATCH = '<D:propertyupdate xmlns:D="DAV:"><D:set><D:prop><X xmlns="urn:x">1</X></D:prop></D:set></D:propertyupdate>'


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("path", WRITE)
def test_who_may_change_properties(server, role, path):
    status = ask(server, role, "PROPPATCH", path, data=PATCH)
    assert status == (207 if role in WRITE[path] - {"site"} else 403 if role else 401)


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("path", [OWN, COLLEAGUE, OPENING])
def test_who_may_move(server, role, path):
    name = f"m-{role or 'nobody'}-{path.replace('/', '-')}"
    data = to_ical(appointment(name, at(9, 14)), now=NOW)
    plain = "\r\n".join(line for line in data.split("\r\n") if not line.startswith("X-TERMIN"))
    assert ask(server, "admin", "PUT", f"{path}{name}.ics", data=plain) == 201
    headers = {"Destination": f"{server.url}/{path}{name}-2.ics"}
    status = ask(server, role, "MOVE", f"{path}{name}.ics", headers=headers)
    assert status == (201 if role in WRITE[path] else 403 if role else 401)


@pytest.mark.parametrize("role", ["clerk1", "site", "worker"])
def test_who_may_not_write_there_moves_nothing_there(server, role):
    """From where she may write to where she may not, and the other way round."""
    name = f"x-{role}"
    data = to_ical(appointment(name, at(9, 14)), now=NOW)
    plain = "\r\n".join(line for line in data.split("\r\n") if not line.startswith("X-TERMIN"))
    for source, target in ((OWN, COLLEAGUE), (COLLEAGUE, OWN), (OWN, VIEW), (OPENING, OWN)):
        ask(server, "admin", "PUT", f"{source}{name}.ics", data=plain)
        headers = {"Destination": f"{server.url}/{target}{name}.ics"}
        assert ask(server, role, "MOVE", f"{source}{name}.ics", headers=headers) == 403
        assert ask(server, "admin", "GET", f"{source}{name}.ics") == 200


def test_a_lead_of_another_office_is_nobody_here(server):
    database = server.database()
    accounts = Accounts(database, server.clock, CHEAP)
    accounts.add(Account("fremd", AccountRole.LEAD, "standesamt"), PASSWORD)
    database.close()
    for path in (OWN, VIEW, OPENING, BUSY):
        assert ask(server, "fremd", "PROPFIND", path, headers={"Depth": "1"}) == 403
        assert ask(server, "fremd", "GET", path) == 403
    assert ask(server, "fremd", "GET", f"{VIEW}there@test.ics") == 403
    assert ask(server, "fremd", "PROPFIND", ELSEWHERE, headers={"Depth": "1"}) == 207
