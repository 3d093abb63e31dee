"""Every staff page in every state: axe, nothing off the side; and the lead's whole way with the keyboard alone."""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest
from caldav.lib.error import AuthorizationError
from playwright.sync_api import expect

from booking_web.notifications.mailroom import Mailroom
from booking_web.notifications.previews import previews
from booking_web.settings import StaffSettings
from booking_web.staff import create_app as create_staff
from calendar_server.ical.appointment import to_ical
from tests.booking_web.conftest import SECRET
from tests.booking_web.test_staff_mails import Refusing
from tests.browser.conftest import NARROW_WITHOUT_SCRIPTS, WIDE
from tests.browser.test_views import press
from tests.notifications.world import World
from tests.notifications.world import world as make_world
from tests.support.calendar import CalendarServer, calendar_server
from tests.support.clock import Clock
from tests.support.databases import fresh_sqlite
from tests.support.servers import serving
from tests.support.town import NOW, appointment, at

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Locator, Page

    from booking_web.town import Town
    from calendar_server.offices import Directory

pytestmark = pytest.mark.browser
both_widths = pytest.mark.parametrize(
    "page", [WIDE, NARROW_WITHOUT_SCRIPTS], ids=["wide", "narrow-nojs"], indirect=True
)

ILL = (
    "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test//DE\r\nBEGIN:VEVENT\r\nUID:ill@test\r\nDTSTAMP:20261201T080000Z\r\n"
    "DTSTART;VALUE=DATE:20261207\r\nDTEND;VALUE=DATE:20261208\r\nSUMMARY:krank\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
)


@dataclass
class Office:
    """The demo town's office behind the staff pages, with a worker whose mails are refused."""

    url: str
    server: CalendarServer
    world: World

    def book(self, uid: str, start, *services: str, **values) -> None:
        self.server.client().book(appointment(uid, start, *services, **values), now=NOW)

    def fill(self, *services: str, day: int = 7, hour: int = 8) -> list[str]:
        """Book until nobody is left at that time."""
        uids = []
        while True:
            uid = f"{day}-{hour}-{len(uids)}@test"
            try:
                self.book(uid, at(day, hour), *services, minutes=20)
            except Exception:  # noqa: BLE001 - it's full
                return uids
            uids.append(uid)

    def holder(self, uid: str) -> str:
        found = {change.uid: change.clerk for change in self.server.change_log().read("buergerbuero", 0)}
        return found[uid]


@contextmanager
def running_office(town: Town, directory: Directory, folder: Path) -> Iterator[Office]:
    """An office of its own, on loopback."""
    clock, url, worker = Clock(), fresh_sqlite(folder), f"sqlite:///{folder / 'worker.sqlite'}"
    with (
        calendar_server(url, directory, clock, mailroom=Mailroom(worker, clock, town)) as server,
        make_world(url, worker, folder, clock) as world,
    ):
        world.transport = Refusing()
        world.restart()
        staff = create_staff(
            StaffSettings(
                town=replace(town, base_url="http://127.0.0.1"),
                calendar_url=server.url,
                calendar_public_url=server.url,
                signing_secret=SECRET,
                demo=True,
                clock=clock,
                previews=previews,
            )
        )
        with serving(staff) as address:
            yield Office(address, server, world)


@pytest.fixture
def office(town, directory, tmp_path) -> Iterator[Office]:
    with running_office(town, directory, tmp_path) as made:
        yield made


def log_in(page: Page, office: Office, user: str = "lead") -> None:
    page.goto(office.url + "/login")
    page.get_by_label("Konto").fill(user)
    page.get_by_label("Passwort").fill("demo")
    page.get_by_role("button", name="Anmelden").click()


def plan_absence(page: Page, office: Office, clerk: str) -> None:
    page.goto(office.url + "/plans/absence")
    page.get_by_label("Wer ist nicht da?").select_option(clerk)
    page.get_by_label("Erster Tag").fill("2026-12-07")
    page.get_by_label("Letzter Tag").fill("2026-12-07")
    page.get_by_role("button", name="Plan zeigen").click()


