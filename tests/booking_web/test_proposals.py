"""What she finds behind her link after the office changed her appointment, and what she can do there."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.booking_web.test_api import book, post
from tests.booking_web.test_pages import Page
from tests.support.town import BERLIN, at


def stored(citizens, uid: str):
    return citizens.calendar.client().read("buergerbuero", uid, BERLIN).appointment


def plan(citizens, uid: str, day: int = 7, **step) -> None:
    """Apply a plan of one step to an appointment on that day of December."""
    lead = citizens.calendar.client("lead")
    found = lead.snapshot("buergerbuero", at(day, 0).date(), at(day, 0).date())
    (entry,) = [entry for entry in found["booked"] if entry["uid"] == uid]
    before = {"uid": uid, "etag": entry["etag"], "clerk": entry["clerk"], "start": entry["starts_at"]}
    after = {"to_clerk": entry["clerk"], "to_start": entry["starts_at"], "reason": "Krankheit"}
    made = lead.propose_plan(
        "buergerbuero",
        {
            "kind": "repair",
            "steps": [{**before, **after, **step}],
            "objective": {},
            "proven_optimal": True,
            "seconds": 0.0,
        },
    )
    lead.decide_plan(made["id"], "apply")


@pytest.fixture
def moved(citizens):
    """An appointment that a plan moved from 8 to 10 o'clock."""
    made = book(citizens)
    plan(citizens, made["uid"], to_start=int(at(7, 10).timestamp()))
    return made


def decline(citizens, uid: str) -> None:
    """What the worker does when her calendar has declined."""
    site = citizens.calendar.client()
    found = site.read("buergerbuero", uid, BERLIN)
    declined = replace(found.appointment, cancelled=True, declined=True)
    site.book(declined, now=citizens.clock(), etag=found.etag)


def test_she_finds_the_proposal_and_three_ways(citizens, moved):
    page = Page(citizens.browser().get(f"/termin/{moved['token']}"))
    assert "Passt Ihnen die neue Zeit?" in page.text
    assert "Montag, 7. Dezember 2026 um 8:00 Uhr kann leider nicht stattfinden" in page.text
    assert "Der Grund: Krankheit" in page.text
    assert page.form("/annehmen")["method"] == "post"
    for way in ("verschieben", "absagen"):
        assert f"/termin/{moved['token']}/{way}" in page.links


def test_looking_changes_nothing(citizens, moved):
    for path in ("", "/verschieben", "/absagen", "/annehmen"):
        citizens.browser().get(f"/termin/{moved['token']}{path}")
    assert stored(citizens, moved["uid"]).proposed == at(7, 8)


def test_she_agrees_once(citizens, moved):
    browser = citizens.browser()
    for _ in range(2):
        answer = browser.post(f"/termin/{moved['token']}/annehmen")
        assert answer.status_code == 303
    page = browser.get(answer.location)
    assert "Danke, die neue Zeit gilt" in page.text
    assert "Passt Ihnen die neue Zeit?" not in page.text
    agreed = stored(citizens, moved["uid"])
    assert (agreed.proposed, agreed.start, agreed.sequence) == (None, at(7, 10), 1)


def test_she_agrees_to_no_time_that_she_has_not_seen(citizens, moved):
    """Her page is open while the office moves the appointment once more, or takes that back."""
    browser = citizens.browser()
    form = Page(browser.get(f"/termin/{moved['token']}")).form("/annehmen")
    assert form["fields"]["seen"]
    plan(citizens, moved["uid"], to_start=int(at(7, 11).timestamp()))
    answer = browser.post(form["action"], data=form["fields"])
    assert answer.status_code == 409
    assert "Inzwischen ist es eine andere Zeit" in answer.text
    assert "Danke, die neue Zeit gilt" not in answer.text
    assert stored(citizens, moved["uid"]).proposed == at(7, 8)
    form = Page(answer).form("/annehmen")
    for _ in range(2):
        assert browser.post(form["action"], data=form["fields"]).status_code == 303
    assert stored(citizens, moved["uid"]).proposed is None


