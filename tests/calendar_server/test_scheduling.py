"""Asking for the free/busy of colleagues (RFC 6638 section 5), finding them (RFC 3744 section 9.4), and who sends invitations."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from calendar_server.ical.appointment import to_ical
from calendar_server.scheduling import Outbox, left_to_clients
from tests.clients.dav import C, D, Dav
from tests.support.town import NOW, appointment, at

OUTBOX = "/clerk1/outbox/"
MAIL = "mailto:clerk1@example.org"


@pytest.fixture
def clerk1(server):
    return Dav(server, "clerk1", "test")


def question(
    *attendees: str,
    organizer: str = MAIL,
    component: str = "VFREEBUSY",
    method: str = "REQUEST",
    day: int = 7,
) -> str:
    lines = "".join(f"ATTENDEE;PARTSTAT=NEEDS-ACTION;ROLE=REQ-PARTICIPANT:{one}\r\n" for one in attendees)
    return (
        f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test//EN\r\nMETHOD:{method}\r\nBEGIN:{component}\r\nUID:q1\r\n"
        f"DTSTAMP:20261201T110000Z\r\nDTSTART:202612{day:02}T000000Z\r\nDTEND:202612{day + 1:02}T000000Z\r\n"
        f"ORGANIZER:{organizer}\r\n{lines}END:{component}\r\nEND:VCALENDAR\r\n"
    )


def ask(dav: Dav, text: str, path: str = OUTBOX):
    return dav.send("POST", path, text, **{"Content-Type": "text/calendar; charset=utf-8"})


def answers(dav: Dav, text: str) -> dict[str, tuple[str, list[str]]]:
    """Recipient to request-status and periods."""
    answer = ask(dav, text)
    assert answer.status_code == 200, answer.text
    found = {}
    for response in ET.fromstring(answer.content).iter(f"{C}response"):
        data = response.findtext(f"{C}calendar-data") or ""
        periods = re.findall(r"FREEBUSY;FBTYPE=([A-Z-]+:\S+)", data)
        found[response.findtext(f"{C}recipient/{D}href")] = response.findtext(f"{C}request-status"), periods
    return found


def event(start: str, end: str, *, uid: str = "own", lines: str = "", parties: str = "") -> str:
    return (
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test//EN\r\nBEGIN:VEVENT\r\nDTSTAMP:20261201T110000Z\r\n"
        f"UID:{uid}\r\nSUMMARY:Arzt\r\nDTSTART:{start}\r\nDTEND:{end}\r\n{lines}{parties}END:VEVENT\r\nEND:VCALENDAR\r\n"
    )


def test_whoever_is_asked_for_twice_is_looked_up_once(server, clerk1, monkeypatch):
    looked_up = []
    taken = Outbox._taken

    def counted(outbox, principal, start, end):
        looked_up.append(principal.path)
        return taken(outbox, principal, start, end)

    monkeypatch.setattr(Outbox, "_taken", counted)
    found = answers(clerk1, question("mailto:clerk2@example.org", "/clerk2/", f"{server.url}/clerk2/"))
    assert len(found) == 3
    assert looked_up == ["clerk2"]


def test_a_colleagues_events_and_appointments_are_busy_and_nameless(server, clerk1):
    clerk2 = Dav(server, "clerk2", "test")
    clerk2.put("/clerk2/calendar/own.ics", event("20261207T120000Z", "20261207T130000Z"))
    clerk2.put("/clerk2/calendar/a1.ics", to_ical(appointment("a1", at(7, 9)), now=NOW))
    maybe = event("20261207T123000Z", "20261207T140000Z", uid="maybe", lines="STATUS:TENTATIVE\r\n")
    clerk2.put("/clerk2/calendar/maybe.ics", maybe)
    found = answers(clerk1, question("mailto:Clerk2@example.org", "/clerk1/"))
    assert found["mailto:Clerk2@example.org"] == (
        "2.0;Success",
        [
            "BUSY:20261207T080000Z/20261207T083000Z",
            "BUSY:20261207T120000Z/20261207T130000Z",
            "BUSY-TENTATIVE:20261207T130000Z/20261207T140000Z",
        ],
    )
    assert found["/clerk1/"] == ("2.0;Success", [])
    text = ask(clerk1, question("mailto:clerk2@example.org")).text
    assert "Arzt" not in text
    assert "Erika" not in text
    assert "METHOD:REPLY" in text
    assert "UID:q1" in text


def test_an_expired_hold_is_not_busy(server, clerk1):
    hold = appointment("h1", at(7, 9), hold_until=NOW.replace(minute=10))
    server.client().book(hold, now=NOW)
    both = question("/clerk1/", "/clerk2/")
    assert sum(len(periods) for _, periods in answers(clerk1, both).values()) == 1
    server.clock.advance(minutes=11)
    assert sum(len(periods) for _, periods in answers(clerk1, both).values()) == 0


def test_an_office_is_busy_when_nobody_can_come(server, clerk1):
    office = "/buergerbuero/"
    before = answers(clerk1, question(office))[office][1]
    assert before == ["BUSY:20261207T000000Z/20261207T070000Z", "BUSY:20261207T150000Z/20261208T000000Z"]
    server.client().book(appointment("a1", at(7, 9)), now=NOW)
    assert answers(clerk1, question(office))[office][1] == before
    server.client().book(appointment("a2", at(7, 9)), now=NOW)
    assert "BUSY:20261207T080000Z/20261207T083000Z" in answers(clerk1, question(office))[office][1]
    # A Tuesday has no windows.
    tuesday = answers(clerk1, question(office, day=8))[office][1]
    assert tuesday == ["BUSY:20261208T000000Z/20261209T000000Z"]


@pytest.mark.parametrize(
    "address",
    ["mailto:nobody@example.org", "/nobody/", "/site/", "urn:uuid:1", "mailto:", "", "http://[", "/"],
)
def test_who_is_no_user_of_ours_is_told_apart(clerk1, address):
    assert [status for status, _ in answers(clerk1, question(address)).values()] == [
        "3.7;Invalid calendar user"
    ]


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (question("/clerk2/", organizer="mailto:clerk2@example.org"), "organizer-allowed"),
        (question("/clerk2/", component="VEVENT"), "valid-scheduling-message"),
        (question("/clerk2/", method="PUBLISH"), "valid-scheduling-message"),
        (question(), "valid-scheduling-message"),
        (question(*["/clerk2/"] * 101), "valid-scheduling-message"),
        (question("/clerk2/").replace("DTEND:20261208", "DTEND:20361208"), "valid-scheduling-message"),
        (question("/clerk2/").replace("DTEND:20261208", "DTEND:20261107"), "valid-scheduling-message"),
        (
            question("/clerk2/").replace("DTSTART:20261207T000000Z", "DTSTART:soon"),
            "valid-scheduling-message",
        ),
        ("what?", "valid-calendar-data"),
    ],
)
def test_what_is_no_question_is_refused_by_name(clerk1, text, rule):
    answer = ask(clerk1, text)
    assert answer.status_code == 403
    assert f"<C:{rule} " in answer.text


def test_only_the_owner_posts_and_only_to_an_outbox(server, clerk1):
    assert ask(clerk1, question("/clerk1/"), "/clerk2/outbox/").status_code == 403
    assert ask(clerk1, question("/clerk1/"), "/clerk1/inbox/").status_code == 405
    assert ask(clerk1, question("/clerk1/"), "/clerk1/calendar/").status_code == 405
    site = Dav(server, "site", "test")
    assert ask(site, question("/clerk1/", organizer="/site/"), "/site/outbox/").status_code == 403


def propfind(names: str) -> str:
    return f'<propfind xmlns="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><prop>{names}</prop></propfind>'


def test_principals_tell_their_mailboxes_and_addresses(clerk1):
    names = (
        "<C:schedule-inbox-URL/><C:schedule-outbox-URL/><C:calendar-user-address-set/><C:calendar-user-type/>"
    )
    found = clerk1.find("/clerk1/", propfind(names))["/clerk1/"]
    assert found.hrefs(f"{C}schedule-inbox-URL") == ["/clerk1/inbox/"]
    assert found.hrefs(f"{C}schedule-outbox-URL") == [OUTBOX]
    assert found.hrefs(f"{C}calendar-user-address-set") == [MAIL, "/clerk1/"]
    assert found.text(f"{C}calendar-user-type") == "INDIVIDUAL"
    office = clerk1.find("/buergerbuero/", propfind(names))["/buergerbuero/"]
    assert office.text(f"{C}calendar-user-type") == "GROUP"


def test_an_outbox_allows_free_busy_and_no_invitations(clerk1):
    names = "<resourcetype/><current-user-privilege-set/>"
    outbox = clerk1.find(OUTBOX, propfind(names), 1)[OUTBOX]
    assert outbox.names(f"{D}resourcetype") == {f"{D}collection", f"{C}schedule-outbox"}
    privileges = outbox.names(f"{D}current-user-privilege-set")
    assert f"{C}schedule-send-freebusy" in privileges
    assert f"{C}schedule-send-invite" not in privileges
    assert f"{D}write" not in privileges
    inbox = clerk1.find("/clerk1/inbox/", propfind(names), 1)
    assert inbox.keys() == {"/clerk1/inbox/"}
    assert f"{C}schedule-inbox" in inbox["/clerk1/inbox/"].names(f"{D}resourcetype")


def test_mailboxes_are_empty_and_take_nothing(clerk1):
    sync = '<sync-collection xmlns="DAV:"><sync-token/><sync-level>1</sync-level><prop><getetag/></prop></sync-collection>'
    assert clerk1.report("/clerk1/inbox/", sync) == {}
    assert clerk1.send("MKCALENDAR", "/clerk1/inbox/").status_code == 403
    assert clerk1.put("/clerk1/inbox/x.ics", event("20261207T120000Z", "20261207T130000Z")).status_code in {
        403,
        409,
    }
    assert clerk1.put("/clerk1/outbox/", event("20261207T120000Z", "20261207T130000Z")).status_code == 403
    assert clerk1.send("DELETE", "/clerk1/inbox/").status_code == 404


def test_others_mailboxes_are_not_to_be_seen(server):
    site = Dav(server, "site", "test")
    for path in ("/clerk1/inbox/", OUTBOX):
        assert site.send("PROPFIND", path, propfind("<resourcetype/>"), Depth="0").status_code == 403


def test_the_compliance_classes(clerk1):
    assert clerk1.send("OPTIONS", "/clerk1/").headers["DAV"] == (
        "1, 3, calendar-access, calendar-auto-schedule, extended-mkcol"
    )
    assert "POST" in clerk1.send("OPTIONS", "/").headers["Allow"]


def search(*conditions: tuple[str, str], test: str = "") -> str:
    asked = "".join(
        f"<property-search><prop><{name}/></prop><match>{match}</match></property-search>"
        for name, match in conditions
    )
    return (
        f'<principal-property-search xmlns="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav" {test}>{asked}'
        "<prop><displayname/><C:calendar-user-address-set/></prop></principal-property-search>"
    )


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (search(), ["/buergerbuero/", "/clerk1/", "/clerk2/"]),
        (search(("displayname", "LERK")), ["/clerk1/", "/clerk2/"]),
        (search(("displayname", "bürger")), ["/buergerbuero/"]),
        (search(("C:calendar-user-address-set", "clerk2@")), ["/clerk2/"]),
        (search(("displayname", "clerk"), ("C:calendar-user-address-set", "2@")), ["/clerk2/"]),
        (
            search(("displayname", "bürger"), ("C:calendar-user-address-set", "2@"), test='test="anyof"'),
            ["/buergerbuero/", "/clerk2/"],
        ),
        (search(("getetag", "clerk")), []),
    ],
)
def test_staff_find_colleagues_and_offices(clerk1, body, found):
    got = clerk1.report("/", body, 0)
    assert sorted(got) == found
    assert all(
        one.props.keys() == {f"{D}displayname", f"{C}calendar-user-address-set"} for one in got.values()
    )


def test_a_program_finds_nobody_but_itself(server):
    site = Dav(server, "site", "test")
    site.find("/", propfind("<current-user-principal/>"))
    assert set(site.report("/", search(), 0)) <= {"/site/"}


PARTIES = (
    'ORGANIZER;CN="Clerk: 1; Amt":mailto:clerk1@example.org\r\n'
    "ATTENDEE;PARTSTAT=NEEDS-ACTION;CN=A very long name that makes it necessary to\r\n  fold the line:mailto:a@example.org\r\n"
    "ATTENDEE;SCHEDULE-AGENT=SERVER;RSVP=TRUE:mailto:b@example.org\r\n"
    "ATTENDEE;SCHEDULE-AGENT=NONE:mailto:c@example.org\r\n"
)


def test_invitations_are_left_to_the_client(clerk1):
    text = event("20261209T120000Z", "20261209T130000Z", parties=PARTIES)
    put = clerk1.put("/clerk1/calendar/own.ics", text, If_None_Match="*")
    assert put.status_code == 201
    assert "ETag" not in put.headers
    stored = re.sub(r"\r\n ", "", clerk1.send("GET", "/clerk1/calendar/own.ics").text)
    assert 'ORGANIZER;CN="Clerk: 1; Amt";SCHEDULE-AGENT=CLIENT:mailto:clerk1@example.org\r\n' in stored
    assert "necessary to fold the line;SCHEDULE-AGENT=CLIENT:mailto:a@example.org\r\n" in stored
    assert "ATTENDEE;RSVP=TRUE;SCHEDULE-AGENT=CLIENT:mailto:b@example.org\r\n" in stored
    assert "ATTENDEE;SCHEDULE-AGENT=NONE:mailto:c@example.org\r\n" in stored
    assert all(
        len(line) <= 75 for line in clerk1.send("GET", "/clerk1/calendar/own.ics").content.split(b"\r\n")
    )
    again = clerk1.put("/clerk1/calendar/own.ics", stored)
    assert "ETag" in again.headers


def test_a_mark_leaves_other_lines_as_they_are():
    odd = "DESCRIPTION:a\u2028b\x85c\x0bd " + "ü" * 60 + "\r\n"
    text = event(
        "20261209T120000Z",
        "20261209T130000Z",
        lines=odd,
        parties="ATTENDEE:mailto:a@b\r\nORGANIZER:mailto:c@d\r\n",
    )
    marked = left_to_clients(text.encode()).decode()
    assert re.sub("\r\n ", "", marked) == text.replace(":mailto:", ";SCHEDULE-AGENT=CLIENT:mailto:")


@pytest.mark.parametrize(
    "text",
    [
        event("20261209T120000Z", "20261209T130000Z"),
        event("20261209T120000Z", "20261209T130000Z", lines="DESCRIPTION:see ORGANIZER:x\r\n"),
        event(
            "20261209T120000Z", "20261209T130000Z", parties="ORGANIZER;SCHEDULE-AGENT=CLIENT:mailto:a@b\r\n"
        ),
    ],
)
def test_what_needs_no_mark_stays_as_it_is(text):
    assert left_to_clients(text.encode()) == text.encode()


PIECES = st.sampled_from(
    [
        "DTSTART:20261207T000000Z", "DTSTART;VALUE=DATE:20261207", "DTSTART;TZID=Nowhere:20261207T000000",
        "DTSTART:99991231T235959Z", "DTSTART:00010101T000000Z", "DTEND:20261208T000000Z", "DTEND;TZID=:20261208T0",
        "DURATION:P1D", "UID:\\,;:", "UID:" + "x" * 3000, "ORGANIZER:/clerk1/", "ORGANIZER:mailto:", "ORGANIZER;:",
        "ATTENDEE:/clerk2/", "ATTENDEE:/buergerbuero/", 'ATTENDEE;CN="<&>":mailto:a@b', "ATTENDEE:http://[::1", "ATTENDEE:\x85",
        "BEGIN:VALARM", "END:VALARM", "BEGIN:VFREEBUSY", "END:VFREEBUSY", "METHOD:REQUEST", "X:\ufffe", "no line",
    ]
)  # fmt: skip


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(PIECES, max_size=8), st.booleans())
def test_whatever_is_posted_or_put_is_answered_in_order(clerk1, pieces, whole):
    text = question("/clerk2/")
    inside = "\r\n".join([*pieces, ""])
    text = (
        text.replace("UID:q1\r\n", inside)
        if whole
        else text.replace("END:VFREEBUSY", inside + "END:VFREEBUSY")
    )
    assert ask(clerk1, text).status_code in {200, 403}
    put = clerk1.put("/clerk1/calendar/fuzz.ics", text.replace("METHOD:REQUEST\r\n", ""))
    assert put.status_code < 500