@both_widths
def test_day_and_mails(page, office, healthy):
    log_in(page, office)
    office.fill("reisepass")
    office.world.follow()
    office.world.send()
    page.goto(office.url + "/?day=2026-12-07")
    expect(page.get_by_text("nicht angekommen")).to_be_visible()
    healthy(page)
    page.get_by_role("link", name="Ansehen und anrufen").click()
    healthy(page)
    page.get_by_role("button", name=re.compile("^Erledigt")).first.click()
    expect(page.get_by_text("Die E-Mail ist erledigt")).to_be_visible()
    healthy(page)
    page.get_by_role("link", name="So sehen unsere E-Mails aus").click()
    healthy(page)
    page.get_by_label("E-Mail").select_option("proposal")
    page.get_by_label("Sprache").select_option("en")
    page.get_by_role("button", name="Zeigen").click()
    expect(page.get_by_role("heading", name=re.compile("Does the new time suit you"))).to_be_visible()
    healthy(page)


@both_widths
def test_plans(page, office, healthy):
    log_in(page, office)
    for path in ("/plans", "/plans/absence", "/plans/balance", "/plans/whatif"):
        page.goto(office.url + path)
        healthy(page)
    for path in ("/plans/absence", "/plans/balance"):
        page.goto(office.url + path)
        page.get_by_label("Letzter Tag").fill("2020-01-01")
        page.get_by_role("button").last.click()
        expect(page.get_by_text("Bitte prüfen Sie Ihre Angaben")).to_be_visible()
        healthy(page)
    uids = office.fill("reisepass")
    plan_absence(page, office, office.holder(uids[0]))
    expect(page.get_by_text("hat schon einen Termin").first).to_be_visible()
    healthy(page)
    page.get_by_role("button", name="Anwenden und Abwesenheit eintragen").click()
    healthy(page)
    page.goto(office.url + "/plans")
    healthy(page)


@both_widths
def test_a_plan_that_no_longer_fits(page, office, healthy):
    log_in(page, office)
    office.book("a1@test", at(7, 8), "reisepass")
    ill = office.holder("a1@test")
    plan_absence(page, office, ill)
    (event,) = office.server.calendar(ill).events()
    with event.edit_icalendar_component() as component:
        component["SUMMARY"] = "anders"
    event.save()
    page.get_by_role("button", name="Anwenden").click()
    expect(page.get_by_text("Das ist ein neuer Plan")).to_be_visible()
    healthy(page)


@both_widths
def test_balance(page, office, healthy):
    log_in(page, office)
    for hour in (8, 9, 10, 11):
        office.book(f"a{hour}@test", at(7, hour), "meldebescheinigung")
    page.goto(office.url + "/plans/balance")
    page.get_by_label("Erster Tag").fill("2026-12-07")
    page.get_by_label("Letzter Tag").fill("2026-12-07")
    page.get_by_role("button", name="Berechnen").click()
    healthy(page)
    choices = page.get_by_role("button", name=re.compile("^Plan zeigen"))
    choices.last.click()
    healthy(page)


@both_widths
def test_what_if(page, office, healthy):
    log_in(page, office)
    page.goto(office.url + "/plans/whatif?what=window&day=3&start=14:00&end=18:00")
    expect(page.get_by_text("gab es keine Termine")).to_be_visible()
    healthy(page)
    page.goto(office.url + "/plans/whatif?what=window&weeks=0&start=x")
    healthy(page)
    page.goto(office.url + "/plans/whatif?what=clerk&weeks=0")
    healthy(page)
    page.goto(
        office.url
        + "/plans/whatif?what=window&day=3&start=14:00&end=18:00&weeks=2&demand=generated&per_week=200"
    )
    expect(page.get_by_role("heading", name=re.compile("Termine? mehr"))).to_be_visible()
    healthy(page)


@both_widths
def test_load(page, office, healthy):
    log_in(page, office)
    uids = office.fill("meldebescheinigung")
    page.goto(office.url + "/load?day=2026-12-07")
    expect(page.get_by_role("link", name="Montag, 7. Dezember")).to_be_visible()
    healthy(page)
    office.server.calendar(office.holder(uids[0])).save_event(ILL)
    page.reload()
    expect(page.get_by_text("ohne Zeit")).to_be_visible()
    healthy(page)
    page.goto(office.url + "/load?day=2027-06-07")
    expect(page.get_by_role("heading", level=1)).to_have_text("Auslastung")
    healthy(page)