def test_a_group_is_asked_about_those_that_moved(citizens):
    made = book(citizens, services=[{"id": "meldebescheinigung"}], group=3)
    second = made["uid"].replace("@", ".g2@")
    plan(citizens, second, to_start=int(at(7, 10).timestamp()))
    page = Page(citizens.browser().get(f"/termin/{made['token']}"))
    assert "Nicht alle Termine können zur alten Zeit stattfinden" in page.text
    assert "2. Termin: Montag, 7. Dezember 2026, 10:00 Uhr" in page.text
    assert "kann leider nicht stattfinden" not in page.text
    found = citizens.browser().get(f"/api/v1/appointments/{made['token']}").json["appointments"]
    promised = {each["number"]: each["promised_start"] for each in found if "promised_start" in each}
    assert promised == {2: "2026-12-07T08:00:00+01:00"}
    form = page.form("/annehmen")
    assert citizens.browser().post(form["action"], data=form["fields"]).status_code == 303
    assert stored(citizens, made["uid"]).proposed is None
    assert all(part.proposed is None for part in stored(citizens, made["uid"]).parts)


def test_a_reminder_makes_no_proposal_of_what_has_not_moved(citizens):
    made = book(citizens, services=[{"id": "meldebescheinigung"}], group=2)
    plan(citizens, made["uid"].replace("@", ".g2@"), to_start=int(at(7, 10).timestamp()))
    citizens.browser().post(f"/termin/{made['token']}/erinnerung", data={"reminder": "1"})
    assert [part.proposed for part in stored(citizens, made["uid"]).parts] == [None, at(7, 8)]


def test_she_chooses_another_time(citizens, moved):
    start = "2026-12-07T11:00:00+01:00"
    answer = citizens.browser().post(f"/termin/{moved['token']}/verschieben", data={"start": start})
    assert answer.status_code == 303
    chosen = stored(citizens, moved["uid"])
    assert (chosen.start, chosen.proposed, chosen.reason) == (at(7, 11), None, "")


def test_choosing_the_proposed_time_is_agreeing(citizens, moved):
    start = "2026-12-07T10:00:00+01:00"
    citizens.browser().post(f"/termin/{moved['token']}/verschieben", data={"start": start})
    assert stored(citizens, moved["uid"]).proposed is None


def test_what_the_office_moved_can_be_changed_until_it_begins(citizens, moved):
    citizens.clock.now = (at(7, 10) - timedelta(minutes=1)).astimezone(UTC)
    page = citizens.browser().get(f"/termin/{moved['token']}")
    assert "Ja, die neue Zeit passt" in page.text
    assert citizens.browser().get(f"/termin/{moved['token']}/absagen").status_code == 200
    citizens.clock.now = at(7, 10).astimezone(UTC)
    assert citizens.browser().post(f"/termin/{moved['token']}/annehmen").status_code == 409


def test_what_a_plan_cancelled_says_why_and_leads_to_a_new_booking(citizens):
    made = book(citizens)
    plan(citizens, made["uid"], cancel=True)
    answer = citizens.browser().get(f"/termin/{made['token']}")
    page = Page(answer)
    assert answer.status_code == 410
    assert "Der Grund: Krankheit" in page.text
    assert any("service=reisepass:2" in (link or "").replace("%3A", ":") for link in page.links)
    assert citizens.browser().post(f"/termin/{made['token']}/zurueckholen").status_code == 404
    assert citizens.browser().get(f"/api/v1/appointments/{made['token']}").status_code == 404


def test_what_she_declined_by_mistake_comes_back_with_one_click(citizens):
    made = book(citizens)
    decline(citizens, made["uid"])
    browser = citizens.browser()
    page = Page(browser.get(f"/termin/{made['token']}"))
    assert "in Ihrem Kalender abgelehnt" in page.text
    assert stored(citizens, made["uid"]).cancelled
    form = page.form("/zurueckholen")
    assert form["method"] == "post"
    for _ in range(2):
        answer = browser.post(form["action"])
        assert answer.status_code == 303
    assert "Ihr Termin gilt wieder" in browser.get(answer.location).text
    back = stored(citizens, made["uid"])
    assert (back.cancelled, back.declined, back.start) == (False, False, at(7, 8))


