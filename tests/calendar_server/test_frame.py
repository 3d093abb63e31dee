"""What stands around every request: paths, prefixes, credentials, and how answers leave."""

from __future__ import annotations

import gzip
from urllib.parse import quote

import pytest

from calendar_server import frame
from tests.calendar_server.test_scheduling import event, propfind
from tests.clients.dav import Dav, multistatus

CALENDAR = "/clerk1/calendar/"
NS = 'xmlns="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"'


@pytest.fixture
def clerk1(server):
    return Dav(server, "clerk1", "test")


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("", "/"),
        ("/", "/"),
        ("//", "/"),
        ("/a/b.ics", "/a/b.ics"),
        ("/a/b/", "/a/b/"),
        ("a", "/a"),
        ("/a//b/", "/a/b/"),
        ("/a/./b", "/a/b"),
        ("/a/../b/", "/b/"),
        ("/../..", "/"),
        ("/a/..", "/"),
        ("/a/b%2Fc", "/a/b%2Fc"),
        ("/a/.b/..c", "/a/.b/..c"),
    ],
)
def test_paths_are_absolute_and_without_detours(text, path):
    assert frame.path_of(text) == path


@pytest.mark.parametrize("text", ["/a\nb", "/a\x00", "/\x7f", "/\x85"])
def test_control_characters_stand_in_no_path(text):
    assert frame.path_of(text) is None


@pytest.mark.parametrize(
    ("prefix", "text", "place"),
    [
        ("", "/a/", ("", "/a/")),
        ("/dav", "/dav/a/", ("/dav", "/a/")),
        ("/dav/", "/a/", ("/dav", "/a/")),
        ("/dav", "/dav", ("/dav", "/")),
        ("/dav", "/davos/", ("/dav", "/davos/")),
        ("dav", "/a/", None),
        ("", "/\xff", None),
        ("", "/T\xc3\xbcr", ("", "/Tür")),
    ],
)
def test_a_proxys_prefix_is_taken_off_where_the_proxy_left_it(prefix, text, place):
    assert frame.place_of({"PATH_INFO": text, "HTTP_X_SCRIPT_NAME": prefix}) == place


@pytest.mark.parametrize(
    ("header", "given"),
    [
        ("Basic YTpi", ("a", "b")),
        ("basic  YTpiOmM= ", ("a", "b:c")),
        ("Basic YTo=", ("a", "")),
        ("Basic OmI=", None),
        ("Basic !", None),
        ("Basic ", None),
        ("Bearer YTpi", None),
        ("", None),
    ],
)
def test_credentials(header, given):
    assert frame.credentials({"HTTP_AUTHORIZATION": header}) == given


@pytest.mark.parametrize(
    ("accepted", "packed"),
    [
        ("gzip", True),
        ("deflate, GZIP;q=0.5", True),
        ("gzip;q=0", False),
        ("gzip; q=0.000", False),
        ("identity", False),
        ("", False),
    ],
)
def test_long_answers_are_packed_for_who_takes_that(accepted, packed):
    body = b"<response/>" * 200
    told = []
    sent = frame.send(
        {"REQUEST_METHOD": "GET", "HTTP_ACCEPT_ENCODING": accepted},
        lambda status, headers: told.append((status, dict(headers))),
        frame.Response(207, {}, body),
    )
    ((status, headers),) = told
    assert status == "207 Multi-Status"
    assert headers["Content-Length"] == str(len(sent[0]))
    assert (gzip.decompress(sent[0]) if packed else sent[0]) == body
    assert headers.get("Content-Encoding") == ("gzip" if packed else None)


def test_head_tells_the_length_without_the_body(clerk1):
    clerk1.put(f"{CALENDAR}a.ics", event("20261207T120000Z", "20261207T130000Z", uid="a"))
    got = clerk1.send("GET", f"{CALENDAR}a.ics", **{"Accept-Encoding": "identity"})
    head = clerk1.send("HEAD", f"{CALENDAR}a.ics", **{"Accept-Encoding": "identity"})
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["Content-Length"] == str(len(got.content))
    assert head.headers["ETag"] == got.headers["ETag"]


@pytest.mark.parametrize(
    "name",
    [
        "Tür zu.ics",
        "a:b.ics",
        'it\'s, "so".ics',
        "100%.ics",
        "q?x=1.ics",
        "#1.ics",
        "<&>.ics",
        "\U0001f44d\u200d.ics",
        "a;b=c.ics",
    ],
)
def test_an_object_has_the_name_that_its_client_gave_it(clerk1, name):
    path = f"{CALENDAR}{name}"
    address = CALENDAR + quote(name)
    assert clerk1.put(address, event("20261207T120000Z", "20261207T130000Z", uid="named")).status_code == 201
    assert "UID:named" in clerk1.send("GET", address).text
    listed = clerk1.find(CALENDAR, propfind("<getetag/>"), depth=1)
    assert path in listed
    body = f"<C:calendar-multiget {NS}><prop><getetag/></prop><href>{address}</href></C:calendar-multiget>"
    assert multistatus(clerk1.send("REPORT", CALENDAR, body))[path].status is None
    moved = clerk1.send("MOVE", address, Destination=f"{clerk1.url}{CALENDAR}plain.ics")
    assert moved.status_code == 201
    assert (
        clerk1.send("MOVE", f"{CALENDAR}plain.ics", Destination=f"{clerk1.url}{address}").status_code == 201
    )
    assert clerk1.send("DELETE", address).status_code == 204