@both_widths
def test_statistics(page, office, healthy):
    log_in(page, office)
    office.fill("meldebescheinigung")
    page.goto(office.url + "/statistics")
    expect(page.get_by_text("In diesen Tagen gab es keine Termine.")).to_be_visible()
    healthy(page)
    page.goto(office.url + "/statistics?first=gestern&last=morgen")
    expect(page.get_by_role("alert")).to_be_focused()
    healthy(page)
    page.goto(office.url + "/statistics?first=2026-12-01&last=2026-12-31")
    expect(page.get_by_role("heading", name="Nach Wochentag und Uhrzeit")).to_be_visible()
    healthy(page)
    with page.expect_download() as download:
        page.get_by_role("link", name="Als Tabelle herunterladen (CSV)").click()
    assert download.value.suggested_filename == "buergerbuero-2026-12-01-2026-12-31.csv"


@both_widths
def test_why(page, office, healthy):
    log_in(page, office, "clerk1")
    page.goto(office.url + "/why")
    healthy(page)
    office.fill("reisepass")
    drawn = replace(appointment("b1@test", at(7, 8), "reisepass"), email="")
    with pytest.raises(AuthorizationError):
        office.server.calendar("lead", "buergerbuero/appointments").save_event(to_ical(drawn, now=NOW))
    page.goto(office.url + "/why?day=2026-12-07&start=08:00&service=reisepass")
    expect(page.get_by_text("Es ist niemand frei")).to_be_visible()
    page.locator("details summary").first.click()
    healthy(page)
    for query in ("day=2026-12-08&service=reisepass", "day=gestern", "day=2026-12-07&service=reisepass"):
        page.goto(office.url + f"/why?{query}")
        healthy(page)


@both_widths
def test_messages(page, office, healthy):
    log_in(page, office, "clerk1")
    for path in ("/plans", "/nothing", "/connect", "/?day=2026-12-08"):
        page.goto(office.url + path)
        healthy(page)


def type_day(page: Page, field: Locator) -> None:
    """Type 7 December 2026 in the order of day and month that this browser has."""
    for typed in ("07122026", "12072026"):
        page.keyboard.type(typed)
        if field.input_value() == "2026-12-07":
            return
        for _ in range(3):
            page.keyboard.press("ArrowLeft")
    raise AssertionError(field.input_value())


@pytest.mark.parametrize("page", [WIDE], ids=["wide"], indirect=True)
def test_the_keyboard_alone_is_enough(page, office):
    """From an absence over its plan to applying and taking it back."""
    office.book("a1@test", at(7, 8), "reisepass")
    ill = office.holder("a1@test")
    name = next(clerk.name for clerk in office.server.directory.offices[0].clerks if clerk.id == ill)
    page.goto(office.url + "/login")
    press(page, "Tab", page.get_by_label("Konto"))
    page.keyboard.type("lead")
    press(page, "Tab", page.get_by_label("Passwort"))
    page.keyboard.type("demo")
    page.keyboard.press("Enter")
    press(page, "Tab", page.get_by_role("link", name="Pläne"))
    page.keyboard.press("Enter")
    press(page, "Tab", page.get_by_role("link", name="Abwesenheit planen"))
    page.keyboard.press("Enter")
    press(page, "Tab", page.get_by_label("Wer ist nicht da?"))
    page.keyboard.type(name)
    for label in ("Erster Tag", "Letzter Tag"):
        press(page, "Tab", page.get_by_label(label))
        type_day(page, page.get_by_label(label))
    press(page, "Tab", page.get_by_role("button", name="Plan zeigen"))
    page.keyboard.press("Enter")
    expect(page.get_by_text("1 Termin bekommt jemand anderen.")).to_be_visible()
    press(page, "Tab", page.get_by_role("button", name="Anwenden und Abwesenheit eintragen"))
    page.keyboard.press("Enter")
    expect(page.get_by_text("angewendet")).to_be_visible()
    assert office.holder("a1@test") != ill
    (away,) = [event for event in office.server.calendar(ill).events() if "abwesend" in event.data]
    away.delete()
    press(page, "Tab", page.get_by_role("button", name="Zurücknehmen"))
    page.keyboard.press("Enter")
    expect(page.get_by_text("zurückgenommen")).to_be_visible()
    assert office.holder("a1@test") == ill
