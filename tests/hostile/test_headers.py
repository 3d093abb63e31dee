"""Headers, methods and paths that no client has reason to send."""

from __future__ import annotations

import base64

import pytest

from tests.hostile.raw import authorization, request, send

PROPFIND = b'<D:propfind xmlns:D="DAV:"><D:prop><D:displayname/><D:owner/></D:prop></D:propfind>'


def basic(text: bytes) -> str:
    return "Basic " + base64.b64encode(text).decode()


CREDENTIALS = {
    "no token": "Basic",
    "empty token": "Basic ",
    "no base64": "Basic !!!",
    "bad padding": "Basic YQ",
    "no colon": basic(b"lead"),
    "no UTF-8": basic(b"\xff\xfe:\xff"),
    "NUL": basic(b"lead\x00:demo"),
    "line break": basic(b"lead\r\nX-Evil: 1:demo"),
    "empty": basic(b":"),
    "slash": basic(b"../lead:demo"),
    "long": basic(b"a" * 20_000 + b":b"),
    "long password": basic(b"lead:" + b"b" * 20_000),
    "other scheme": "Bearer abc",
    "digest": 'Digest username="lead"',
    "negotiate": "Negotiate YII=",
    "not ASCII": b"Basic \xc3\xa4",
    "spaces": "   ",
    "two": f"{authorization('lead')}, {authorization('admin')}",
    "hash as password": basic(b"lead:$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$aaaa"),
}


@pytest.mark.parametrize("value", CREDENTIALS.values(), ids=CREDENTIALS)
def test_malformed_credentials_let_nobody_in(url, value):
    answer = request(
        url,
        "PROPFIND",
        "/clerk1/calendar/",
        PROPFIND,
        account="",
        headers={"Authorization": value, "Depth": "0"},
    )
    # 431 is the server in front, to which a header of that length is too long.
    assert answer.status in {400, 401, 431}


def test_a_path_that_is_no_text_is_refused(url):
    assert request(url, "GET", "/clerk1/calendar/%ff.ics").status == 400


@pytest.mark.parametrize(
    "name", ["X-Script-Name", "X-Forwarded-Host", "X-Forwarded-Prefix", "X-Remote-User", "X-Forwarded-For"]
)
@pytest.mark.parametrize("path", ["/", "/.well-known/caldav", "/clerk1/calendar/"])
def test_headers_of_a_proxy_mean_nothing(url, name, path):
    evil = "//evil.example/x" if name == "X-Script-Name" else "evil.example"
    plain = request(url, "GET", path)
    answer = request(url, "GET", path, headers={name: evil})
    assert answer.status == plain.status < 500
    assert "evil" not in answer.head
    answer = request(url, "PROPFIND", path, PROPFIND, account="", headers={name: "lead", "Depth": "0"})
    assert answer.status < 500
    assert answer.status != 207


@pytest.mark.parametrize(
    "length", ["-1", "abc", "1e3", "0x10", "99999999999999999999", "1, 2", "", " ", "+5", "\u0665"]
)
def test_a_bad_length_is_refused(url, length):
    answer = request(
        url, "PUT", "/clerk1/calendar/x.ics", b"hello", headers={"Content-Length": length}, length=False
    )
    assert answer.status < 500


def test_two_lengths_are_refused(url):
    data = (
        b"PUT /clerk1/calendar/x.ics HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n"
        b"Connection: close\r\n\r\nhello!"
    )
    assert send(url, data).status in {0, 400, 401}


def test_a_length_and_chunks_together_smuggle_nothing(url):
    data = (
        b"PROPFIND /clerk1/calendar/ HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n"
        b"Authorization: " + authorization("lead").encode() + b"\r\nDepth: 0\r\n\r\n0\r\n\r\n"
        b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    )
    assert send(url, data).status < 500


def chunked(*parts: bytes) -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


def with_chunks(url, body: bytes, method="PROPFIND", path="/clerk1/calendar/"):
    return request(
        url, method, path, body, headers={"Transfer-Encoding": "chunked", "Depth": "0"}, length=False
    )


def test_a_body_in_chunks_is_read(url):
    assert with_chunks(url, chunked(PROPFIND[:10], PROPFIND[10:])).status == 207


def test_a_put_in_chunks_is_stored_whole(url):
    from tests.hostile.texts import event  # noqa: PLC0415 - only this one needs it

    text = event("chunks@hostile", "DTSTART:20270106T100000Z", "DTEND:20270106T110000Z")
    assert with_chunks(
        url, chunked(text[:7], text[7:99], text[99:]), "PUT", "/clerk1/calendar/chunks.ics"
    ).status in {201, 204}
    assert b"chunks@hostile" in request(url, "GET", "/clerk1/calendar/chunks.ics").body


