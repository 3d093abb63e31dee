"""A WebDAV client without opinions: it sends what a test says and reads multistatus answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import unquote
from xml.etree import ElementTree as ET

import requests

from tests.support.calendar import PASSWORD

if TYPE_CHECKING:
    from tests.support.calendar import CalendarServer

D = "{DAV:}"
C = "{urn:ietf:params:xml:ns:caldav}"
CS = "{http://calendarserver.org/ns/}"
ICAL = "{http://apple.com/ns/ical/}"


@dataclass
class Found:
    """One response of a multistatus: its own status (None if it has properties), properties found, and names of those missing."""

    status: int | None
    props: dict[str, ET.Element] = field(default_factory=dict)
    missing: set[str] = field(default_factory=set)

    def text(self, name: str) -> str:
        """A property's text."""
        return (self.props[name].text or "").strip()

    def hrefs(self, name: str) -> list[str]:
        """The hrefs in a property."""
        return [unquote(element.text or "") for element in self.props[name].iter(f"{D}href")]

    def names(self, name: str) -> set[str]:
        """The names of all elements in a property."""
        return {element.tag for element in self.props[name].iter()} - {name}


def multistatus(answer: requests.Response) -> dict[str, Found]:
    """Read a multistatus: decoded href to what was found."""
    assert answer.status_code == 207, (answer.status_code, answer.text)
    found: dict[str, Found] = {}
    for response in ET.fromstring(answer.content).iter(f"{D}response"):
        line = response.findtext(f"{D}status")
        one = Found(int(line.split()[1]) if line else None)
        for propstat in response.iter(f"{D}propstat"):
            good = " 200 " in (propstat.findtext(f"{D}status") or "")
            for element in propstat.find(f"{D}prop") or ():
                if good:
                    one.props[element.tag] = element
                else:
                    one.missing.add(element.tag)
        found[unquote(response.findtext(f"{D}href") or "")] = one
    return found


def sync_token(answer: requests.Response) -> str:
    """The token at the end of a sync report."""
    return ET.fromstring(answer.content).findtext(f"{D}sync-token") or ""


class Dav:
    """One account's requests to a server."""

    def __init__(self, server: CalendarServer, account: str, agent: str) -> None:
        self.url = server.url
        self._session = requests.Session()
        self._session.auth = (account, PASSWORD)
        self._session.headers["User-Agent"] = agent

    def send(self, method: str, path: str, body: str = "", **headers: str) -> requests.Response:
        """Send a request; in the names of headers an underscore stands for a hyphen."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if body and "Content-Type" not in named:
            named["Content-Type"] = "application/xml; charset=utf-8"
        return self._session.request(
            method, self.url + path, data=body.encode(), headers=named, timeout=10, allow_redirects=False
        )

    def find(self, path: str, body: str, depth: int = 0) -> dict[str, Found]:
        """PROPFIND."""
        return multistatus(self.send("PROPFIND", path, body, Depth=str(depth)))

    def report(self, path: str, body: str, depth: int = 1) -> dict[str, Found]:
        """REPORT that answers with a multistatus."""
        return multistatus(self.send("REPORT", path, body, Depth=str(depth)))

    def put(self, path: str, text: str, **headers: str) -> requests.Response:
        """PUT a calendar object."""
        return self.send("PUT", path, text, **{"Content-Type": "text/calendar; charset=utf-8", **headers})
