"""What RFC 4918, 3253 and 4791 ask of every server, over HTTP: preconditions by name, and nothing half done."""

from __future__ import annotations

import re
from urllib.parse import quote, unquote

import pytest

from calendar_server.ical.appointment import to_ical
from tests.calendar_server.test_scheduling import event, propfind
from tests.clients.dav import C, D, Dav, multistatus
from tests.support.town import NOW, appointment, at

CALENDAR = "/clerk1/calendar/"
NS = 'xmlns="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav" xmlns:I="http://apple.com/ns/ical/"'


@pytest.fixture
def clerk1(server):
    return Dav(server, "clerk1", "test")


def journal(uid: str) -> str:
    text = event("20261207T120000Z", "20261207T130000Z", uid=uid)
    return text.replace("VEVENT", "VJOURNAL").replace("DTEND:20261207T130000Z\r\n", "")


def listing(client: Dav) -> str:
    """What a client sees of its calendar, as it is sent."""
    return client.send("PROPFIND", CALENDAR, propfind("<getetag/>"), Depth="1").text


def test_a_calendar_takes_only_what_it_was_made_for(clerk1):
    refused = clerk1.put(f"{CALENDAR}j.ics", journal("j"))
    assert refused.status_code == 403
    assert "<C:supported-calendar-component " in refused.text
    body = f'<C:mkcalendar {NS}><set><prop><C:supported-calendar-component-set><C:comp name="VJOURNAL"/></C:supported-calendar-component-set></prop></set></C:mkcalendar>'
    assert clerk1.send("MKCALENDAR", "/clerk1/notes/", body).status_code == 201
    assert clerk1.put("/clerk1/notes/j.ics", journal("j")).status_code == 201
    assert clerk1.put("/clerk1/notes/e.ics", event("20261207T120000Z", "20261207T130000Z")).status_code == 403
    moved = clerk1.send("MOVE", "/clerk1/notes/j.ics", Destination=f"{clerk1.url}{CALENDAR}j.ics")
    assert moved.status_code == 403
    assert clerk1.send("GET", "/clerk1/notes/j.ics").status_code == 200


@pytest.mark.parametrize(
    "name",
    [
        "grün.ics",
        "Größe – 5 €.ics",
        "日程💥.ics",
        "urn:uuid:7d4a.ics",
        'it\'s "1, 2"?*.ics',
        "a%2Fb+c;d#e.ics",
    ],
)
def test_a_name_may_have_any_character(clerk1, name):
    path = CALENDAR + quote(name, safe="")
    text = event("20261207T120000Z", "20261207T130000Z", uid="named")
    assert clerk1.put(path, text).status_code == 201
    (listed,) = set(re.findall(rf"<href>({CALENDAR}[^<]+)</href>", listing(clerk1)))
    assert unquote(listed) == CALENDAR + name
    assert "UID:named" in clerk1.send("GET", listed).text
    wanted = f"<C:calendar-multiget {NS}><prop><C:calendar-data/></prop><href>{listed}</href></C:calendar-multiget>"
    assert "UID:named" in clerk1.send("REPORT", CALENDAR, wanted).text
    moved = clerk1.send("MOVE", listed, Destination=f"{clerk1.url}{CALENDAR}{quote('ü' + name, safe='')}")
    assert moved.status_code == 201
    assert clerk1.send("DELETE", CALENDAR + quote("ü" + name, safe="")).status_code == 204


def test_a_calendar_made_without_a_choice_takes_all_types(clerk1):
    assert clerk1.send("MKCALENDAR", "/clerk1/all/").status_code == 201
    assert clerk1.put("/clerk1/all/j.ics", journal("j")).status_code == 201
    assert clerk1.put("/clerk1/all/e.ics", event("20261207T120000Z", "20261207T130000Z")).status_code == 201


