"""Calendar objects that stop other servers: they are refused, or cost little, when they are put and at every later REPORT."""

from __future__ import annotations

import pytest

from tests.hostile.raw import request
from tests.hostile.texts import event

START = "DTSTART:20261207T080000Z"
END = "DTEND:20261207T083000Z"
RULES = {
    "INTERVAL=0": "RRULE:FREQ=DAILY;INTERVAL=0",
    "INTERVAL=-1": "RRULE:FREQ=DAILY;INTERVAL=-1",
    "INTERVAL huge": "RRULE:FREQ=YEARLY;INTERVAL=99999999999",
    "SECONDLY": "RRULE:FREQ=SECONDLY",
    "SECONDLY forever by second": "RRULE:FREQ=SECONDLY;BYSECOND=1;BYMONTH=2;BYMONTHDAY=30",
    "MINUTELY": "RRULE:FREQ=MINUTELY",
    "never": "RRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
    "never weekly": "RRULE:FREQ=WEEKLY;BYDAY=MO;BYSETPOS=5",
    "COUNT huge": "RRULE:FREQ=DAILY;COUNT=2147483648",
    "COUNT=0": "RRULE:FREQ=DAILY;COUNT=0",
    "UNTIL before": "RRULE:FREQ=DAILY;UNTIL=19700101T000000Z",
    "UNTIL naive": "RRULE:FREQ=DAILY;UNTIL=20270101T000000",
    "UNTIL date": "RRULE:FREQ=DAILY;UNTIL=20270101",
    "two rules": "RRULE:FREQ=DAILY\r\nRRULE:FREQ=HOURLY",
    "EXRULE": "RRULE:FREQ=DAILY\r\nEXRULE:FREQ=DAILY",
    "no FREQ": "RRULE:INTERVAL=1",
    "unknown FREQ": "RRULE:FREQ=FORTNIGHTLY",
    "empty": "RRULE:",
    "every by": "RRULE:FREQ=YEARLY;BYSECOND="
    + ",".join(map(str, range(60)))
    + ";BYMINUTE="
    + ",".join(map(str, range(60)))
    + ";BYHOUR="
    + ",".join(map(str, range(24))),
    "BYSETPOS": "RRULE:FREQ=YEARLY;BYDAY=MO;BYSETPOS=366",
    "many RDATE": "RDATE:"
    + ",".join(
        f"2027{m:02}{d:02}T{h:02}0000Z" for m in range(1, 13) for d in range(1, 28) for h in range(24)
    ),
    "many EXDATE": "RRULE:FREQ=HOURLY\r\nEXDATE:"
    + ",".join(
        f"2027{m:02}{d:02}T{h:02}0000Z" for m in range(1, 13) for d in range(1, 28) for h in range(24)
    ),
    "RDATE;VALUE=PERIOD backwards": "RDATE;VALUE=PERIOD:20270101T100000Z/20260101T100000Z",
    "RDATE mixed": "RRULE:FREQ=DAILY;COUNT=3\r\nRDATE:20270101T100000\r\nRDATE;VALUE=DATE:20270102",
    "EXDATE mixed": "RRULE:FREQ=DAILY;COUNT=3\r\nEXDATE:20261208T080000\r\nEXDATE;VALUE=DATE:20261209",
    "RECURRENCE-ID alone": "RECURRENCE-ID:20261207T080000Z",
    "RECURRENCE-ID naive": "RRULE:FREQ=DAILY;COUNT=3\r\nRECURRENCE-ID:20261207T080000",
}
TIMES = {
    "year 0": ("DTSTART:00000101T000000Z", END),
    "year 1": ("DTSTART:00010101T000000Z", "DTEND:00010101T010000Z"),
    "year 9999": ("DTSTART:99991231T235959Z", "DTEND:99991231T235959Z"),
    "year 9999 daily": ("DTSTART:99991230T235959Z", "DURATION:P1D", "RRULE:FREQ=DAILY"),
    "from 1 to 9999": ("DTSTART:00010101T000000Z", "DTEND:99991231T235959Z"),
    "daily since 1": ("DTSTART:00010101T000000Z", "DURATION:PT1H", "RRULE:FREQ=DAILY"),
    "no start": ("SUMMARY:x",),
    "end before start": (START, "DTEND:20251207T083000Z"),
    "date and time": ("DTSTART;VALUE=DATE:20261207", END),
    "time and date": (START, "DTEND;VALUE=DATE:20261208"),
    "floating and UTC": ("DTSTART:20261207T080000", END),
    "floating series, UTC exception": (
        "DTSTART:20261207T080000",
        "DTEND:20261207T083000",
        "RRULE:FREQ=DAILY;COUNT=5",
        "EXDATE:20261208T080000Z",
    ),
    "duration": (START, "DURATION:P999999999W"),
    "negative duration": (START, "DURATION:-PT1H"),
    "no duration": (START, "DURATION:x"),
    "both": (START, END, "DURATION:PT1H"),
    "unknown zone": (
        "DTSTART;TZID=Nowhere/At_All:20261207T080000",
        "DTEND;TZID=Nowhere/At_All:20261207T083000",
    ),
    "path as zone": ("DTSTART;TZID=../../../etc/passwd:20261207T080000", "DURATION:PT1H"),
    "absolute zone": ("DTSTART;TZID=/etc/passwd:20261207T080000", "DURATION:PT1H"),
    "NUL zone": ("DTSTART;TZID=a\x00b:20261207T080000", "DURATION:PT1H"),
    "two starts": (START, "DTSTART:20261208T080000Z", END),
    "30 February": ("DTSTART:20260230T080000Z", "DURATION:PT1H"),
    "25 o'clock": ("DTSTART:20261207T250000Z", "DURATION:PT1H"),
    "second 60": ("DTSTART:20261207T235960Z", "DURATION:PT1H"),
    "letters": ("DTSTART:tomorrow", END),
    "long summary": (START, END, "SUMMARY:" + "x" * 900_000),
    "many properties": (START, END, *["X-A:b"] * 50_000),
    "many alarms": (START, END, *["BEGIN:VALARM", "ACTION:DISPLAY", "TRIGGER:-PT1S", "END:VALARM"] * 5_000),
    "alarm of years": (
        START,
        END,
        "BEGIN:VALARM",
        "TRIGGER:-P99999999W",
        "REPEAT:999999999",
        "DURATION:PT1S",
        "END:VALARM",
    ),
    "many parameters": (START, END, "ATTENDEE" + ";X-A=b" * 20_000 + ":mailto:a@b"),
    "unclosed quote": (START, END, 'ATTENDEE;CN="x:mailto:a@b'),
    "never ends": (START, "BEGIN:VALARM"),
    "nested": (START, END, *["BEGIN:VALARM"] * 2_000, *["END:VALARM"] * 2_000),
    "NUL": (START, END, "SUMMARY:\x00"),
    "controls": (START, END, "SUMMARY:\x01\x02\x1b[31m\x7f"),
    "no character": (START, END, "SUMMARY:\ufffe\uffff"),
    "XML": (START, END, "SUMMARY:</C:calendar-data>]]><script>&"),
    "METHOD": (START, END, "METHOD:REQUEST"),
    "PERSONS": (START, END, "X-TERMIN-SERVICE;PERSONS=99999999999999999999:meldebescheinigung"),
    "PERSONS no number": (START, END, "X-TERMIN-SERVICE;PERSONS=²:meldebescheinigung"),
    "SEQUENCE huge": (START, END, "SEQUENCE:99999999999999999999", "X-TERMIN-OFFICE:buergerbuero"),
    "SEQUENCE largest": (START, END, "SEQUENCE:2147483647", "X-TERMIN-OFFICE:buergerbuero"),
    "SEQUENCE letters": (START, END, "SEQUENCE:abc", "X-TERMIN-OFFICE:buergerbuero"),
    "HOLD-UNTIL": (START, END, "X-TERMIN-HOLD-UNTIL:99991231T235959Z", "X-TERMIN-OFFICE:buergerbuero"),
    "HOLD-UNTIL long ago": (
        START,
        END,
        "X-TERMIN-HOLD-UNTIL:00010101T000000Z",
        "X-TERMIN-OFFICE:buergerbuero",
    ),
    "HOLD-UNTIL letters": (START, END, "X-TERMIN-HOLD-UNTIL:soon", "X-TERMIN-OFFICE:buergerbuero"),
    "CATEGORIES": (START, END, "TRANSP:TRANSPARENT", "CATEGORIES:" + "a," * 10_000),
}
BODIES = {
    "empty": b"",
    "one line": b"BEGIN:VCALENDAR",
    "only a calendar": b"BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n",
    "a card": b"BEGIN:VCARD\r\nVERSION:4.0\r\nFN:x\r\nEND:VCARD\r\n",
    "bytes": bytes(range(256)) * 100,
    "Latin-1": "BEGIN:VCALENDAR\r\nX-A:Bürgerbüro\r\nEND:VCALENDAR\r\n".encode("latin-1"),
    "UTF-16": event("u16@hostile", START, END).decode().encode("utf-16"),
    "surrogate": b"BEGIN:VCALENDAR\r\nX-A:\xed\xa0\x80\r\nEND:VCALENDAR\r\n",
    "folded for ever": b"BEGIN:VCALENDAR\r\nX-A:" + b"\r\n a" * 200_000 + b"\r\nEND:VCALENDAR\r\n",
    "nested calendars": b"BEGIN:VCALENDAR\r\n" * 5_000 + b"END:VCALENDAR\r\n" * 5_000,
    "no line breaks": b"BEGIN:VCALENDAR" + b"A" * 900_000,
    "many events": b"BEGIN:VCALENDAR\r\n"
    + b"BEGIN:VEVENT\r\nUID:m\r\nEND:VEVENT\r\n" * 20_000
    + b"END:VCALENDAR\r\n",
}
QUERY = (
    '<C:calendar-query xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><D:prop><D:getetag/><C:calendar-data>{data}</C:calendar-data></D:prop>'
    '<C:filter><C:comp-filter name="VCALENDAR"><C:comp-filter name="VEVENT">{inner}</C:comp-filter></C:comp-filter></C:filter></C:calendar-query>'
)
WEEK = '<C:time-range start="20261207T000000Z" end="20261214T000000Z"/>'
EXPAND = '<C:expand start="20261207T000000Z" end="20261214T000000Z"/>'
LIMIT = '<C:limit-recurrence-set start="20261207T000000Z" end="20261214T000000Z"/>'
FREE_BUSY = '<C:free-busy-query xmlns:C="urn:ietf:params:xml:ns:caldav">{}</C:free-busy-query>'


