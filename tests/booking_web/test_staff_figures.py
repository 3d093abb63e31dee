"""The workload and the statistics on the staff pages."""

from __future__ import annotations

import re

import pytest

from tests.booking_web.test_api import book
from tests.booking_web.test_staff import log_in, staff  # noqa: F401 - a fixture


@pytest.fixture
def lead(staff):  # noqa: F811 - the fixture that was imported
    return log_in(staff, "lead")[0]


def test_the_load_of_a_week_is_told_for_each_clerk_and_day(citizens, lead):
    book(citizens, services=[{"id": "reisepass"}], start="2026-12-07T08:00:00+01:00")
    page = lead.get("/load?day=2026-12-09").text
    assert "Montag, 7. Dezember" in page
    assert "Mittwoch, 9. Dezember" in page
    assert "Dienstag, 8. Dezember" not in page
    assert all(clerk.name in page for clerk in citizens.calendar.directory.offices[0].clerks)
    whole = re.findall(r"(\d+:\d\d) Std. von (\d+:\d\d) Std.", page)
    assert ("0:20", "7:30") in whole
    assert "0:20 Std." in re.search("Alle zusammen.*", page, re.DOTALL)[0]


def test_a_week_without_windows_says_so(citizens, lead):
    assert "keine Terminzeiten und keine Termine" in lead.get("/load?day=2020-06-01").text


def test_the_load_leads_to_balance_for_its_week(citizens, lead):
    page = lead.get("/load?day=2026-12-07").text
    link = re.search(r'href="(/plans/balance[^"]*)"', page)[1].replace("&amp;", "&")
    form = lead.get(link).text
    assert 'value="2026-12-07"' in form
    assert 'value="2026-12-13"' in form
    # What is past cannot be evened out any more.
    assert "/plans/balance" not in lead.get("/load?day=2026-11-02").text


def test_statistics_count_without_names(citizens, lead):
    book(citizens, services=[{"id": "reisepass"}], name="Erika Mustermann")
    page = lead.get("/statistics?first=2026-12-01&last=2026-12-31").text
    assert re.search(r"Termine</dt><dd[^>]*>1<", page)
    assert re.search(r"Vom Buchen bis zum Termin</dt><dd[^>]*>6,0 Tage<", page)
    assert "Reisepass" in page
    assert "Erika" not in page


def test_a_cancelled_appointment_is_counted_as_such(citizens, lead):
    token = book(citizens)["token"]
    citizens.app.test_client().delete(f"/api/v1/appointments/{token}")
    page = lead.get("/statistics?first=2026-12-01&last=2026-12-31").text
    assert "gab es keine Termine" in page
    assert "1 Termin wurde abgesagt." in page


def test_the_table_is_a_file(citizens, lead):
    book(citizens, services=[{"id": "reisepass"}])
    answer = lead.get("/statistics/table.csv?first=2026-12-01&last=2026-12-31")
    assert answer.mimetype == "text/csv"
    assert "attachment" in answer.headers["Content-Disposition"]
    assert answer.data.decode("utf-8-sig").splitlines() == [
        "Tag;Anliegen;Termine;Minuten;Abgesagt",
        "2026-12-07;Reisepass;1;20;0",
    ]


@pytest.mark.parametrize(
    ("days", "message"),
    [
        ("first=&last=", "Geben Sie einen Tag an"),
        ("first=gestern&last=2026-12-31", "Geben Sie einen Tag an"),
        ("first=2026-12-31&last=2026-12-01", "höchstens ein Jahr danach"),
        ("first=2001-01-01&last=2199-12-31", "höchstens ein Jahr danach"),
    ],
)
@pytest.mark.parametrize("path", ["/statistics", "/statistics/table.csv"])
def test_a_period_that_is_none_is_said_at_the_field(citizens, lead, path, days, message):
    answer = lead.get(f"{path}?{days}")
    assert answer.status_code == 422
    assert message in answer.text


@pytest.mark.parametrize("day", ["nonsense", "0001-01-01", "9999-12-31"])
def test_a_week_that_is_none_is_this_one(citizens, lead, day):
    page = lead.get("/load", query_string={"day": day})
    assert page.status_code == 200
    assert "30. November" in page.text


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31"])
def test_the_ends_of_the_calendar_are_no_mistake_of_ours(citizens, lead, day):
    assert lead.get(f"/statistics?first={day}&last={day}").status_code == 422
    token = re.search(r'name="csrf_token" value="([^"]+)"', lead.get("/plans/balance").text)[1]
    form = {"csrf_token": token, "first": day, "last": day, "clerk": "clerk1"}
    for path in ("/plans/balance", "/plans/absence"):
        answer = lead.post(path, data=form)
        assert answer.status_code == 422
        assert "Geben Sie einen Tag an" in answer.text


@pytest.mark.parametrize("path", ["/load", "/statistics", "/statistics/table.csv"])
def test_a_clerk_is_told_that_it_is_not_hers(citizens, staff, path):  # noqa: F811
    browser, _ = log_in(staff, "clerk1")
    assert browser.get(path).status_code == 403
