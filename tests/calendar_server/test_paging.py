"""sync-collection with a limit (RFC 6578 section 3.6): whoever follows the pages ends up with what the calendar has."""

from __future__ import annotations

import random
import re
from datetime import timedelta
from xml.etree import ElementTree as ET

import pytest
import requests

from calendar_server.ical.appointment import to_ical
from calendar_server.paging import TOO_MANY, Position, page
from calendar_server.refusals import RefusedError
from calendar_server.service import Actor
from tests.support.calendar import PASSWORD
from tests.support.town import NOW, appointment, at

D = "{DAV:}"
CALENDAR = "clerk1/calendar"


def event(number: int, note: str = "") -> str:
    start = at(7, 8) + timedelta(days=number)
    text = to_ical(appointment(f"e{number}@test", start, summary=f"Besprechung {note}"), now=NOW)
    return re.sub(r"X-TERMIN-[^\r\n]*\r\n", "", text)


class Follower:
    """A client that syncs in pages and remembers what it was told: name to etag."""

    def __init__(self, server, limit: int | None, path: str = CALENDAR, account: str = "clerk1") -> None:
        self._url, self._auth, self._limit = f"{server.url}/{path}/", (account, PASSWORD), limit
        self.token = ""
        self.known: dict[str, str] = {}
        self.told_gone: list[str] = []

    def ask(self) -> requests.Response:
        limit = f"<limit><nresults>{self._limit}</nresults></limit>" if self._limit is not None else ""
        body = (
            f'<sync-collection xmlns="DAV:"><sync-token>{self.token}</sync-token><sync-level>1</sync-level>'
            f"{limit}<prop><getetag/></prop></sync-collection>"
        )
        return requests.request("REPORT", self._url, data=body, auth=self._auth, timeout=10)

    def page(self) -> bool:
        """Read a page; True if the server says that there is more."""
        answer = self.ask()
        assert answer.status_code == 207, answer.text
        root = ET.fromstring(answer.text)
        more, told = False, 0
        for response in root.iter(f"{D}response"):
            name = response.findtext(f"{D}href").rpartition("/")[2]
            status = response.findtext(f"{D}status")
            if not name:
                assert "507" in status
                assert response.find(f"{D}error/{D}number-of-matches-within-limits") is not None
                more = True
                continue
            told += 1
            if status is not None and "404" in status:
                self.known.pop(name, None)
                self.told_gone.append(name)
            else:
                self.known[name] = response.findtext(f".//{D}getetag")
        assert self._limit is None or told <= self._limit
        self.token = root.findtext(f"{D}sync-token")
        return more

    def finish(self) -> int:
        pages = 1
        while self.page():
            pages += 1
        return pages


def put(server, number: int, note: str = "") -> None:
    url = f"{server.url}/{CALENDAR}/e{number}@test.ics"
    answer = requests.put(url, data=event(number, note).encode(), auth=("clerk1", PASSWORD), timeout=10)
    assert answer.status_code in {201, 204}, answer.text


def delete(server, number: int) -> None:
    url = f"{server.url}/{CALENDAR}/e{number}@test.ics"
    assert requests.delete(url, auth=("clerk1", PASSWORD), timeout=10).status_code == 204


def stored(server) -> dict[str, str]:
    whole = Follower(server, None)
    whole.finish()
    return whole.known


def test_a_first_sync_comes_in_pages(server):
    for number in range(7):
        put(server, number)
    client = Follower(server, 3)
    assert client.finish() == 3
    assert client.known == stored(server)
    assert client.page() is False


def test_changes_come_in_pages(server):
    client = Follower(server, 2)
    client.finish()
    for number in range(5):
        put(server, number)
    delete(server, 0)
    assert client.finish() == 3
    assert client.known == stored(server)


def test_what_was_deleted_before_a_first_sync_is_not_told(server):
    for number in range(4):
        put(server, number)
    delete(server, 1)
    client = Follower(server, 1)
    client.page()
    delete(server, 0)
    client.finish()
    assert client.known == stored(server)
    assert client.told_gone == ["e0@test.ics"]


@pytest.mark.parametrize("seed", range(5))
def test_pages_and_writes_between_them_end_in_the_same(server, seed):
    dice = random.Random(seed)
    clients = [Follower(server, limit) for limit in (1, 2, 5)]
    there: set[int] = set()
    for _ in range(40):
        number = dice.randrange(8)
        if number in there and dice.random() < 0.4:
            delete(server, number)
            there.discard(number)
        else:
            put(server, number, str(dice.random()))
            there.add(number)
        for client in clients:
            if dice.random() < 0.4:
                client.page()
    truth = stored(server)
    for client in clients:
        client.finish()
        assert client.known == truth


@pytest.mark.parametrize("limit", ["0", "-1", "many", "", "9" * 30])
def test_what_is_no_limit_is_refused(server, limit):
    answer = Follower(server, limit).ask()
    assert answer.status_code == 403
    assert "number-of-matches-within-limits" in answer.text


def test_one_write_that_is_larger_than_the_limit_is_refused(service, clock):

    service.replace_calendar(CALENDAR, [event(1), event(2), event(3)], {}, Actor("clerk1"))
    where = service.find(CALENDAR)
    with service.database.read() as connection:
        with pytest.raises(RefusedError, match=TOO_MANY):
            page(connection, where, Position(0, where.seq), 2)
        assert len(page(connection, where, Position(0, where.seq), 3).stored) == 3


@pytest.mark.parametrize("tail", ["~1", "~99999", "~", "~x", "~-1"])
def test_forged_tokens_are_refused(server, tail):
    put(server, 1)
    client = Follower(server, 5)
    client.finish()
    client.token += tail
    answer = client.ask()
    assert answer.status_code == 403
    assert "valid-sync-token" in answer.text


def test_the_busy_feed_has_no_pages(server):
    client = Follower(server, 5, "buergerbuero/busy", "site")
    answer = client.ask()
    assert answer.status_code == 403
    assert "number-of-matches-within-limits" in answer.text
