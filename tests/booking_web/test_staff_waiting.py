"""What staff see of the waiting list: how many, and nothing of who."""

from __future__ import annotations

import pytest

from tests.booking_web.test_staff import log_in, staff
from tests.booking_web.test_waiting import back, full, join

__all__ = ["full", "staff"]


@pytest.mark.parametrize("user", ["clerk1", "lead", "admin"])
def test_staff_see_how_many_wait_and_not_who(full, staff, user):
    join(full)
    join(full, email="zweite@example.org", name="Zweite Person", part="morning")
    back(full)
    browser, _ = log_in(staff, user)
    page = browser.get("/waiting").text
    assert "0 Personen warten. 2 Personen haben gerade ein Angebot." in page
    assert "Am längsten seit Dienstag, 1. Dezember." in page
    assert "Meldebescheinigung" in page
    for private in ("Erika", "Zweite", "example.org"):
        assert private not in page


def test_nobody_sees_it_without_logging_in(staff):
    assert staff.test_client().get("/waiting").location == "/login"


def test_an_empty_list_says_so(staff):
    browser, _ = log_in(staff, "lead")
    assert "0 Personen warten." in browser.get("/waiting").text