def reports() -> list[str]:
    """What clients ask of a calendar that has such an object in it."""
    return [
        QUERY.format(data="", inner=WEEK),
        QUERY.format(data=EXPAND, inner=WEEK),
        QUERY.format(data=LIMIT, inner=WEEK),
        QUERY.format(data=EXPAND, inner=""),
        QUERY.format(data="", inner='<C:time-range start="99991201T000000Z"/>'),
        FREE_BUSY.format(WEEK),
    ]


def the_office_works(url: str) -> None:
    """What stands in one calendar keeps the site from nothing: it reads everybody's times, and books."""
    assert request(url, "GET", "/buergerbuero/busy/").status == 200
    booking = event("booking@hostile", "DTSTART:20261209T080000Z", "DTEND:20261209T083000Z")
    path = "/buergerbuero/appointments/booking.ics"
    assert request(url, "PUT", path, booking).status in {201, 403}
    assert request(url, "DELETE", path).status in {204, 404}


def stands(url: str, body: bytes, collection: str, account: str) -> None:
    """PUT it; whether it was taken or not, nothing that is asked afterwards fails."""
    path = f"/{collection}/hostile.ics"
    put = request(url, "PUT", path, body, account=account, headers={"Content-Type": "text/calendar"})
    assert 200 <= put.status < 500
    try:
        for report in reports():
            answer = request(
                url,
                "REPORT",
                f"/{collection}/",
                report.encode(),
                headers={"Depth": "1", "Content-Type": "application/xml"},
            )
            assert 200 <= answer.status < 500, report
        if put.status in {201, 204}:
            assert request(url, "GET", path).status == 200
        the_office_works(url)
    finally:
        assert request(url, "DELETE", path).status < 500


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_a_rule_that_never_ends_stops_nobody(url, rule):
    stands(url, event("rule@hostile", START, END, rule), "clerk1/calendar", "clerk1")


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_an_opening_window_that_never_ends_stops_nobody(url, rule):
    text = event("window@hostile", START, END, "TRANSP:TRANSPARENT", rule)
    stands(url, text, "buergerbuero/opening", "lead")


