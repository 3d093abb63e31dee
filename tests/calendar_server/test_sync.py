"""sync-collection (RFC 6578) costs what changed, and its tokens outlive the server."""

from __future__ import annotations

from contextlib import ExitStack

import pytest
from sqlalchemy import event as sqlalchemy_event

from calendar_server import reports
from calendar_server.busy_feed import BusyFeed
from calendar_server.xmlbody import parse
from tests.calendar_server.test_service import CLERK, event
from tests.clients.dav import Dav, multistatus, sync_token
from tests.support.calendar import calendar_server, calendars
from tests.support.databases import fresh_sqlite
from tests.support.town import NOW, appointment, at

CALENDAR = "/clerk1/calendar/"


def body(token: str) -> str:
    return (
        f'<D:sync-collection xmlns:D="DAV:"><D:sync-token>{token}</D:sync-token><D:sync-level>1</D:sync-level>'
        "<D:prop><D:getetag/></D:prop></D:sync-collection>"
    )


def names(answer) -> dict[str, int | None]:
    return {href.rpartition("/")[2]: found.status for href, found in multistatus(answer).items()}


def test_tokens_go_on_after_a_restart(database_url, clock):
    with calendar_server(database_url, clock=clock) as server:
        dav = Dav(server, "clerk1", "x")
        for uid in ("a", "b", "c"):
            dav.put(f"{CALENDAR}{uid}.ics", event(uid, at(7, 9)))
        token = sync_token(dav.send("REPORT", CALENDAR, body("")))
        dav.send("DELETE", f"{CALENDAR}a.ics")
    with calendar_server(database_url, clock=clock) as server:
        dav = Dav(server, "clerk1", "x")
        dav.put(f"{CALENDAR}b.ics", event("b", at(7, 10)))
        other = "/clerk1/other/"
        assert dav.send("MKCALENDAR", other).status_code == 201
        moved = dav.send("MOVE", f"{CALENDAR}c.ics", Destination=f"{server.url}{other}c.ics")
        assert moved.status_code == 201
        changed = dav.send("REPORT", CALENDAR, body(token))
        assert names(changed) == {"a.ics": 404, "b.ics": None, "c.ics": 404}
        assert names(dav.send("REPORT", CALENDAR, body(sync_token(changed)))) == {}


def test_whoever_loses_an_appointment_and_whoever_gets_it_sees_it(server):
    server.client().book(appointment(), now=NOW)
    lead = Dav(server, "lead", "x")
    calendars = ("/clerk1/calendar/", "/clerk2/calendar/", "/buergerbuero/appointments/")
    had = {path: lead.send("REPORT", path, body("")) for path in calendars}
    (holder,) = (path for path in calendars[:2] if names(had[path]))
    (other,) = (path for path in calendars[:2] if path != holder)
    name = "a1@test.ics"
    assert lead.send("MOVE", holder + name, Destination=f"{server.url}{other}{name}").status_code == 201
    seen = {path: names(lead.send("REPORT", path, body(sync_token(had[path])))) for path in calendars}
    assert seen == {holder: {name: 404}, other: {name: None}, "/buergerbuero/appointments/": {name: None}}


@pytest.fixture
def sqlite(tmp_path, clock):
    with calendars(fresh_sqlite(tmp_path), clock=clock) as made:
        yield made


@pytest.fixture
def asked(sqlite):
    """The statements that SQLite itself is given while a test goes on."""
    found: list[str] = []

    def trace(connection, *_rest):
        connection.set_trace_callback(found.append)

    sqlalchemy_event.listen(sqlite.database.engine, "checkout", trace)
    # Those that wait for the next read left the pool before.
    with ExitStack() as stack:
        for _ in range(16):
            trace(stack.enter_context(sqlite.database.read()).connection.driver_connection)
    return found


def test_that_nothing_changed_is_told_by_the_calendars_row_alone(sqlite, asked):
    for number in range(20):
        sqlite.put("clerk1/calendar", f"{number}.ics", event(str(number), at(7, 9)), CLERK)
    answers = reports.Reports(sqlite, BusyFeed(sqlite.database, sqlite.directory, sqlite.now))

    def sync(token: str) -> str:
        asked.clear()
        root = parse(body(token).encode())
        where = sqlite.find("clerk1/calendar")
        return answers.sync(where, root, "", lambda: pytest.fail("nothing depends on rights")).decode()

    first = sync("")
    assert "objects" in " ".join(asked)
    token = first[first.index("<sync-token>") + 12 : first.index("</sync-token>")]
    assert first.count("<response>") == 20
    nothing = sync(token)
    assert token in nothing
    assert "<response>" not in nothing
    told = " ".join(asked)
    assert "collections" in told
    assert not [table for table in ("objects", "instances", "tombstones", "changes") if table in told]
    sqlite.put("clerk1/calendar", "3.ics", event("3", at(7, 10)), CLERK)
    assert sync(token).count("<response>") == 1
