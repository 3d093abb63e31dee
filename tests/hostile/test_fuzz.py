"""Methods, paths, headers and bodies put together at random, from pieces that mean something and pieces that don't."""

from __future__ import annotations

from xml.etree.ElementTree import fromstring

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.hostile.raw import request
from tests.hostile.texts import event

SEGMENTS = st.sampled_from(
    ["clerk1", "clerk2", "lead", "site", "buergerbuero", "bauamt", "calendar", "appointments", "opening", "busy", "x.ics", "new",
     "..", ".", "%00", "%2f", "", "a b", "ü", "%ff", ".well-known", "caldav", "inbox", "outbox", "x" * 300]
)  # fmt: skip
PATHS = st.lists(SEGMENTS, max_size=4).map(lambda parts: "/" + "/".join(parts)) | st.text(max_size=30).map(
    "/{}".format
)
METHODS = st.sampled_from(
    [
        "GET",
        "HEAD",
        "PUT",
        "DELETE",
        "MOVE",
        "PROPFIND",
        "PROPPATCH",
        "REPORT",
        "MKCALENDAR",
        "MKCOL",
        "POST",
        "OPTIONS",
        "COPY",
    ]
)
DAV, CALDAV = "DAV:", "urn:ietf:params:xml:ns:caldav"
NAMES = st.sampled_from(
    [f"{prefix}:{name}" for prefix, names in {
        "D": ["propfind", "prop", "allprop", "propname", "getetag", "sync-collection", "sync-token", "sync-level", "limit", "nresults", "href",
              "propertyupdate", "set", "remove", "displayname", "resourcetype", "collection", "mkcol", "expand-property", "principal-search-property-set",
              "principal-property-search", "acl", "owner", "supported-report-set"],
        "C": ["calendar-query", "calendar-multiget", "free-busy-query", "filter", "comp-filter", "prop-filter", "param-filter", "text-match", "time-range",
              "is-not-defined", "calendar-data", "expand", "limit-recurrence-set", "limit-freebusy-set", "comp", "allcomp", "allprop", "timezone", "calendar",
              "mkcalendar", "supported-calendar-component-set", "calendar-description", "calendar-timezone", "timezone-id", "calendar-timezone-id"],
    }.items() for name in names] + ["plain", "N:own"]
)  # fmt: skip
VALUES = st.sampled_from(
    [
        "VCALENDAR",
        "VEVENT",
        "SUMMARY",
        "DTSTART",
        "20261207T000000Z",
        "20261214T000000Z",
        "99991231T235959Z",
        "yes",
        "i;octet",
        "",
        "1",
        "x",
    ]
)
ATTRIBUTES = st.dictionaries(
    st.sampled_from(
        ["name", "start", "end", "collation", "negate-condition", "content-type", "version", "novalue"]
    ),
    VALUES,
    max_size=3,
)
TEXTS = st.sampled_from(
    [
        "",
        "1",
        "infinite",
        "/clerk1/calendar/x.ics",
        "urn:termin:sync:a:1:1",
        "-1",
        "%00",
        "ü",
        "BEGIN:VCALENDAR",
    ]
)


def element(name: str, attributes: dict[str, str], inner: str) -> str:
    given = "".join(f' {key}="{value}"' for key, value in attributes.items())
    return f"<{name}{given}>{inner}</{name}>"


TREES = st.recursive(
    st.builds(element, NAMES, ATTRIBUTES, TEXTS),
    lambda inner: st.builds(element, NAMES, ATTRIBUTES, st.lists(inner, max_size=4).map("".join)),
    max_leaves=12,
)


PROPS = st.builds(
    element,
    st.sampled_from(
        [
            "plain",
            "N:own",
            "N:other",
            "D:displayname",
            "D:resourcetype",
            "C:calendar-timezone",
            "C:calendar-timezone-id",
            "C:supported-calendar-component-set",
        ]
    ),
    ATTRIBUTES,
    TEXTS | TREES,
)


def rooted(tree: str) -> bytes:
    name, rest = tree[1:].split(">", 1)
    return f'<{name} xmlns:D="{DAV}" xmlns:C="{CALDAV}" xmlns:N="urn:&quot;&lt;">{rest}'.encode()