@pytest.mark.parametrize("lines", TIMES.values(), ids=TIMES)
@pytest.mark.parametrize(
    "collection", ["clerk1/calendar", "buergerbuero/appointments", "buergerbuero/opening"]
)
def test_times_and_texts_of_any_kind(url, lines, collection):
    stands(url, event("time@hostile", *lines), collection, "lead")


TASKS = {
    "no time": (),
    "due": ("DUE:20261207T080000Z",),
    "due at the end": ("DUE:99991231T235959Z",),
    "completed in year 1": ("COMPLETED:00010101T000000Z",),
    "created": ("CREATED:20261201T080000Z",),
    "start": (START,),
}


@pytest.mark.parametrize("lines", TASKS.values(), ids=TASKS)
def test_a_task_of_any_kind(url, lines):
    text = event("task@hostile", "SUMMARY:Akten sortieren", *lines).replace(b"VEVENT", b"VTODO")
    stands(url, text, "clerk1/calendar", "clerk1")


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
@pytest.mark.parametrize(
    "path",
    ["/clerk1/calendar/x.ics", "/buergerbuero/appointments/x.ics", "/clerk1/calendar/", "/clerk1/more/"],
)
def test_bodies_that_are_no_calendar(url, body, path):
    assert 200 <= request(url, "PUT", path, body, account="clerk1").status < 500


WHOLE = "/clerk1/whole/"


def whole(*objects: bytes) -> bytes:
    """Several objects as one stream."""
    inner = (text[text.index(b"BEGIN:VEVENT") : text.index(b"END:VCALENDAR")] for text in objects)
    return b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\n" + b"".join(inner) + b"END:VCALENDAR\r\n"


