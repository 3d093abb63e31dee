"""The staff pages on the real calendar server."""

from __future__ import annotations

import re

import pytest

from booking_web.settings import StaffSettings
from booking_web.staff import create_app
from tests.booking_web.conftest import SECRET
from tests.booking_web.test_api import book


@pytest.fixture
def staff(citizens):
    return create_app(
        StaffSettings(
            town=citizens.town,
            calendar_url=citizens.calendar.url,
            calendar_public_url="https://calendar.example",
            signing_secret=SECRET,
            clock=citizens.clock,
        )
    )


def token(answer):
    return re.search(r'name="csrf_token" value="([^"]+)"', answer.text)[1]


def log_in(app, user="clerk1", password="demo"):
    browser = app.test_client()
    form = {"user": user, "password": password, "csrf_token": token(browser.get("/login"))}
    return browser, browser.post("/login", data=form)


def test_nobody_sees_the_day_without_logging_in(staff):
    for path in ("/", "/connect"):
        assert staff.test_client().get(path).location == "/login"


def test_a_clerk_sees_the_offices_day(citizens, staff):
    made = book(citizens, phone="0291 2050")
    browser, answer = log_in(staff, "lead")
    assert answer.status_code == 303
    page = browser.get("/?day=2026-12-07").text
    assert "Erika Mustermann" in page
    assert made["reference"] in page
    assert "8:00 Uhr" in page
    (served_by,) = re.findall(r'data-label="Bei">([^<]*)<', page)
    assert served_by in {clerk.name for clerk in citizens.calendar.directory.offices[0].clerks}
    assert "Erika" not in browser.get("/?day=2026-12-09").text


def test_the_day_of_one_clerk_alone(citizens, staff):
    for hour in (8, 9):
        for _ in range(2):
            book(citizens, start=f"2026-12-07T{hour:02}:00:00+01:00", services=[{"id": "meldebescheinigung"}])
    browser, _ = log_in(staff, "lead")
    counts = {}
    for clerk in citizens.calendar.directory.offices[0].clerks:
        page = browser.get(f"/?day=2026-12-07&clerk={clerk.id}").text
        counts[clerk.id] = len(re.findall(r'<tr class="kern-table__row">', page)) - ("<thead" in page)
        assert f'<option value="{clerk.id}" selected>' in page
        # Whoever goes on to the next day goes on with the same clerk.
        assert f"clerk={clerk.id}" in re.search(r'href="(/\?day=2026-12-08[^"]*)"', page)[1]
        others = {each.name for each in citizens.calendar.directory.offices[0].clerks} - {clerk.name}
        assert not any(f'data-label="Bei">{name}<' in page for name in others)
    assert sum(counts.values()) == 4
    assert max(counts.values()) < 4
    assert "4 Termine" in browser.get("/?day=2026-12-07&clerk=nobody").text


@pytest.mark.parametrize("day", ["nonsense", "9999-99-99", "0001-01-01"])
def test_a_day_that_is_none_is_today(citizens, staff, day):
    browser, _ = log_in(staff)
    assert "1. Dezember 2026" in browser.get("/", query_string={"day": day}).text


def test_a_wrong_password_says_so_and_guessing_is_slow_and_seen(citizens, staff, capfd):
    for _ in range(5):
        _, answer = log_in(staff, password="wrong")
        assert answer.status_code == 422
    # By who asks at the pages' own door, not only by the calendar server's, to which all look like this process.
    lines = [line for line in capfd.readouterr().out.splitlines() if "failed login" in line]
    assert len(lines) == 2 * 5
    assert all("127.0.0.1" in line and "clerk1" not in line for line in lines)
    _, answer = log_in(staff)
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) <= 301
    citizens.clock.advance(minutes=6)
    _, answer = log_in(staff)
    assert answer.status_code == 303


@pytest.mark.parametrize(
    ("user", "password"),
    [("", ""), ("clerk1", ""), ("a:b", "demo"), ("clerk1\n", "x"), ("ä", "ö"), ("x" * 5000, "y" * 5000)],
)
def test_nonsense_is_refused(staff, user, password):
    _, answer = log_in(staff, user, password)
    assert answer.status_code == 422


def test_a_form_without_its_token_is_refused(staff):
    browser, _ = log_in(staff)
    assert browser.post("/logout").status_code == 400
    assert staff.test_client().post("/login", data={"user": "clerk1", "password": "demo"}).status_code == 400


def test_logging_out_ends_the_session_even_for_a_stolen_cookie(staff):
    browser, _ = log_in(staff)
    stolen = browser.get_cookie("termin_staff").value
    browser.post("/logout", data={"csrf_token": token(browser.get("/connect"))})
    thief = staff.test_client()
    thief.set_cookie("termin_staff", stolen)
    assert thief.get("/").location == "/login"


def test_a_session_ends_when_it_is_idle(citizens, staff):
    browser, _ = log_in(staff)
    citizens.clock.advance(minutes=59)
    assert browser.get("/").status_code == 200
    citizens.clock.advance(minutes=61)
    assert browser.get("/").location == "/login"


def test_the_cookie_holds_no_password_and_is_guarded(citizens, staff):
    _, answer = log_in(staff)
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "demo" not in cookie
    staff.config["SESSION_COOKIE_SECURE"] = True
    _, answer = log_in(staff)
    assert "Secure" in answer.headers["Set-Cookie"]


def test_a_session_number_is_new_at_every_login(staff):
    browser, first = log_in(staff)
    form = {"user": "clerk1", "password": "demo", "csrf_token": token(browser.get("/login"))}
    assert browser.post("/login", data=form).headers["Set-Cookie"] != first.headers["Set-Cookie"]


def test_the_addresses_to_connect_with(staff):
    browser, _ = log_in(staff)
    page = browser.get("/connect").text
    assert "https://calendar.example/clerk1/calendar/" in page
    assert "https://calendar.example/buergerbuero/appointments/" in page
    assert "Thunderbird" in page
    assert "Outlook" in page


def test_while_the_calendar_is_away_it_says_so(town):
    app = create_app(StaffSettings(town, "http://127.0.0.1:9", "http://127.0.0.1:9", SECRET))
    _, answer = log_in(app)
    assert answer.status_code == 503
    assert app.test_client().get("/readyz").status_code == 503
    assert app.test_client().get("/healthz").status_code == 200


def test_the_staff_pages_are_hardened(staff):
    headers = staff.test_client().get("/login").headers
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert headers["Cache-Control"] == "no-store"