def test_protected_properties_stay_and_nothing_else_changes_with_them(clerk1):
    body = f"<propertyupdate {NS}><set><prop><getetag>x</getetag><I:calendar-color>#FF0000FF</I:calendar-color></prop></set></propertyupdate>"
    answer = clerk1.send("PROPPATCH", CALENDAR, body)
    assert multistatus(answer)[CALENDAR].missing == {
        f"{D}getetag",
        "{http://apple.com/ns/ical/}calendar-color",
    }
    assert "cannot-modify-protected-property" in answer.text
    assert "424 Failed Dependency" in answer.text
    found = clerk1.find(CALENDAR, propfind('<calendar-color xmlns="http://apple.com/ns/ical/"/>'))[CALENDAR]
    assert found.props == {}


def test_who_may_not_write_changes_no_properties(server):
    body = f"<propertyupdate {NS}><set><prop><getetag>x</getetag></prop></set></propertyupdate>"
    office = "/buergerbuero/appointments/"
    assert Dav(server, "clerk1", "test").send("PROPPATCH", office, body).status_code == 403


@pytest.mark.parametrize("name", ["version-tree", "acl-principal-prop-set", "C:nonsense"])
def test_a_report_that_there_is_not_is_refused_by_name(clerk1, name):
    answer = clerk1.send("REPORT", CALENDAR, f"<{name} {NS}/>")
    assert answer.status_code == 403
    assert "supported-report" in answer.text


def test_a_report_that_is_promised_is_answered(clerk1):
    found = clerk1.find(CALENDAR, propfind("<supported-report-set/>"))[CALENDAR]
    names = found.names(f"{D}supported-report-set") - {f"{D}supported-report", f"{D}report"}
    assert names == {
        f"{D}sync-collection",
        f"{D}principal-property-search",
        f"{D}principal-search-property-set",
        f"{C}calendar-query",
        f"{C}calendar-multiget",
        f"{C}free-busy-query",
    }


def test_collations_are_told_and_others_refused(clerk1):
    found = clerk1.find(CALENDAR, propfind("<C:supported-collation-set/>"))[CALENDAR]
    names = {element.text for element in found.props[f"{C}supported-collation-set"]}
    assert {"i;ascii-casemap", "i;octet"} <= names

    def ask(collation: str):
        match = f'<C:text-match collation="{collation}">arzt</C:text-match>'
        condition = f'<C:comp-filter name="VEVENT"><C:prop-filter name="SUMMARY">{match}</C:prop-filter></C:comp-filter>'
        body = f'<C:calendar-query {NS}><prop><getetag/></prop><C:filter><C:comp-filter name="VCALENDAR">{condition}</C:comp-filter></C:filter></C:calendar-query>'
        return clerk1.send("REPORT", CALENDAR, body, Depth="1")

    clerk1.put(f"{CALENDAR}own.ics", event("20261207T120000Z", "20261207T130000Z"))
    assert len(multistatus(ask("i;ascii-casemap"))) == 1
    assert len(multistatus(ask("i;octet"))) == 0
    refused = ask("i;klingon")
    assert refused.status_code == 403
    assert "supported-collation" in refused.text


def test_a_calendar_is_made_by_an_extended_mkcol_too(clerk1):
    body = f"<mkcol {NS}><set><prop><resourcetype><collection/><C:calendar/></resourcetype><displayname>Neu</displayname></prop></set></mkcol>"
    assert clerk1.send("MKCOL", "/clerk1/new/", body).status_code == 201
    found = clerk1.find("/clerk1/new/", propfind("<resourcetype/><displayname/>"))["/clerk1/new/"]
    assert f"{C}calendar" in found.names(f"{D}resourcetype")
    assert found.text(f"{D}displayname") == "Neu"


def test_a_calendar_with_appointments_cannot_be_deleted(server, clerk1):
    assert clerk1.send("MKCALENDAR", "/clerk1/second/").status_code == 201
    text = to_ical(appointment("a1", at(7, 9)), now=NOW)
    assert clerk1.put("/clerk1/second/a1.ics", text).status_code == 201
    refused = clerk1.send("DELETE", "/clerk1/second/")
    assert refused.status_code == 403
    assert "has-appointments" in refused.text
    assert clerk1.send("DELETE", "/clerk1/second/a1.ics").status_code == 204
    assert clerk1.send("DELETE", "/clerk1/second/").status_code == 204
    assert clerk1.send("DELETE", CALENDAR).status_code == 403