@pytest.mark.parametrize(
    "body",
    [
        b"zz\r\nhello\r\n0\r\n\r\n",
        b"-5\r\nhello\r\n0\r\n\r\n",
        b"fffffffffffffffff\r\nx\r\n",
        b"5\r\nhel\r\n0\r\n\r\n",
    ],
    ids=["no number", "negative", "huge", "too short"],
)
def test_broken_chunks_are_refused(url, body):
    assert with_chunks(url, body).status < 500


@pytest.mark.parametrize("how", ["length", "chunks"])
def test_a_body_that_is_too_large_is_refused(url, how):
    body = b"x" * 11_000_000
    if how == "length":
        answer = request(url, "PUT", "/clerk1/calendar/x.ics", body)
    else:
        answer = with_chunks(url, chunked(*[b"x" * 1_000_000] * 11), "PUT", "/clerk1/calendar/x.ics")
    assert answer.status in {0, 400, 413}


def test_a_length_that_promises_too_much_is_refused_before_it_comes(url):
    answer = request(
        url, "PUT", "/clerk1/calendar/x.ics", b"x", headers={"Content-Length": "50000000"}, length=False
    )
    assert answer.status in {0, 400, 413}


METHODS = [
    "TRACE", "CONNECT", "PATCH", "LOCK", "UNLOCK", "COPY", "ACL", "SEARCH", "BIND", "MKREDIRECTREF", "VERSION-CONTROL",
    "get", "Put", "propfind", "__init__", "__class__", "do_GET", "X" * 300, "GET/../", b"\xff\xff", "handle", "call",
]  # fmt: skip


@pytest.mark.parametrize("method", METHODS, ids=[str(method)[:20] for method in METHODS])
def test_an_unknown_method_is_refused(url, method):
    answer = request(url, method, "/clerk1/calendar/")
    assert answer.status < 500


PATHS = [
    "/\x00", "/%00", "/clerk1/calendar/%00.ics", "/clerk1/%00/x.ics", "/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd",
    "/..%2f..%2fetc%2fpasswd", "/clerk1/calendar/../../clerk2/calendar/", "/clerk1/calendar/..%2f..%2fclerk2",
    "/clerk1/calendar/%5c..%5c", "//evil.example/", "///", "/clerk1//calendar//", "/.", "/./clerk1/./calendar/",
    "/clerk1/calendar/%ed%a0%80.ics", "/clerk1/calendar/%ff%fe.ics", b"/clerk1/calendar/\xff\xfe.ics", "/\ud800",
    "/clerk1/calendar/%f4%90%80%80.ics", "/clerk1/calendar/%C0%AF.ics", "/clerk1/calendar/%0d%0aX-Evil:%201.ics",
    "/clerk1/calendar/" + "a" * 300 + ".ics", "/clerk1/calendar/" + "a" * 7000 + ".ics", "/" + "a/" * 3000,
    "/clerk1/calendar/x.ics?" + "y" * 5000, "/clerk1/calendar/;x.ics", "/clerk1/calendar/#x", "*", "http://evil.example/",
    "/%", "/%zz", "/clerk1/calendar/%25%30%30", "/clerk1/calendar/😀.ics", "/.web/", "/.sharing/v1/all/", "/.token",
    "/.well-known/", "/.well-known/caldav/../../", "/clerk1/calendar/.Radicale.props", "/clerk1/calendar/a~", "/buergerbuero/busy/x",
    "/buergerbuero/busy/k000000000000-99999999.ics", "/buergerbuero/busy/opening-20261399.ics",
    "/clerk1/calendar/ .ics", "/clerk1/calendar/x.ics/", "/clerk1/calendar/x.ics/y.ics",
    "/feeds", "/feeds/", "/feeds/.ics", "/feeds/%00.ics", b"/feeds/\xff\xfe.ics", "/feeds/%ed%a0%80.ics", "/feeds/../clerk1/calendar/.ics",
    "/feeds/" + "a" * 7000 + ".ics", "/.termin/", "/.termin/own/", "/.termin/own/feeds", "/.termin/own/feeds/%00/revoke",
    "/.termin/own/feeds/" + "9" * 300 + "/revoke", "/.termin/own/app-passwords/-1/revoke", "/.termin/own/app-passwords/%ff/revoke",
]  # fmt: skip


