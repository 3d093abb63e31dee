"""Properties that clients set (RFC 4918 sections 4.3 and 9.2), also those of a calendar that is being made (RFC 4791 section 5.3.1, RFC 5689)."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calendar_server import propertyupdate
from calendar_server.ical.floating import InvalidZoneError, zone_of_calendar
from calendar_server.properties import PROTECTED
from tests.calendar_server.test_scheduling import event, propfind
from tests.clients.dav import C, D, Dav, multistatus

CALENDAR = "/clerk1/calendar/"
NS = 'xmlns="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav" xmlns:X="urn:x"'
LANG = "{http://www.w3.org/XML/1998/namespace}lang"
NEW_YORK = """\
BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//tests//EN
BEGIN:VTIMEZONE
TZID:Our own New York
BEGIN:STANDARD
DTSTART:19701101T020000
RRULE:FREQ=YEARLY;BYMONTH=11;BYDAY=1SU
TZOFFSETFROM:-0400
TZOFFSETTO:-0500
END:STANDARD
BEGIN:DAYLIGHT
DTSTART:19700308T020000
RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=2SU
TZOFFSETFROM:-0500
TZOFFSETTO:-0400
END:DAYLIGHT
END:VTIMEZONE
END:VCALENDAR
""".replace("\n", "\r\n")


@pytest.fixture
def clerk1(server):
    return Dav(server, "clerk1", "test")


def patch(client: Dav, *props: str, path: str = CALENDAR):
    body = f"<propertyupdate {NS}><set><prop>{''.join(props)}</prop></set></propertyupdate>"
    return client.send("PROPPATCH", path, body)


def make(client: Dav, *props: str, path: str = "/clerk1/new/"):
    return client.send(
        "MKCALENDAR", path, f"<C:mkcalendar {NS}><set><prop>{''.join(props)}</prop></set></C:mkcalendar>"
    )


def test_a_property_keeps_its_elements_attributes_and_language(clerk1):
    given = '<X:rule a="1 &quot;2&quot;" X:b="3">before<X:when X:at="9">in<plain xmlns=""/></X:when>after</X:rule>'
    assert multistatus(patch(clerk1, given))[CALENDAR].missing == set()
    found = clerk1.find(CALENDAR, propfind('<rule xmlns="urn:x"/>'))[CALENDAR].props["{urn:x}rule"]
    sent = ET.fromstring(given.replace("<X:rule", '<X:rule xmlns:X="urn:x"', 1))
    assert same(found, sent)
    body = f'<propertyupdate {NS} xml:lang="de"><set><prop><displayname>Büro</displayname></prop></set></propertyupdate>'
    assert clerk1.send("PROPPATCH", CALENDAR, body).status_code == 207
    shown = clerk1.find(CALENDAR, propfind("<displayname/>"))[CALENDAR].props[f"{D}displayname"]
    assert (shown.text, shown.get(LANG)) == ("Büro", "de")
    patch(clerk1, "<displayname>Office</displayname>")
    shown = clerk1.find(CALENDAR, propfind("<displayname/>"))[CALENDAR].props[f"{D}displayname"]
    assert (shown.text, shown.get(LANG)) == ("Office", None)


def test_a_property_that_was_removed_is_gone_with_all_that_was_in_it(clerk1):
    patch(clerk1, "<X:rule><X:when/></X:rule>")
    body = f"<propertyupdate {NS}><remove><prop><X:rule/></prop></remove></propertyupdate>"
    assert clerk1.send("PROPPATCH", CALENDAR, body).status_code == 207
    assert clerk1.find(CALENDAR, propfind('<rule xmlns="urn:x"/>'))[CALENDAR].missing == {"{urn:x}rule"}
    names = clerk1.find(CALENDAR, f"<propfind {NS}><allprop/></propfind>")[CALENDAR].props
    assert "{urn:x}rule" not in names


@pytest.mark.parametrize("namespace", ["", 'urn:"quoted"&amp;&lt;'])
def test_a_property_may_have_any_namespace_or_none(clerk1, namespace):
    namespace = namespace.replace('"', "&quot;")
    assert patch(clerk1, f'<order xmlns="{namespace}">7</order>').status_code == 207
    found = clerk1.find(CALENDAR, propfind(f'<order xmlns="{namespace}"/><none xmlns="{namespace}"/>'))
    assert [one.text for one in found[CALENDAR].props.values()] == ["7"]
    assert len(found[CALENDAR].missing) == 1
    everything = clerk1.find(CALENDAR, f"<propfind {NS}><propname/></propfind>")[CALENDAR].props
    assert found[CALENDAR].props.keys() <= everything.keys()
    search = (
        f"<principal-property-search {NS}><property-search><prop><displayname/></prop><match>{'clerk'}</match></property-search>"
        f'<prop><order xmlns="{namespace}"/></prop></principal-property-search>'
    )
    assert clerk1.send("REPORT", "/", search).status_code == 207


def test_properties_are_bounded_together(clerk1):
    half = "x" * 60_000
    assert patch(clerk1, f"<X:one>{half}</X:one>").status_code == 207
    refused = patch(clerk1, f"<X:two>{half}</X:two>")
    assert refused.status_code == 403
    assert "properties-too-large" in refused.text
    assert make(clerk1, f"<X:one>{half * 2}</X:one>").status_code == 403


def test_a_proppatch_is_a_propertyupdate(clerk1):
    body = f"<propfind {NS}><set><prop><displayname>x</displayname></prop></set></propfind>"
    assert clerk1.send("PROPPATCH", CALENDAR, body).status_code == 400


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Europe/Berlin",
        NEW_YORK.replace("VTIMEZONE", "VEVENT"),
        NEW_YORK.replace("TZOFFSETTO:-0500\r\n", ""),
        NEW_YORK.replace("-0500", "-9900"),
        NEW_YORK.replace("TZID:Our own New York\r\n", ""),
        NEW_YORK.replace(
            "END:VTIMEZONE\r\n", "END:VTIMEZONE\r\nBEGIN:VTIMEZONE\r\nTZID:x\r\nEND:VTIMEZONE\r\n"
        ),
        event("20261207T120000Z", "20261207T130000Z"),
    ],
)
def test_a_calendar_timezone_is_one_vtimezone(clerk1, text):
    answer = patch(
        clerk1, f"<C:calendar-timezone>{text}</C:calendar-timezone>", "<displayname>x</displayname>"
    )
    assert multistatus(answer)[CALENDAR].missing == {f"{C}calendar-timezone", f"{D}displayname"}
    assert "<C:valid-calendar-data/>" in answer.text
    made = make(clerk1, f"<C:calendar-timezone>{text}</C:calendar-timezone>")
    assert made.status_code == 403
    assert "<C:valid-calendar-data/>" in made.text
    assert clerk1.send("PROPFIND", "/clerk1/new/", Depth="0").status_code == 404


def test_a_calendar_timezone_is_kept_and_told_by_its_name(clerk1):
    wanted = propfind("<C:calendar-timezone/><C:calendar-timezone-id/>")
    assert multistatus(patch(clerk1, f"<C:calendar-timezone>{NEW_YORK}</C:calendar-timezone>"))
    found = clerk1.find(CALENDAR, wanted)[CALENDAR]
    assert found.text(f"{C}calendar-timezone").splitlines() == NEW_YORK.splitlines()
    assert found.missing == {f"{C}calendar-timezone-id"}
    assert patch(clerk1, "<C:calendar-timezone-id>Asia/Tokyo</C:calendar-timezone-id>").status_code == 207
    found = clerk1.find(CALENDAR, wanted)[CALENDAR]
    assert found.text(f"{C}calendar-timezone-id") == "Asia/Tokyo"
    assert "TZID:Asia/Tokyo" in found.text(f"{C}calendar-timezone")
    refused = patch(clerk1, "<C:calendar-timezone-id>Mars/Base</C:calendar-timezone-id>")
    assert "<C:valid-timezone/>" in refused.text
    body = f"<propertyupdate {NS}><remove><prop><C:calendar-timezone-id/></prop></remove></propertyupdate>"
    assert clerk1.send("PROPPATCH", CALENDAR, body).status_code == 207
    assert clerk1.find(CALENDAR, wanted)[CALENDAR].props == {}


@pytest.mark.parametrize("prop", ["<getetag>x</getetag>", "<C:max-resource-size>1</C:max-resource-size>"])
def test_a_calendar_is_not_made_when_a_property_cannot_be_set(clerk1, prop):
    refused = make(clerk1, "<displayname>x</displayname>", prop)
    assert refused.status_code == 403
    root = ET.fromstring(refused.content)
    assert root.tag == f"{C}mkcalendar-response"
    statuses = {
        element.tag: propstat.findtext(f"{D}status")
        for propstat in root.iter(f"{D}propstat")
        for element in propstat.find(f"{D}prop") or ()
    }
    assert statuses.pop(f"{D}displayname") == "HTTP/1.1 424 Failed Dependency"
    assert list(statuses.values()) == ["HTTP/1.1 403 Forbidden"]
    assert clerk1.send("PROPFIND", "/clerk1/new/", Depth="0").status_code == 404


def test_a_calendar_is_made_with_all_that_was_asked(clerk1):
    made = make(
        clerk1,
        "<resourcetype><collection/><C:calendar/></resourcetype>",
        '<displayname xml:lang="de">Neu</displayname>',
        f"<C:calendar-timezone>{NEW_YORK}</C:calendar-timezone>",
        '<C:supported-calendar-component-set><C:comp name="vtodo"/><C:comp name="X-OWN"/><C:comp/></C:supported-calendar-component-set>',
        "<C:schedule-calendar-transp><C:transparent/></C:schedule-calendar-transp>",
    )
    assert made.status_code == 201
    asked = "<resourcetype/><displayname/><C:calendar-timezone/><C:supported-calendar-component-set/><C:schedule-calendar-transp/>"
    found = clerk1.find("/clerk1/new/", propfind(asked))["/clerk1/new/"]
    assert found.missing == set()
    assert found.props[f"{D}displayname"].get(LANG) == "de"
    assert [one.get("name") for one in found.props[f"{C}supported-calendar-component-set"]] == ["VTODO"]
    assert found.names(f"{C}schedule-calendar-transp") == {f"{C}transparent"}


def test_a_calendar_for_nothing_that_we_know_is_not_made(clerk1):
    prop = '<C:supported-calendar-component-set><C:comp name="VPOLL"/></C:supported-calendar-component-set>'
    refused = make(clerk1, prop)
    assert refused.status_code == 403
    assert "<C:supported-calendar-component/>" in refused.text


@pytest.mark.parametrize(
    "kind", ["", "<collection/>", "<collection/><Y:addressbook xmlns:Y='urn:ietf:params:xml:ns:carddav'/>"]
)
def test_only_calendars_are_made(clerk1, kind):
    body = f"<mkcol {NS}><set><prop><resourcetype>{kind}</resourcetype></prop></set></mkcol>"
    refused = clerk1.send("MKCOL", "/clerk1/new/", body)
    assert refused.status_code == 403
    assert "<valid-resourcetype/>" in refused.text
    assert "mkcol-response" in refused.text
    assert clerk1.send("PROPFIND", "/clerk1/new/", Depth="0").status_code == 404


def test_a_body_of_another_kind_makes_nothing(clerk1):
    assert clerk1.send("MKCALENDAR", "/clerk1/new/", f"<propfind {NS}/>").status_code == 400
    assert clerk1.send("MKCOL", "/clerk1/new/", f"<propfind {NS}/>").status_code == 415
    assert clerk1.send("MKCOL", "/clerk1/new/", "what?", **{"Content-Type": "text/plain"}).status_code == 415
    assert clerk1.send("PROPFIND", "/clerk1/new/", Depth="0").status_code == 404


NAMES = st.from_regex(r"[a-z]{1,5}", fullmatch=True)
TEXTS = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="\ufffe\uffff"),
    max_size=10,
)
SPACES = st.sampled_from(["", "DAV:", "urn:x", 'quo"te', "http://www.w3.org/XML/1998/namespace"])


@st.composite
def elements(draw, depth=2):
    space = draw(SPACES.filter(lambda one: "XML" not in one))
    made = ET.Element(f"{{{space}}}{draw(NAMES)}" if space else draw(NAMES))
    for name in draw(st.lists(NAMES, max_size=2, unique=True)):
        space = draw(SPACES)
        made.set(f"{{{space}}}{name}" if space else name, draw(TEXTS))
    made.text = draw(TEXTS)
    for child in draw(st.lists(elements(depth - 1), max_size=2)) if depth else ():
        child.tail = draw(TEXTS)
        made.append(child)
    return made


def same(one: ET.Element, other: ET.Element) -> bool:
    return (
        (one.tag, one.attrib, one.text or "", len(one))
        == (other.tag, other.attrib, other.text or "", len(other))
        and all(a.tail == b.tail or not (a.tail or b.tail) for a, b in zip(one, other, strict=True))
        and all(map(same, one, other))
    )


@settings(max_examples=100, deadline=None)
@given(elements())
def test_whatever_is_kept_is_given_back(prop):
    root = ET.Element(f"{D}propertyupdate")
    ET.SubElement(ET.SubElement(root, f"{D}set"), f"{D}prop").append(prop)
    update = propertyupdate.read(root, PROTECTED, 2026)
    (tag,) = propertyupdate.tags_in({**update.props, "tag": "VCALENDAR"})
    assert tag == prop.tag
    name = propertyupdate.name_of(tag)
    whole = update.props.get(propertyupdate.whole_name(name))
    if whole is None:
        assert (len(prop), prop.attrib) == (0, {})
        assert update.props[name] == prop.text
    else:
        assert same(ET.fromstring(whole), prop)


def test_a_zone_that_has_a_known_name_is_that_one():
    assert (
        str(zone_of_calendar(NEW_YORK.replace("Our own New York", "Eastern Standard Time")))
        == "America/New_York"
    )
    with pytest.raises(InvalidZoneError):
        zone_of_calendar("BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n")
