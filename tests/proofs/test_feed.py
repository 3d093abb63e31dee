"""Who follows the changes sees each of them once and in order, while eight others write through two servers' worth of connections."""

from __future__ import annotations

import random
import threading
from contextlib import ExitStack, contextmanager

import pytest
import requests
from defusedxml import ElementTree

from calendar_server.ical.appointment import to_ical
from calendar_server.refusals import NotDoneError
from calendar_server.service import Actor, Calendars
from calendar_server.storage.changes import ChangeLog
from calendar_server.storage.database import Database
from calendar_server.storage.schema import changes
from tests.proofs.clients import Client, own_event
from tests.proofs.office import CLERKS, EASY, LENGTH, OFFICE, proof_directory, slots
from tests.support.calendar import PASSWORD, calendar_server
from tests.support.clock import Clock
from tests.support.databases import fresh_postgresql
from tests.support.town import BERLIN, NOW

WRITERS = 8
WRITES = 25
SYNC = (
    '<D:sync-collection xmlns:D="DAV:"><D:sync-token>{}</D:sync-token><D:sync-level>1</D:sync-level>'
    "<D:prop><D:getetag/></D:prop></D:sync-collection>"
)
SITE = Actor("site", authoritative=True)


@pytest.fixture(scope="module")
def server():
    with calendar_server(fresh_postgresql(), proof_directory()) as made:
        yield made


@pytest.fixture
def service(server):
    """Another node's service on the same database."""
    database = Database.open(server.database_url)
    yield Calendars(database, server.directory, Clock())
    database.close()


@pytest.fixture
def log(service):
    return ChangeLog(service.database, BERLIN)


def write(service: Calendars, number: int) -> None:
    """Book, cancel, meet and stop meeting, at random."""
    dice = random.Random(number)
    starts = slots(40)
    mine: list[tuple[str, str, Actor]] = []
    for count in range(WRITES):
        if mine and dice.random() < 0.3:
            path, href, actor = mine.pop(dice.randrange(len(mine)))
            service.delete(path, href, actor)
            continue
        uid, start = f"w{number}-{count}@feed", dice.choice(starts)
        if dice.random() < 0.5:
            path, actor = f"{OFFICE}/appointments", SITE
            text = to_ical(Client.wish(uid, start, EASY), now=NOW)
        else:
            clerk = dice.choice(CLERKS)
            path, actor = f"{clerk}/calendar", Actor(clerk)
            text = own_event(uid, start, start + LENGTH).decode()
        try:
            service.put(path, f"{uid}.ics", text, actor)
        except NotDoneError:
            continue
        mine.append((path, f"{uid}.ics", actor))


@contextmanager
def writing(server):
    """Let the writers write; yields an event that is set when all of them have ended. What failed is raised at the end."""
    with ExitStack() as stack:
        services = []
        for _ in range(2):
            database = Database.open(server.database_url)
            stack.callback(database.close)
            services.append(Calendars(database, server.directory, Clock()))
        over = threading.Event()
        failed = []

        def run(number):
            try:
                write(services[number % 2], number)
            except BaseException as error:  # noqa: BLE001 - raised below
                failed.append(error)

        threads = [threading.Thread(target=run, args=(number,)) for number in range(WRITERS)]

        def wait():
            for thread in threads:
                thread.join()
            over.set()

        for thread in threads:
            thread.start()
        waiter = threading.Thread(target=wait)
        waiter.start()
        yield over
        waiter.join()
        assert failed == []


