"""What-if on the staff pages."""

from __future__ import annotations

import re

import pytest

from tests.booking_web.test_api import book
from tests.booking_web.test_staff import log_in, staff  # noqa: F401 - a fixture

WINDOW = "what=window&day=3&start=14:00&end=18:00"
CLERK = "what=clerk&service=reisepass&like=clerk1"
INVENTED = "demand=generated&per_week=150&weeks=2"


@pytest.fixture
def lead(staff):  # noqa: F811 - the fixture that was imported
    return log_in(staff, "lead")[0]


def test_it_asks_first(citizens, lead):
    page = lead.get("/plans/whatif")
    assert page.status_code == 200
    assert "Termine, die passen" not in page.text
    assert "/plans/whatif" in lead.get("/plans").text


@pytest.mark.parametrize("change", [WINDOW, CLERK])
def test_the_difference_is_a_small_table(citizens, lead, change):
    before = len(citizens.calendar.change_log().read("buergerbuero", 0))
    page = lead.get(f"/plans/whatif?{change}&{INVENTED}")
    assert page.status_code == 200
    now, then = re.search(
        r"Termine, die passen</th><td[^>]*>(\d+)</td><td[^>]*>(\d+)</td>", page.text
    ).groups()
    assert int(then) > int(now) > 0
    assert f"{int(then) - int(now)} Termin" in page.text
    assert "Wartezeit im Mittel" in page.text
    assert len(citizens.calendar.change_log().read("buergerbuero", 0)) == before


def test_the_past_is_taken_from_the_calendars(citizens, lead):
    book(citizens, services=[{"id": "reisepass"}])
    assert "gab es keine Termine" in lead.get(f"/plans/whatif?{WINDOW}").text
    citizens.clock.advance(days=10)
    page = log_in_again(lead).get(f"/plans/whatif?{WINDOW}").text
    assert "1 Wunsch" in page


def log_in_again(browser):
    """Ten days later the session is over."""
    return log_in(browser.application, "lead")[0]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        (f"{WINDOW}&weeks=0", "Geben Sie eine Zahl von 1 bis 12 an."),
        (f"{WINDOW}&weeks=x", "Geben Sie eine Zahl von 1 bis 12 an."),
        (f"{WINDOW}&{INVENTED.replace('150', '99999')}", "Geben Sie eine Zahl von 1 bis 1000 an."),
        ("what=window&day=9", "Wählen Sie einen Wochentag."),
        ("what=window&start=25:00", "Geben Sie eine Uhrzeit an"),
        ("what=window&start=14:00%2B01:00&end=18:00", "Geben Sie eine Uhrzeit an"),
        ("what=window&start=18:00&end=14:00", "Das Ende muss nach dem Beginn liegen."),
        (f"{WINDOW}&clerk=nobody", "Wählen Sie, wer dann arbeiten würde."),
        ("what=clerk&like=clerk1", "Wählen Sie mindestens ein Anliegen."),
        ("what=clerk&service=reisepass&like=nobody", "Wählen Sie, wessen Arbeitszeit gilt."),
    ],
)
def test_what_is_wrong_is_said_at_the_field(citizens, lead, query, message):
    answer = lead.get(f"/plans/whatif?{query}")
    assert answer.status_code == 422
    assert answer.text.count(message) == 2


@pytest.mark.parametrize(
    ("query", "messages"),
    [
        (
            f"{WINDOW}&weeks=0&per_week={'9' * 3000}&seed=%3Cb%3E",
            [
                "Wochen: Geben Sie eine Zahl von 1 bis 12 an.",
                "Erfundene Wünsche pro Woche: Geben Sie eine Zahl von 1 bis 1000 an.",
                "Zufall (gleiche Zahl, gleiche Wünsche): Geben Sie eine Zahl von 1 bis 999999 an.",
            ],
        ),
        (
            "what=window&start=%FF&end=24:00",
            [
                "Von: Geben Sie eine Uhrzeit an, zum Beispiel 8:00.",
                "Bis: Geben Sie eine Uhrzeit an, zum Beispiel 8:00.",
            ],
        ),
    ],
)
def test_which_field_is_wrong_is_said_above_all_of_them(citizens, lead, query, messages):
    answer = lead.get(f"/plans/whatif?{query}")
    assert answer.status_code == 422
    assert re.findall(r'<li><a class="kern-link" href="#[^"]*">([^<]*)</a>', answer.text) == messages


def test_spaces_around_a_time_are_no_mistake(citizens, lead):
    assert lead.get("/plans/whatif?what=window&start=+14:00+&end=18:00+").status_code == 200


def test_the_lead_decides(citizens, staff):  # noqa: F811 - the fixture that was imported
    browser, _ = log_in(staff, "clerk1")
    assert browser.get("/plans/whatif").status_code == 403
