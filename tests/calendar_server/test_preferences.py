"""Answers with only what a client needs (RFC 7240, RFC 8144)."""

from __future__ import annotations

import pytest

from calendar_server.frame import Request
from calendar_server.preferences import of
from tests.calendar_server.test_properties import NS, make, patch
from tests.calendar_server.test_scheduling import event, propfind
from tests.clients.dav import D, Dav, multistatus

CALENDAR = "/clerk1/calendar/"
MINIMAL = {"Prefer": "return=minimal"}
WANTED = "<getetag/><nonsense/>"


@pytest.fixture
def clerk1(server):
    client = Dav(server, "clerk1", "test")
    assert client.put(f"{CALENDAR}a.ics", event("20261207T120000Z", "20261207T130000Z")).status_code == 201
    return client


def bodies() -> list[tuple[str, str]]:
    query = f"<C:calendar-query {NS}><prop>{WANTED}</prop><C:filter><C:comp-filter name='VCALENDAR'/></C:filter></C:calendar-query>"
    multiget = f"<C:calendar-multiget {NS}><prop>{WANTED}</prop><href>{CALENDAR}a.ics</href><href>{CALENDAR}no.ics</href></C:calendar-multiget>"
    sync = f"<sync-collection {NS}><sync-token/><sync-level>1</sync-level><prop>{WANTED}</prop></sync-collection>"
    return [("PROPFIND", propfind(WANTED)), ("REPORT", query), ("REPORT", multiget), ("REPORT", sync)]


@pytest.mark.parametrize(("method", "body"), bodies(), ids=["propfind", "query", "multiget", "sync"])
def test_what_there_is_not_is_left_out(clerk1, method, body):
    full = multistatus(clerk1.send(method, CALENDAR, body, Depth="1"))
    assert full[f"{CALENDAR}a.ics"].missing == {f"{D}nonsense"}
    answer = clerk1.send(method, CALENDAR, body, Depth="1", **MINIMAL)
    less = multistatus(answer)
    assert less.keys() == full.keys()
    assert {(one.status, one.props.keys() >= {f"{D}getetag"}, len(one.missing)) for one in less.values()} <= {
        (None, True, 0),
        (404, False, 0),
    }
    assert answer.headers["Preference-Applied"] == "return=minimal"
    assert "Prefer" in answer.headers["Vary"]
    assert "Preference-Applied" not in clerk1.send(method, CALENDAR, body, Depth="1").headers


def test_what_has_none_of_it_is_still_told(clerk1):
    answer = clerk1.send("PROPFIND", CALENDAR, propfind("<nonsense/>"), Depth="0", **MINIMAL)
    found = multistatus(answer)[CALENDAR]
    assert (found.status, found.props, found.missing) == (None, {}, set())
    assert "200 OK" in answer.text


def test_what_was_changed_is_not_repeated(clerk1):
    body = f"<propertyupdate {NS}><set><prop><displayname>x</displayname></prop></set></propertyupdate>"
    answer = clerk1.send("PROPPATCH", CALENDAR, body, **MINIMAL)
    assert (answer.status_code, answer.text) == (200, "")
    assert answer.headers["Preference-Applied"] == "return=minimal"
    assert clerk1.find(CALENDAR, propfind("<displayname/>"))[CALENDAR].text(f"{D}displayname") == "x"
    refused = clerk1.send("PROPPATCH", CALENDAR, body.replace("displayname", "getetag"), **MINIMAL)
    assert refused.status_code == 207
    assert patch(clerk1, "<displayname>y</displayname>").status_code == 207
    assert make(clerk1, "<displayname>y</displayname>").text == ""


def test_a_listing_may_leave_out_the_collection(clerk1):
    answer = clerk1.send(
        "PROPFIND", CALENDAR, propfind("<getetag/>"), Depth="1", Prefer="depth-noroot, return=minimal"
    )
    assert set(multistatus(answer)) == {f"{CALENDAR}a.ics"}
    assert answer.headers["Preference-Applied"] == "return=minimal, depth-noroot"
    itself = clerk1.send("PROPFIND", CALENDAR, propfind("<getetag/>"), Depth="0", Prefer="depth-noroot")
    assert set(multistatus(itself)) == {CALENDAR}
    assert "Preference-Applied" not in itself.headers


def test_the_older_header_means_the_same(clerk1):
    answer = clerk1.send("PROPFIND", CALENDAR, propfind("<nonsense/>"), Depth="0", Brief="t")
    assert multistatus(answer)[CALENDAR].missing == set()
    assert "Brief" in answer.headers["Vary"]


@pytest.mark.parametrize(
    ("sent", "minimal", "no_root"),
    [
        ("return=minimal", True, False),
        ('Return="minimal"; foo="a, return=x" , depth-noroot', True, True),
        ("respond-async, wait=100;x, return = minimal", True, False),
        ("return=representation, return=minimal", False, False),
        ("return", False, False),
        ('=;,"', False, False),
        ("depth-noroot;x=return=minimal", False, True),
    ],
)
def test_the_header_is_read_as_it_is_meant(sent, minimal, no_root):
    found = of(Request({"HTTP_PREFER": sent}, "", "/", None))
    assert (found.minimal, found.no_root) == (minimal, no_root)