@pytest.mark.parametrize("method", ["LOCK", "UNLOCK", "ACL"])
def test_methods_that_there_are_not_are_told_apart(clerk1, method):
    answer = clerk1.send(method, CALENDAR)
    assert answer.status_code == 405
    assert method not in answer.headers["Allow"].split(", ")


def test_a_uid_that_is_taken_is_refused_with_the_address_of_who_has_it(clerk1):
    text = event("20261207T120000Z", "20261207T130000Z", uid="taken")
    assert clerk1.put(f"{CALENDAR}first%20one.ics", text).status_code == 201
    refused = clerk1.put(f"{CALENDAR}second.ics", text)
    assert refused.status_code == 403
    assert (
        f'<C:no-uid-conflict xmlns:C="urn:ietf:params:xml:ns:caldav"><D:href>{CALENDAR}first%20one.ics</D:href>'
        in refused.text
    )
    clerk1.send("MKCALENDAR", "/clerk1/second/")
    assert clerk1.put("/clerk1/second/a.ics", text).status_code == 201
    moved = clerk1.send("MOVE", "/clerk1/second/a.ics", Destination=f"{clerk1.url}{CALENDAR}a.ics")
    assert moved.status_code == 403
    assert f"<D:href>{CALENDAR}first%20one.ics</D:href>" in moved.text


def test_an_object_is_copied_into_another_calendar(clerk1):
    text = event("20261207T120000Z", "20261207T130000Z", uid="copied")
    etag = clerk1.put(f"{CALENDAR}a.ics", text).headers["ETag"]
    clerk1.send("MKCALENDAR", "/clerk1/second/")

    def copy(target: str, source: str = f"{CALENDAR}a.ics", **headers: str):
        return clerk1.send("COPY", source, Destination=f"{clerk1.url}{target}", **headers)

    assert copy("/clerk1/second/b.ics", If_Match='"other"').status_code == 412
    assert copy("/clerk1/second/b.ics", If_Match=etag).status_code == 201
    assert (
        clerk1.send("GET", "/clerk1/second/b.ics").text == clerk1.send("GET", f"{CALENDAR}a.ics").text == text
    )
    assert copy("/clerk1/second/b.ics", Overwrite="F").status_code == 412
    assert copy("/clerk1/second/b.ics").status_code == 204
    other = event("20261207T140000Z", "20261207T150000Z", uid="other")
    assert clerk1.put("/clerk1/second/c.ics", other).status_code == 201
    taken = copy("/clerk1/second/c.ics")
    assert taken.status_code == 403
    assert "no-uid-conflict" in taken.text
    assert clerk1.send("GET", "/clerk1/second/c.ics").text == other
    assert copy(f"{CALENDAR}b.ics").status_code == 403
    assert copy(f"{CALENDAR}a.ics").status_code == 403
    assert copy("/clerk1/none/a.ics").status_code == 409
    assert copy("/clerk1/second/d.ics", f"{CALENDAR}none.ics").status_code == 404
    assert copy("/clerk2/calendar/a.ics").status_code == 403
    assert copy("/clerk1/third/", CALENDAR).status_code == 403


def test_an_appointment_has_no_copy_and_a_read_event_may_be_copied(server, clerk1):
    text = to_ical(appointment("a1", at(7, 9)), now=NOW)
    assert clerk1.put(f"{CALENDAR}a1.ics", text).status_code == 201
    lead = Dav(server, "lead", "test")
    for source in (f"{CALENDAR}a1.ics", "/buergerbuero/appointments/a1.ics"):
        refused = lead.send("COPY", source, Destination=f"{lead.url}/clerk2/calendar/a1.ics")
        assert refused.status_code == 403
        assert "no-uid-conflict" in refused.text
    assert lead.send("GET", "/clerk2/calendar/a1.ics").status_code == 404
    opening = "/buergerbuero/opening/"
    (name, *_) = re.findall(
        rf"<href>({opening}[^<]+)</href>", clerk1.send("PROPFIND", opening, Depth="1").text
    )
    assert clerk1.send("COPY", name, Destination=f"{clerk1.url}{CALENDAR}w.ics").status_code == 201
    assert clerk1.send("MOVE", name, Destination=f"{clerk1.url}{CALENDAR}v.ics").status_code == 403
    site = Dav(server, "site", "test")
    copied = site.send(
        "COPY", "/buergerbuero/appointments/a1.ics", Destination=f"{site.url}/buergerbuero/appointments/b.ics"
    )
    assert copied.status_code == 403