def test_every_follower_sees_every_change_once_and_in_order(server, service, log):
    """One run for all followers: the change log, two calendars, and the busy feed."""
    before = log.head(OFFICE)
    followers = {
        path: Follower(server, path, account)
        for path, account in (
            (f"{OFFICE}/appointments", "lead"),
            ("clerk1/calendar", "clerk1"),
            (f"{OFFICE}/busy", "site"),
        )
    }
    seen = []
    with writing(server) as over:
        last_round = False
        while not last_round:
            last_round = over.is_set()
            # A small limit makes it stop in the middle of what is there.
            while page := log.read(OFFICE, seen[-1].seq if seen else before, limit=7):
                seen.extend(page)
            for follower in followers.values():
                follower.follow()
    with service.database.read() as connection:
        rows = connection.execute(
            changes.select()
            .where(changes.c.office == OFFICE, changes.c.seq > before)
            .order_by(changes.c.seq, changes.c.part)
        ).all()
    assert [(change.seq, change.uid, change.action) for change in seen] == [
        (row.seq, row.uid, row.action) for row in rows
    ]
    assert list(dict.fromkeys(change.seq for change in seen)) == list(range(before + 1, rows[-1].seq + 1))
    assert len(seen) > WRITERS * WRITES // 3
    for path, follower in followers.items():
        afresh = Follower(server, path, follower.account)
        assert follower.etags == afresh.etags, path
        assert follower.rounds > 1, path


class Follower:
    """Keeps a copy of a calendar by sync-collection."""

    def __init__(self, server, path: str, account: str) -> None:
        self.url = f"{server.url}/{path}/"
        self.account = account
        self.token = ""
        self.etags: dict[str, str] = {}
        self.rounds = 0
        self.follow()

    def follow(self) -> None:
        answer = requests.request(
            "REPORT",
            self.url,
            data=SYNC.format(self.token),
            headers={"Depth": "0"},
            auth=(self.account, PASSWORD),
            timeout=60,
        )
        assert answer.status_code == 207, answer.text
        root = ElementTree.fromstring(answer.content)
        for response in root.iterfind("{DAV:}response"):
            href = response.findtext("{DAV:}href")
            etag = response.findtext(".//{DAV:}getetag")
            if etag is None:
                self.etags.pop(href, None)
            else:
                self.etags[href] = etag
        token = root.findtext("{DAV:}sync-token")
        self.rounds += token != self.token
        self.token = token


def test_a_change_that_commits_late_is_not_passed_over(service, log):
    """The trap of "id greater than the last one seen": the smaller number becomes visible after the larger."""
    before = log.head(OFFICE)
    start = slots(200)[-1]
    late = threading.Thread(
        target=service.put,
        args=("clerk2/calendar", "late.ics", own_event("late@feed", start, start + LENGTH), Actor("clerk2")),
    )
    with service.writing(OFFICE, Actor("system")) as writer:
        where = service.find("clerk1/calendar")
        obj = service.parse(own_event("first@feed", start, start + LENGTH), service.office_of(where))
        writer.insert(where, "first.ics", service._content(where, obj, writer.now))
        late.start()
        assert log.read(OFFICE, before) == []
    late.join()
    assert [(change.seq, change.uid) for change in log.read(OFFICE, before)] == [
        (before + 1, "first@feed"),
        (before + 2, "late@feed"),
    ]


def test_offices_do_not_wait_for_each_other(server, service, log):
    """While a booking in one office is under way, another office books; who books in the same office waits."""
    here, there = Client.wish("here@feed", slots(1)[0], EASY), Client.wish("there@feed", slots(1)[0], EASY)
    there_text = to_ical(there, now=NOW).replace(f"X-TERMIN-OFFICE:{OFFICE}", "X-TERMIN-OFFICE:bauamt")
    same = threading.Thread(
        target=service.put,
        args=(f"{OFFICE}/appointments", "here@feed.ics", to_ical(here, now=NOW), SITE),
    )
    with service.writing(OFFICE, Actor("system")):
        same.start()
        answer = requests.put(
            f"{server.url}/bauamt/appointments/there@feed.ics",
            there_text,
            auth=("site", PASSWORD),
            timeout=60,
        )
        assert answer.status_code == 201
        assert same.is_alive()
        assert log.appointment(OFFICE, "here@feed") is None
    same.join()
    assert log.appointment(OFFICE, "here@feed") is not None