@pytest.mark.parametrize("lines", TIMES.values(), ids=TIMES)
def test_a_whole_calendar_with_one_bad_event(url, lines):
    body = whole(event("good@hostile", START, END), event("bad@hostile", *lines))
    put = request(url, "PUT", WHOLE, body, account="clerk1")
    assert 200 <= put.status < 500
    got = request(url, "GET", WHOLE, account="clerk1")
    assert got.status == (200 if put.status == 201 else 404)
    # Some of the bad ones are appointments, which keep a calendar from being deleted.
    assert request(url, "DELETE", f"{WHOLE}bad@hostile.ics", account="clerk1").status < 500
    assert request(url, "DELETE", WHOLE, account="clerk1").status == (204 if put.status == 201 else 404)


def test_a_calendar_of_too_many_events_is_refused(url):
    body = whole(*(event(f"{number}@hostile", START, END) for number in range(20_000)))
    put = request(url, "PUT", WHOLE, body, account="clerk1")
    assert put.status == 403
    assert b"too-many-objects" in put.body
    assert request(url, "GET", WHOLE, account="clerk1").status == 404


@pytest.mark.parametrize(
    "uid", ["", " ", "/", "../x", "a" * 5_000, "\x7f", "ü" * 300, "%00", "a\\nb", "'; DROP TABLE objects; --"]
)
@pytest.mark.parametrize("collection", ["clerk1/calendar", "buergerbuero/appointments"])
def test_uids_of_any_kind(url, uid, collection):
    stands(url, event(uid, START, END), collection, "lead")


RANGES = [
    "<C:time-range/>", '<C:time-range start=""/>', '<C:time-range start="x" end="y"/>', '<C:time-range start="20261207"/>',
    '<C:time-range start="20261214T000000Z" end="20261207T000000Z"/>', '<C:time-range start="20261207T000000" end="20261214T000000"/>',
    '<C:time-range start="00010101T000000Z" end="99991231T235959Z"/>', '<C:time-range start="00000000T000000Z"/>',
    '<C:time-range start="20261207T000000Z" end="20261207T000000Z"/>', '<C:time-range start="٢٠٢٦١٢٠٧T٠٠٠٠٠٠Z"/>',
]  # fmt: skip


@pytest.mark.parametrize("inner", RANGES)
@pytest.mark.parametrize(
    "collection",
    ["clerk1/calendar", "buergerbuero/appointments", "buergerbuero/opening", "buergerbuero/busy"],
)
def test_ranges_of_any_kind(url, inner, collection):
    series = event("series@hostile", START, END, "RRULE:FREQ=HOURLY")
    floating = event(
        "floating@hostile",
        "DTSTART:20261207T080000",
        "DURATION:PT1H",
        "RRULE:FREQ=DAILY",
        "EXDATE:20261208T080000Z",
    )
    for name, text in (("series", series), ("floating", floating)):
        request(url, "PUT", f"/clerk1/calendar/{name}.ics", text)
    expand = inner.replace("time-range", "expand")
    bodies = [
        QUERY.format(data="", inner=inner),
        QUERY.format(data=expand, inner=""),
        FREE_BUSY.format(inner),
    ]
    bodies += [QUERY.format(data=inner.replace("time-range", "limit-recurrence-set"), inner=inner)]
    for body in bodies:
        answer = request(url, "REPORT", f"/{collection}/", body.encode(), headers={"Depth": "1"})
        assert 200 <= answer.status < 500, body


SYNC = '<D:sync-collection xmlns:D="DAV:"><D:sync-token>{}</D:sync-token><D:sync-level>{}</D:sync-level>{}<D:prop><D:getetag/></D:prop></D:sync-collection>'


@pytest.mark.parametrize(
    "token",
    [
        "x",
        "urn:termin:sync:",
        "urn:termin:sync:a:b:c",
        "urn:termin:sync:busy:x:1:2026-99-99",
        "http://x/" + "9" * 5_000,
        "urn:termin:sync:a:1:٣",
        "-1",
        "&#0;",
    ],
)
def test_tokens_of_any_kind(url, token):
    for collection in ("clerk1/calendar", "buergerbuero/appointments", "buergerbuero/busy"):
        for level, limit in (
            ("1", ""),
            ("infinite", "<D:limit><D:nresults>-1</D:nresults></D:limit>"),
            ("x", "<D:limit><D:nresults>9999999999999999999999</D:nresults></D:limit>"),
            ("1", "<D:limit/>"),
        ):
            answer = request(
                url,
                "REPORT",
                f"/{collection}/",
                SYNC.format(token, level, limit).encode(),
                headers={"Depth": "0"},
            )
            assert 400 <= answer.status < 500
