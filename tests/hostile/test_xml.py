"""XML that is meant to hurt."""

from __future__ import annotations

import pytest

from tests.hostile.raw import request

LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
BOMBS = {
    "nested": b"<a>" * 200_000 + b"</a>" * 200_000,
    "never closed": b"<a>" * 200_000,
    "billion laughs": f'<!DOCTYPE l [<!ENTITY l0 "lol">{LAUGHS}]><D:propfind xmlns:D="DAV:"><D:prop>&l9;</D:prop></D:propfind>'.encode(),
    "quadratic": b'<!DOCTYPE l [<!ENTITY a "' + b"a" * 50_000 + b'">]><l>' + b"&a;" * 50_000 + b"</l>",
    "external entity": b'<!DOCTYPE l [<!ENTITY x SYSTEM "file:///etc/passwd">]><l>&x;</l>',
    "external DTD": b'<!DOCTYPE l SYSTEM "http://192.0.2.1/x.dtd"><l/>',
    "wide": b'<D:propfind xmlns:D="DAV:"><D:prop>' + b"<D:x/>" * 300_000 + b"</D:prop></D:propfind>",
    "many attributes": b"<a " + b" ".join(b'a%d="1"' % n for n in range(50_000)) + b"/>",
    "many namespaces": b"<a " + b" ".join(b'xmlns:a%d="urn:%d"' % (n, n) for n in range(50_000)) + b"/>",
    "long name": b"<" + b"a" * 1_000_000 + b"/>",
    "no XML": b"\xff\xfe\x00\x01 not at all",
    "NUL": b"<a>\x00</a>",
    "unknown encoding": b'<?xml version="1.0" encoding="x-no-such"?><a/>',
    "UTF-16": '<?xml version="1.0" encoding="utf-16"?><D:propfind xmlns:D="DAV:"><D:allprop/></D:propfind>'.encode(
        "utf-16"
    ),
    "UTF-7": b'<?xml version="1.0" encoding="utf-7"?>+ADw-a/+AD4-',
    "processing instructions": b"<?x y?>" * 100_000 + b"<a/>",
    "comment": b"<a><!--" + b"-" * 10 + b"</a>",
    "two roots": b"<a/><b/>",
    "empty": b" \r\n\t ",
}


@pytest.mark.parametrize("method", ["PROPFIND", "REPORT", "PROPPATCH", "MKCALENDAR"])
@pytest.mark.parametrize("body", BOMBS.values(), ids=BOMBS)
def test_a_bomb_is_an_error_of_the_client(url, method, body):
    path = "/clerk1/new/" if method == "MKCALENDAR" else "/clerk1/calendar/"
    answer = request(url, method, path, body, headers={"Depth": "0", "Content-Type": "application/xml"})
    assert 200 <= answer.status < 500
    assert b"root:" not in answer.body