def test_what_was_hers_comes_back_at_short_notice_too(citizens):
    made = book(citizens)
    decline(citizens, made["uid"])
    citizens.clock.now = (at(7, 8) - timedelta(minutes=5)).astimezone(UTC)
    answer = citizens.browser().post(f"/termin/{made['token']}/zurueckholen")
    assert answer.status_code == 303
    assert not stored(citizens, made["uid"]).cancelled


def test_if_the_time_is_taken_she_is_told(citizens):
    made = book(citizens)
    decline(citizens, made["uid"])
    taken = 0
    while post(citizens, "appointments", _same(made)).status_code == 201:
        taken += 1
    assert taken
    answer = citizens.browser().post(f"/termin/{made['token']}/zurueckholen")
    assert answer.status_code == 409
    assert "nicht mehr frei" in answer.text
    assert "Termin zurückholen" not in answer.text


def _same(made):
    return {
        "office": "buergerbuero",
        "services": [{"id": "reisepass", "persons": 2}, {"id": "beglaubigung"}],
        "start": datetime.fromisoformat(made["start"]).isoformat(),
        "name": "Max Muster",
        "email": "max@example.org",
    }


def test_a_program_sees_the_proposal_and_agrees(citizens, moved):
    browser, path = citizens.browser(), f"/api/v1/appointments/{moved['token']}"
    found = browser.get(path).json
    assert found["start"] == "2026-12-07T10:00:00+01:00"
    assert found["promised_start"] == "2026-12-07T08:00:00+01:00"
    for _ in range(2):
        agreed = browser.post(f"{path}/accept")
        assert agreed.status_code == 200
        assert (agreed.json["start"], agreed.json["promised_start"]) == (found["start"], None)
    assert stored(citizens, moved["uid"]).proposed is None


def test_a_program_agrees_to_no_time_that_it_has_not_seen(citizens, moved):
    browser, path = citizens.browser(), f"/api/v1/appointments/{moved['token']}"
    seen = browser.get(path).json["start"]
    plan(citizens, moved["uid"], to_start=int(at(7, 14).timestamp()))
    refused = browser.post(f"{path}/accept", json={"start": seen})
    assert (refused.status_code, refused.json["code"]) == (409, "outdated")
    assert stored(citizens, moved["uid"]).proposed is not None
    # The same instant, whatever its offset.
    agreed = browser.post(f"{path}/accept", json={"start": "2026-12-07T13:00:00Z"})
    assert (agreed.status_code, agreed.json["promised_start"]) == (200, None)


def test_a_program_names_all_times_of_a_group(citizens):
    made = book(citizens, services=[{"id": "meldebescheinigung"}], group=2)
    plan(citizens, made["uid"].replace("@", ".g2@"), to_start=int(at(7, 10).timestamp()))
    browser, path = citizens.browser(), f"/api/v1/appointments/{made['token']}"
    starts = [each["start"] for each in browser.get(path).json["appointments"]]
    for said, status in (
        ({"start": starts[0]}, 422),
        ({"starts": starts[0]}, 422),
        ({"starts": [starts[0], 5]}, 422),
        ({"starts": starts[:1]}, 409),
        ({"starts": starts[::-1]}, 200),
    ):
        assert browser.post(f"{path}/accept", json=said).status_code == status


@pytest.mark.parametrize("said", [{"data": b""}, {"json": {}}, {"json": {"start": None}}])
def test_a_program_that_names_no_time_agrees_to_what_is_proposed(citizens, moved, said):
    answer = citizens.browser().post(f"/api/v1/appointments/{moved['token']}/accept", **said)
    assert (answer.status_code, answer.json["promised_start"]) == (200, None)


@pytest.mark.parametrize("start", ["10 Uhr", 7, "2026-12-07T10:00:00"])
def test_a_time_that_is_none_is_no_agreement(citizens, moved, start):
    path = f"/api/v1/appointments/{moved['token']}/accept"
    assert citizens.browser().post(path, json={"start": start}).status_code == 422
    assert stored(citizens, moved["uid"]).proposed is not None


def test_a_program_cannot_agree_to_a_hold(citizens):
    wish = {"office": "buergerbuero", "services": [{"id": "reisepass"}], "start": "2026-12-07T08:00:00+01:00"}
    held = post(citizens, "holds", wish).json
    assert citizens.browser().post(f"/api/v1/appointments/{held['token']}/accept").status_code == 404