def test_only_what_the_client_knows_is_moved(clerk1):
    source, target = f"{CALENDAR}a.ics", f"{clerk1.url}{CALENDAR}b.ics"
    etag = clerk1.put(source, event("20261207T120000Z", "20261207T130000Z")).headers["ETag"]
    assert clerk1.send("MOVE", source, Destination=target, If_Match='"other"').status_code == 412
    assert clerk1.send("MOVE", source, Destination=target, If_None_Match=etag).status_code == 412
    assert clerk1.send("GET", source).status_code == 200
    assert clerk1.send("MOVE", source, Destination=target, If_Match=etag).status_code == 201


@pytest.mark.parametrize("path", ["/clerk1/none/a.ics", f"{CALENDAR}none/a.ics"])
def test_nothing_is_put_into_a_calendar_that_is_not_there(clerk1, path):
    assert clerk1.put(path, event("20261207T120000Z", "20261207T130000Z")).status_code == 409


@pytest.mark.parametrize("name", ["sync-collection", "C:calendar-query", "version-tree"])
def test_a_home_has_no_reports_of_its_own(clerk1, name):
    refused = clerk1.send("REPORT", "/clerk1/", f"<{name} {NS}/>")
    assert refused.status_code == 403
    assert "supported-report" in refused.text
    assert clerk1.send("REPORT", "/clerk2/", f"<{name} {NS}/>").text == clerk1.send("GET", "/clerk2/").text


@pytest.mark.parametrize(
    ("level", "status"), [("1", 207), ("infinite", 207), ("", 207), ("0", 400), ("x", 400)]
)
def test_a_sync_has_one_of_two_levels(clerk1, level, status):
    body = f"<sync-collection {NS}><sync-token/><sync-level>{level}</sync-level><prop><getetag/></prop></sync-collection>"
    assert clerk1.send("REPORT", CALENDAR, body).status_code == status


def test_propfind_goes_one_level_deep_at_most(clerk1):
    found = clerk1.send("PROPFIND", "/clerk1/", propfind("<resourcetype/>"), Depth="infinity")
    assert set(multistatus(found)) == {"/clerk1/", CALENDAR}


def test_descriptions_are_kept_as_they_are(clerk1):
    body = f"<propertyupdate {NS}><set><prop><C:calendar-description>Für &lt;alle&gt;</C:calendar-description></prop></set></propertyupdate>"
    assert multistatus(clerk1.send("PROPPATCH", CALENDAR, body))[CALENDAR].missing == set()
    found = clerk1.find(CALENDAR, propfind("<C:calendar-description/>"))[CALENDAR]
    assert found.text(f"{C}calendar-description") == "Für <alle>"


def test_what_is_no_icalendar_is_refused_by_name(clerk1):
    found = clerk1.find(CALENDAR, propfind("<C:supported-calendar-data/>"))[CALENDAR]
    (kind,) = found.props[f"{C}supported-calendar-data"]
    assert (kind.get("content-type"), kind.get("version")) == ("text/calendar", "2.0")
    refused = clerk1.send("PUT", f"{CALENDAR}x.ics", "BEGIN:VCARD", **{"Content-Type": "text/vcard"})
    assert refused.status_code == 403
    assert "<C:supported-calendar-data " in refused.text


def test_too_large_an_object_is_refused_by_name(clerk1):
    large = event("20261207T120000Z", "20261207T130000Z", lines=f"DESCRIPTION:{'x' * 1_000_001}\r\n")
    refused = clerk1.put(f"{CALENDAR}x.ics", large)
    assert refused.status_code == 403
    assert "<C:max-resource-size " in refused.text


def test_principals_lie_at_the_root(clerk1):
    found = clerk1.find(CALENDAR, propfind("<principal-collection-set/>"))[CALENDAR]
    assert found.hrefs(f"{D}principal-collection-set") == ["/"]