LINES = st.lists(
    st.builds(
        "{}{}:{}".format,
        st.sampled_from(["DTSTART", "DTEND", "DURATION", "RRULE", "EXDATE", "RDATE", "RECURRENCE-ID", "SUMMARY", "TRANSP", "STATUS", "CATEGORIES", "SEQUENCE",
                         "UID", "BEGIN", "END", "X-TERMIN-SERVICE", "X-TERMIN-OFFICE", "X-TERMIN-HOLD-UNTIL", "ATTENDEE", "METHOD"]),
        st.sampled_from(["", ";VALUE=DATE", ";TZID=Europe/Berlin", ";TZID=Nowhere", ";VALUE=PERIOD", ";PERSONS=3", ";PERSONS=x", ";RANGE=THISANDFUTURE", ";"]),
        st.sampled_from(["20261207T080000Z", "20261207T080000", "20261207", "20261207T083000Z", "PT30M", "-P1D", "P0D", "FREQ=DAILY", "FREQ=SECONDLY", "FREQ=WEEKLY;BYDAY=MO;COUNT=5",
                         "FREQ=YEARLY;INTERVAL=0", "OPAQUE", "TRANSPARENT", "CANCELLED", "TENTATIVE", "VEVENT", "VTODO", "VALARM", "VTIMEZONE", "VFREEBUSY", "meldebescheinigung",
                         "buergerbuero", "20261207T080000Z/PT1H", "20261207T080000Z,20261208T080000Z", "99991231T235959Z", "00010101T000000Z", "", "ü", "\x00", "1"]),
    ),
    max_size=8,
)  # fmt: skip
BODIES = TREES.map(rooted) | LINES.map(lambda lines: event("fuzz@hostile", *lines)) | st.binary(max_size=200)
HEADERS = st.dictionaries(
    st.sampled_from(["Depth", "If-Match", "If-None-Match", "Destination", "Overwrite", "Content-Type", "Accept-Encoding", "Prefer", "Range", "If-Schedule-Tag-Match"]),
    st.sampled_from(["0", "1", "infinity", "*", '"x"', "/clerk1/calendar/y.ics", "/buergerbuero/appointments/y.ics", "T", "F", "text/calendar", "application/xml", "return=minimal", "gzip", "x"]),
    max_size=4,
)  # fmt: skip


@settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    st.sampled_from(
        [
            ("PROPPATCH", "D:propertyupdate"),
            ("PROPPATCH", "D:propertyupdate"),
            ("MKCALENDAR", "C:mkcalendar"),
            ("MKCOL", "D:mkcol"),
            ("PROPFIND", "D:propfind"),
        ]
    ),
    st.sampled_from(
        ["/clerk1/calendar/", "/clerk1/calendar/", "/clerk1/new/", "/clerk1/", "/clerk1/calendar/x.ics"]
    ),
    st.lists(PROPS, max_size=3),
    st.sampled_from(["set", "set", "remove"]),
)
def test_whatever_is_set_is_answered_and_can_be_read_again(url, kind, path, props, change):
    method, root = kind
    inner = element("D:prop", {}, "".join(props))
    body = rooted(element(root, {}, inner if method == "PROPFIND" else element(f"D:{change}", {}, inner)))
    answer = request(url, method, path, body, account="clerk1", headers={"Depth": "0"})
    assert 100 <= answer.status < 500
    for wanted in ("allprop", "propname"):
        asked = rooted(element("D:propfind", {}, element(f"D:{wanted}", {}, "")))
        read = request(url, "PROPFIND", "/clerk1/", asked, account="clerk1", headers={"Depth": "1"})
        assert read.status == 207
        fromstring(read.body)


@settings(
    max_examples=250,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(METHODS, PATHS, HEADERS, BODIES, st.sampled_from(["lead", "clerk1", "site", "admin", "nobody", ""]))
def test_whatever_is_asked_is_answered(url, method, path, headers, body, account):
    answer = request(url, method, path, body, account=account, headers=headers)
    assert 100 <= answer.status < 500