@pytest.mark.parametrize(
    "method",
    [
        "GET",
        "PUT",
        "DELETE",
        "PROPFIND",
        "REPORT",
        "MKCALENDAR",
        "MKCOL",
        "PROPPATCH",
        "MOVE",
        "POST",
        "OPTIONS",
        "HEAD",
    ],
)
def test_an_odd_path_is_no_reason_to_fail(url, method):
    from tests.hostile.texts import event  # noqa: PLC0415 - only this one needs it

    body = {
        "PUT": event("odd@hostile", "DTSTART:20270106T100000Z", "DTEND:20270106T110000Z"),
        "PROPFIND": PROPFIND,
        "REPORT": b'<D:sync-collection xmlns:D="DAV:"><D:sync-token/><D:sync-level>1</D:sync-level><D:prop/></D:sync-collection>',
    }.get(method, b"")
    failed = []
    for path in PATHS:
        headers = {
            "Depth": "1",
            "Destination": path if isinstance(path, str) and path.isprintable() and path.isascii() else "/x",
        }
        answer = request(url, method, path, body, headers=headers)
        # HTTP 505 and 501 would be ours to avoid as well.
        if answer.status >= 500 or b"root:x:" in answer.body:
            failed.append((path, answer.status))
    assert failed == []


DESTINATIONS = [
    "", "/", "//", "http://evil.example/clerk1/calendar/x.ics", "http://[::1", "http://localhost:99999999/x", "ftp://localhost/x",
    "/clerk1/calendar/%00.ics", "/clerk1/calendar/", "/clerk1/calendar/../../x", "/buergerbuero/appointments/x.ics",
    "/buergerbuero/busy/x.ics", "/buergerbuero/opening/x.ics", "/nobody/calendar/x.ics", "/bauamt/opening/x.ics", "x", "\x7f", "%",
]  # fmt: skip


def test_a_move_to_nowhere_fails_cleanly(url):
    from tests.hostile.texts import event  # noqa: PLC0415 - only this one needs it

    text = event("move@hostile", "DTSTART:20270106T100000Z", "DTEND:20270106T110000Z")
    assert request(url, "PUT", "/clerk1/calendar/move.ics", text).status in {201, 204}
    statuses = {}
    for destination in DESTINATIONS:
        statuses[destination] = request(
            url, "MOVE", "/clerk1/calendar/move.ics", headers={"Destination": destination}
        ).status
        request(url, "PUT", "/clerk1/calendar/move.ics", text)
    assert {destination: status for destination, status in statuses.items() if status >= 500} == {}


@pytest.mark.parametrize("depth", ["infinity", "2", "-1", "abc", "", "99999999999999999999", "0, 1"])
def test_any_depth_is_answered(url, depth):
    for path in ("/", "/clerk1/", "/clerk1/calendar/"):
        answer = request(url, "PROPFIND", path, PROPFIND, headers={"Depth": depth})
        assert answer.status < 500


def test_preconditions_and_dates_of_any_kind(url):
    for name in (
        "If-Match",
        "If-None-Match",
        "If",
        "If-Modified-Since",
        "Overwrite",
        "Range",
        "Prefer",
        "Timeout",
        "Lock-Token",
    ):
        for value in (
            "",
            "*",
            '"',
            '"' * 500,
            "W/",
            "(<",
            "bytes=999-1",
            "\x7f",
            b"\xff",
            "Thu, 99 Foo 9999 99:99:99 GMT",
        ):
            for method in ("GET", "PUT", "DELETE"):
                answer = request(
                    url,
                    method,
                    "/clerk1/calendar/none.ics",
                    b"x" if method == "PUT" else b"",
                    headers={name: value},
                )
                assert answer.status < 500, (name, value, method)


def test_many_and_long_headers(url):
    many = request(url, "GET", "/clerk1/calendar/", headers={f"X-{number}": "y" for number in range(500)})
    long = request(url, "GET", "/clerk1/calendar/", headers={"X-Long": "y" * 500_000})
    assert many.status < 500
    assert long.status < 500


@pytest.mark.parametrize(
    "data",
    [b"\x16\x03\x01\x02\x00\x01\x00", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\r\n\r\n\r\n", b"\x00" * 1000, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
     b"GET / HTTP/1.1\r\nNo colon\r\n\r\n", b"GET / HTTP/1.1\r\n: x\r\n\r\n", b"GET / HTTP/1.0\r\n\r\n"],
    ids=["TLS", "no path", "HTTP/9.9", "lines", "NULs", "HTTP/2", "no colon", "no name", "HTTP/1.0"],
)  # fmt: skip
def test_what_is_no_request_is_refused(url, data):
    from tests.hostile.raw import connect, read_answer  # noqa: PLC0415 - only this one needs it

    with connect(url) as connection:
        connection.sendall(data)
        # No more will come: whoever waits for the rest sees the end.
        connection.shutdown(1)
        assert read_answer(connection).status < 500
