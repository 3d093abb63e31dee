"""Requests' XML: what is read as ElementTree would, and what is refused (`tests/hostile/test_xml.py` sends it to a server)."""

from __future__ import annotations

import contextlib
import gc
import xml.etree.ElementTree as ET

import pytest

from calendar_server.xmlbody import MAX_DEPTH, MAX_ELEMENTS, BadXmlError, parse

GOOD = {
    "namespaces": '<D:a xmlns:D="DAV:" xmlns="urn:x"><b D:c="1" d="2">t<D:e/>u</b>v</D:a>',
    "none": "<a><b>x</b></a>",
    "references": "<a>&lt;&amp;&#228;&#x1F600;&#13;</a>",
    "CDATA": "<a><![CDATA[<b>&c;]]></a>",
    "comments": "<!-- x --><a><?pi x?>1<!-- y -->2</a>",
    "long text": f"<a>{'ä' * 200_000}</a>",
}


@pytest.mark.parametrize("text", GOOD.values(), ids=GOOD)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-8-sig"])
def test_it_reads_what_elementtree_reads(text, encoding):
    body = text.encode(encoding)
    assert ET.tostring(parse(body)) == ET.tostring(ET.fromstring(body))


@pytest.mark.parametrize("body", [b"", b" \r\n"])
def test_nothing_is_no_element(body):
    assert parse(body) is None


BAD = {
    "DTD": b"<!DOCTYPE a><a/>",
    "DTD in UTF-16": "<!DOCTYPE a><a/>".encode("utf-16"),
    "entity": b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
    "external entity": b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
    "unknown entity": b"<a>&b;</a>",
    "too deep": b"<a>" * (MAX_DEPTH + 1) + b"</a>" * (MAX_DEPTH + 1),
    "endless": b"<a>" * 200_000,
    "too many": b"<a>" + b"<b/>" * MAX_ELEMENTS + b"</a>",
    "half": b"<a><b></b>",
    "two": b"<a/><a/>",
    "unknown prefix": b"<x:a/>",
    "brace in a namespace": b'<x:a xmlns:x="b}c"/>',
    "unknown encoding": b'<?xml version="1.0" encoding="klingon"?><a/>',
    "encoding of several bytes": b'<?xml version="1.0" encoding="utf-7"?><a/>',
    "no text encoding": b'<?xml version="1.0" encoding="hex"?><a/>',
    "no UTF-8": b"<a>\xff</a>",
    "NUL": b"<a>\x00</a>",
    "text": b"a",
}


@pytest.mark.parametrize("body", BAD.values(), ids=BAD)
def test_it_refuses_the_rest(body):
    with pytest.raises(BadXmlError):
        parse(body)


def test_the_limits_themselves_are_allowed():
    assert parse(b"<a>" * MAX_DEPTH + b"</a>" * MAX_DEPTH) is not None
    assert parse(b"<a>" + b"<b/>" * (MAX_ELEMENTS - 1) + b"</a>") is not None


def test_no_request_leaves_work_to_the_garbage_collector():
    gc.collect()
    gc.disable()
    try:
        for body in (b"<a><b/></a>", b"<a>", b"<!DOCTYPE a><a/>"):
            for _ in range(20):
                with contextlib.suppress(BadXmlError):
                    parse(body)
        assert gc.collect() < 20
    finally:
        gc.enable()