QUERY = f"""<C:calendar-query {NS}><prop><getetag/></prop><C:filter><C:comp-filter name="VCALENDAR">
<C:comp-filter name="VEVENT"><C:time-range start="20261207T000000Z" end="20261208T000000Z"/></C:comp-filter>
</C:comp-filter></C:filter></C:calendar-query>"""


def test_a_query_of_one_object_is_about_that_one(clerk1):
    clerk1.put(f"{CALENDAR}a.ics", event("20261207T120000Z", "20261207T130000Z", uid="a"))
    clerk1.put(f"{CALENDAR}b.ics", event("20261207T140000Z", "20261207T150000Z", uid="b"))
    clerk1.put(f"{CALENDAR}c.ics", event("20261209T140000Z", "20261209T150000Z", uid="c"))
    assert multistatus(clerk1.send("REPORT", f"{CALENDAR}a.ics", QUERY)).keys() == {f"{CALENDAR}a.ics"}
    assert multistatus(clerk1.send("REPORT", f"{CALENDAR}c.ics", QUERY)).keys() == set()
    assert clerk1.send("REPORT", f"{CALENDAR}none.ics", QUERY).status_code == 404


@pytest.mark.parametrize("path", ["/", "/clerk1/", f"{CALENDAR}a.ics"])
@pytest.mark.parametrize("report", ["sync-collection", "C:free-busy-query", "acl-principal-prop-set"])
def test_reports_of_calendars_are_for_calendars(clerk1, path, report):
    clerk1.put(f"{CALENDAR}a.ics", event("20261207T120000Z", "20261207T130000Z", uid="a"))
    answer = clerk1.send("REPORT", path, f"<{report} {NS}/>")
    assert answer.status_code == 403
    # Where nothing but principals can be searched, the rights already say so.
    assert "supported-report" in answer.text or path in {"/", "/clerk1/"}


def test_a_report_without_a_body_asks_for_nothing(clerk1):
    assert clerk1.send("REPORT", CALENDAR, "").status_code == 400


def test_a_calendar_is_deleted_as_it_was_seen(clerk1):
    clerk1.send("MKCALENDAR", "/clerk1/second/")
    etag = clerk1.send("GET", "/clerk1/second/").headers["ETag"]
    clerk1.put("/clerk1/second/a.ics", event("20261207T120000Z", "20261207T130000Z", uid="a"))
    assert clerk1.send("DELETE", "/clerk1/second/", **{"If-Match": etag}).status_code == 412
    etag = clerk1.send("GET", "/clerk1/second/").headers["ETag"]
    assert clerk1.send("DELETE", "/clerk1/second/", **{"If-Match": etag}).status_code == 204
    assert clerk1.send("GET", "/clerk1/second/").status_code == 404


@pytest.mark.parametrize("path", [f"{CALENDAR}a.ics", CALENDAR])
def test_reading_under_preconditions(clerk1, path):
    clerk1.put(f"{CALENDAR}a.ics", event("20261207T120000Z", "20261207T130000Z", uid="a"))
    etag = clerk1.send("GET", path).headers["ETag"]
    for known in (etag, f"W/{etag}", f'"x", {etag}', "*"):
        answer = clerk1.send("GET", path, **{"If-None-Match": known})
        assert (answer.status_code, answer.content, answer.headers["ETag"]) == (304, b"", etag)
    assert clerk1.send("GET", path, **{"If-None-Match": '"x"'}).status_code == 200
    assert clerk1.send("GET", path, **{"If-Match": etag}).status_code == 200
    assert clerk1.send("GET", path, **{"If-Match": '"x"'}).status_code == 412


def test_a_part_never_takes_the_place_of_the_whole(clerk1):
    text = event("20261207T120000Z", "20261207T130000Z", uid="a")
    assert clerk1.put(f"{CALENDAR}a.ics", text, **{"Content-Range": "bytes 0-9/20"}).status_code == 400
    assert clerk1.send("GET", f"{CALENDAR}a.ics").status_code == 404


def test_nothing_is_moved_onto_itself(clerk1):
    clerk1.put(f"{CALENDAR}a.ics", event("20261207T120000Z", "20261207T130000Z", uid="a"))
    moved = clerk1.send("MOVE", f"{CALENDAR}a.ics", Destination=f"{clerk1.url}{CALENDAR}a.ics")
    assert moved.status_code == 403
    assert clerk1.send("GET", f"{CALENDAR}a.ics").status_code == 200


@pytest.mark.parametrize(
    ("depth", "status"), [("0", 207), ("1", 207), ("Infinity", 207), ("2", 400), ("x", 400)]
)
def test_depths(clerk1, depth, status):
    assert clerk1.send("PROPFIND", CALENDAR, propfind("<getetag/>"), Depth=depth).status_code == status


def test_all_properties_and_some_that_are_asked_for_besides(clerk1):
    plain = clerk1.find(CALENDAR, f"<propfind {NS}><allprop/></propfind>")[CALENDAR].props
    body = f"<propfind {NS}><allprop/><include><supported-report-set/><C:nonsense/></include></propfind>"
    more = clerk1.find(CALENDAR, body)[CALENDAR].props
    assert more.keys() - plain.keys() == {"{DAV:}supported-report-set"}
