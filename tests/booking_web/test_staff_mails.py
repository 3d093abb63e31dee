"""Mails on the staff pages: what didn't arrive, from a mail server's refusal to the decision, and how each mail looks."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pytest

from booking_web.notifications.mailroom import Mailroom
from booking_web.notifications.previews import previews
from booking_web.notifications.told import Kind
from booking_web.notifications.transport import RefusedError
from booking_web.settings import StaffSettings
from booking_web.staff import create_app
from tests.booking_web.conftest import SECRET
from tests.booking_web.test_pages import Page
from tests.booking_web.test_staff import log_in, token
from tests.notifications.world import World
from tests.notifications.world import world as make_world
from tests.support.calendar import CalendarServer, calendar_server
from tests.support.clock import Clock
from tests.support.databases import fresh_sqlite

if TYPE_CHECKING:
    from collections.abc import Iterator

    from booking_web.notifications.mails import Mail

PHONE = "+49 291 2050"


@dataclass
class Refusing:
    """A way out that takes nothing while `on`; a transport."""

    on: bool = True
    taken: list[Mail] = field(default_factory=list)

    def send(self, mail: Mail) -> None:
        if self.on:
            raise RefusedError("550 5.1.1 no such user")
        self.taken.append(mail)

    def close(self) -> None:
        pass


@dataclass
class Office:
    """A worker whose mails are refused, the calendar server, and the staff pages."""

    world: World
    server: CalendarServer
    refusing: Refusing
    staff: object

    def lead(self, user: str = "lead"):
        return log_in(self.staff, user)[0]

    def fail(self) -> None:
        self.world.book(phone=PHONE, reference="K7QM-3XPD")
        self.world.follow()
        self.world.send()


def post(browser, path: str):
    return browser.post(path, data={"csrf_token": token(browser.get("/mails"))})


@pytest.fixture
def office(town, tmp_path) -> Iterator[Office]:
    clock, url, worker = Clock(), fresh_sqlite(tmp_path), f"sqlite:///{tmp_path / 'worker.sqlite'}"
    refusing = Refusing()
    with (
        calendar_server(url, clock=clock, mailroom=Mailroom(worker, clock, town)) as server,
        make_world(url, worker, tmp_path, clock) as world,
    ):
        world.transport = refusing
        world.restart()
        settings = StaffSettings(
            town=replace(town, base_url="http://termin.test"),
            calendar_url=server.url,
            calendar_public_url=server.url,
            signing_secret=SECRET,
            clock=clock,
            previews=previews,
        )
        yield Office(world, server, refusing, create_app(settings))


def test_nothing_failed(office):
    assert "Alle E-Mails sind angekommen" in office.lead().get("/mails").text
    assert "nicht angekommen" not in office.lead().get("/").text


@pytest.mark.parametrize("user", ["lead", "clerk1", "admin"])
def test_what_a_server_refuses_is_shown_with_the_telephone_number(office, user):
    office.fail()
    browser = office.lead(user)
    assert "1 E-Mail ist nicht angekommen" in browser.get("/").text
    page = Page(browser.get("/mails"))
    for shown in ("Erika Muster", PHONE, "erika@example.org", "no such user", "K7QM-3XPD", "Bestätigung"):
        assert shown in page.text
    assert f"tel:{PHONE.replace(' ', '')}" in page.links


def test_tried_again_it_leaves(office):
    office.fail()
    office.refusing.on = False
    browser = office.lead()
    again = next(form["action"] for form in Page(browser.get("/mails")).forms if "/again" in form["action"])
    assert post(browser, again).status_code == 303
    assert "Alle E-Mails sind angekommen" in browser.get("/mails").text
    office.world.send()
    assert [mail.recipient for mail in office.refusing.taken] == ["erika@example.org"]
    assert "schon erledigt" in browser.get(post(browser, again).location).text


def test_settled_it_is_gone_and_not_sent(office):
    office.fail()
    office.refusing.on = False
    browser = office.lead("clerk1")
    settle = next(form["action"] for form in Page(browser.get("/mails")).forms if "/settle" in form["action"])
    assert "ist erledigt" in browser.get(post(browser, settle).location).text
    office.world.send()
    assert office.refusing.taken == []


def test_what_came_back_can_only_be_settled(office):
    office.refusing.on = False
    office.world.book(phone=PHONE)
    office.world.follow()
    office.world.send()
    [mail] = office.refusing.taken
    assert office.world.store.bounced(mail.message_id, "5.1.1 no such mailbox")
    actions = [form["action"] for form in Page(office.lead().get("/mails")).forms]
    assert any("/settle" in action for action in actions)
    assert not any("/again" in action for action in actions)


def test_only_those_who_work_there_may_know(office):
    office.fail()
    for account in ("site",):
        with pytest.raises(Exception, match="forbidden"):
            office.server.client(account).failed_mails("buergerbuero")
        with pytest.raises(Exception, match="forbidden"):
            office.server.client(account).decide_mail("buergerbuero", 1, "settle")
    assert len(office.server.client("lead").failed_mails("buergerbuero")) == 1


@pytest.mark.parametrize(
    "path", ["/mails/1/explode", "/mails/x/settle", "/mails/99999999999999999999/settle"]
)
def test_strange_addresses_do_nothing(office, path):
    office.fail()
    browser = office.lead()
    assert post(browser, path).status_code in {303, 404}
    assert len(office.world.store.failures("buergerbuero")) == 1


def test_a_calendar_server_without_a_worker_has_no_failures(citizens):
    assert citizens.calendar.client("lead").failed_mails("buergerbuero") == []


def test_every_mail_can_be_looked_at_in_every_language(office):
    browser = office.lead("clerk1")
    page = browser.get("/mails/preview").text
    named = dict(re.findall(r'<option value="([a-z_-]+)"[^>]*>([^<]+)<', page))
    names = list(named)
    kinds = {kind.value for kind in Kind if kind is not Kind.FEEDBACK}
    assert kinds <= set(names)
    assert all(named[kind] != kind for kind in kinds)
    for language in office.staff.extensions["termin-staff"].settings.town.languages:
        for name in names:
            if name in office.staff.extensions["termin-staff"].settings.town.languages:
                continue
            shown = browser.get(f"/mails/preview/html?mail={name}&language={language}")
            assert shown.status_code == 200
            assert "<h1" in shown.text
    assert "Guten Tag Erika Muster" in page
    assert "Hello Erika Muster" in browser.get("/mails/preview?language=en").text


def test_a_mails_html_has_no_rights_and_needs_nothing_from_elsewhere(office):
    answer = office.lead().get("/mails/preview/html")
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "sandbox" in policy
    assert "script-src" not in policy
    assert "data:image/png;base64," in answer.text
    assert "cid:" not in answer.text
    outside = office.lead().get("/mails/preview").headers["Content-Security-Policy"]
    assert "frame-src 'self'" in outside
    assert "frame-src" not in office.lead().get("/mails").headers["Content-Security-Policy"]


def test_nobody_sees_mails_without_logging_in(office):
    for path in ("/mails", "/mails/preview", "/mails/preview/html"):
        assert office.staff.test_client().get(path).location == "/login"
