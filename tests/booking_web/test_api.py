"""The JSON API on the real calendar server."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, datetime

import pytest
from icalendar import Calendar

from booking_web.settings import Activation, Protection
from tests.booking_web.conftest import API_KEY, world

MONDAY_8 = "2026-12-07T08:00:00+01:00"
MONDAY_9 = "2026-12-07T09:00:00+01:00"


def booking(**values):
    made = {
        "office": "buergerbuero",
        "services": [{"id": "reisepass", "persons": 2}, {"id": "beglaubigung"}],
        "start": MONDAY_8,
        "name": "Erika Mustermann",
        "email": "erika@example.org",
    }
    made.update(values)
    return {name: value for name, value in made.items() if value is not ...}


def post(made, path, content, **headers):
    return made.browser().post(
        f"/api/v1/{path}",
        json=content,
        headers={name.replace("_", "-"): value for name, value in headers.items()},
    )


def book(world, **values):
    answer = post(world, "appointments", booking(**values))
    assert answer.status_code == 201, answer.json
    return answer.json


def starts(world, query, day):
    offers = world.browser().get(f"/api/v1/offers?office=buergerbuero&{query}").json
    return next((each["starts"] for each in offers["days"] if each["date"] == day), [])


def fields(answer):
    return {error["field"] for error in answer.json["errors"]}


def test_services_say_what_to_bring_and_how_long_it_takes(shared):
    services = shared.browser().get("/api/v1/services?office=buergerbuero").json
    passport = next(service for service in services if service["id"] == "reisepass")
    assert passport["name"] == "Reisepass"
    assert passport["duration_minutes"] % 5 == 0
    assert any(document["id"] == "digitales-foto" for document in passport["documents"])


def test_services_speak_english_when_asked(shared):
    answer = shared.browser().get("/api/v1/services", headers={"Accept-Language": "en"})
    assert "Passport" in {service["name"] for service in answer.json}


def test_offers_lie_in_the_windows_and_within_the_range(shared):
    answer = shared.browser().get(
        "/api/v1/offers?office=buergerbuero&service=reisepass:2&service=beglaubigung&from=2026-12-07&to=2026-12-31"
    )
    days = answer.json["days"]
    assert days[0]["date"] == "2026-12-07"
    assert {date.fromisoformat(day["date"]).weekday() for day in days} == {0, 2}
    assert all(day["date"] <= "2026-12-31" for day in days)
    for day in days:
        times = [datetime.fromisoformat(start) for start in day["starts"]]
        assert times == sorted(times)
        assert all(time.minute % 15 == 0 and 8 <= time.hour < 16 for time in times)
        assert all(start.endswith("+01:00") for start in day["starts"])


def test_offers_leave_public_holidays_out(citizens):
    citizens.clock.now = citizens.clock.now.replace(month=3, year=2027)
    days = citizens.browser().get("/api/v1/offers?service=fundbuero").json["days"]
    assert "2027-03-22" in {day["date"] for day in days}
    assert "2027-03-29" not in {day["date"] for day in days}, "Easter Monday"


def test_offers_keep_the_minimum_notice_and_the_horizon(citizens):
    citizens.clock.now = datetime.fromisoformat("2026-12-07T10:40:00+01:00")
    days = citizens.browser().get("/api/v1/offers?service=fundbuero").json["days"]
    assert days[0]["starts"][0] == "2026-12-07T11:45:00+01:00"
    assert days[-1]["date"] == "2027-02-03"


def test_a_booking_stands_in_one_clerks_calendar_and_in_the_office(citizens):
    answer = post(
        citizens, "appointments", booking(remarks="Zeugnis", phone="0291 2050"), Idempotency_Key="k1"
    )
    assert answer.status_code == 201
    made = answer.json
    assert made["start"] == MONDAY_8
    assert made["end"] == "2026-12-07T08:35:00+01:00"
    assert made["manage_url"] == f"https://termin.example/termin/{made['token']}"
    found = [
        event
        for clerk in ("clerk1", "clerk2", "clerk3", "clerk4")
        for event in citizens.calendar.calendar(clerk).events()
    ]
    assert len(found) == 1
    event = found[0].icalendar_component
    assert str(event["UID"]) == made["uid"]
    assert str(event["SUMMARY"]) == "Reisepass, 2 Personen + Beglaubigung · Erika Mustermann"
    assert "Bringt mit:" in event["DESCRIPTION"]
    assert "Zeugnis" in event["DESCRIPTION"]
    assert "Franz-Stahlmecke-Platz 2" in event["LOCATION"]
    assert "erika@example.org" in event["CONTACT"]
    assert event["CATEGORIES"].cats == ["Reisepass", "Beglaubigung"]
    in_office = citizens.calendar.calendar("lead", "buergerbuero/appointments").events()
    assert [str(each.icalendar_component["UID"]) for each in in_office] == [made["uid"]]


def test_a_repeat_with_the_same_key_gives_the_same_answer(citizens):
    first = post(citizens, "appointments", booking(), Idempotency_Key="k1")
    again = post(citizens, "appointments", booking(), Idempotency_Key="k1")
    assert again.status_code == 201
    assert again.json == first.json
    assert len(citizens.calendar.calendar("lead", "buergerbuero/appointments").events()) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"name": "Max Muster"},
        {"start": MONDAY_9},
        {"services": [{"id": "fundbuero"}]},
        {"phone": "0291 205 0"},
        {"remarks": "Bitte klingeln."},
        {"language": "en"},
        {"needs": ["wheelchair"]},
        {"group": 2},
    ],
)
def test_a_key_with_other_content_is_refused(citizens, change):
    post(citizens, "appointments", booking(), Idempotency_Key="k1")
    answer = post(citizens, "appointments", booking(**change), Idempotency_Key="k1")
    assert answer.status_code == 422
    assert answer.json["code"] == "idempotency-key-reused"


@pytest.mark.parametrize(
    "entered",
    [
        {"remarks": 'Zeile 1\r\nZeile 2\n Schluss; a,b \\n "c" 💥 '},
        {"name": "O'Neill, José; Frau \\ von", "phone": "+49 (291) 205-0"},
        {"needs": ["interpreter", "wheelchair"], "language": "uk", "reminder": True},
        {"group": 2},
    ],
)
def test_a_repeat_is_recognised_whatever_was_entered(citizens, entered):
    first = post(citizens, "appointments", booking(**entered), Idempotency_Key="k1")
    assert first.status_code == 201
    again = post(citizens, "appointments", booking(**entered), Idempotency_Key="k1")
    assert (again.status_code, again.json) == (201, first.json)


def test_keys_of_different_partners_are_apart(citizens):
    mine = post(citizens, "appointments", booking(), Idempotency_Key="k1")
    theirs = post(
        citizens, "appointments", booking(), Idempotency_Key="k1", Authorization=f"Bearer {API_KEY}"
    )
    assert theirs.status_code == 201
    assert theirs.json["uid"] != mine.json["uid"]


def test_a_taken_time_is_a_conflict_that_names_the_nearest_free_ones(citizens):
    for _ in range(len(citizens.calendar.directory.offices[0].clerks)):
        if post(citizens, "appointments", booking()).status_code != 201:
            break
    answer = post(citizens, "appointments", booking())
    assert answer.status_code == 409
    assert answer.mimetype == "application/problem+json"
    assert answer.json["type"].endswith("slot-taken")
    assert MONDAY_8 not in answer.json["nearest"]
    assert answer.json["nearest"][0].startswith("2026-12-07T08")
    assert MONDAY_8 not in starts(citizens, "service=reisepass:2&service=beglaubigung", "2026-12-07")


def test_a_time_outside_the_windows_is_a_conflict(citizens):
    assert post(citizens, "appointments", booking(start="2026-12-08T08:00:00+01:00")).status_code == 409


def test_it_moves_and_keeps_its_uid(citizens):
    made = book(citizens)
    moved = post(citizens, f"appointments/{made['token']}/move", {"start": MONDAY_9})
    assert moved.status_code == 200
    assert moved.json["uid"] == made["uid"]
    assert moved.json["start"] == MONDAY_9
    assert moved.json["sequence"] == 1
    again = post(citizens, f"appointments/{made['token']}/move", {"start": MONDAY_9})
    assert again.json["sequence"] == 1


def test_a_move_onto_a_taken_time_changes_nothing(citizens):
    made = book(citizens, start=MONDAY_9)
    while post(citizens, "appointments", booking()).status_code == 201:
        pass
    answer = post(citizens, f"appointments/{made['token']}/move", {"start": MONDAY_8})
    assert answer.status_code == 409
    assert citizens.browser().get(f"/api/v1/appointments/{made['token']}").json["start"] == MONDAY_9


def test_cancelling_frees_the_time(citizens):
    made = book(citizens)
    path = f"/api/v1/appointments/{made['token']}"
    assert citizens.browser().delete(path).status_code == 204
    assert citizens.browser().get(path).status_code == 404
    assert citizens.browser().delete(path).status_code == 404
    assert citizens.calendar.calendar("lead", "buergerbuero/appointments").events() == []


def test_what_has_begun_can_no_longer_be_changed(citizens):
    made = book(citizens)
    citizens.clock.now = datetime.fromisoformat("2026-12-07T08:01:00+01:00")
    assert citizens.browser().delete(f"/api/v1/appointments/{made['token']}").json["code"] == "too-late"
    moved = post(citizens, f"appointments/{made['token']}/move", {"start": "2026-12-14T08:00:00+01:00"})
    assert moved.status_code == 409


def test_the_file_for_her_calendar(citizens):
    made = book(citizens)
    answer = citizens.browser().get(f"/api/v1/appointments/{made['token']}/termin.ics")
    assert answer.mimetype == "text/calendar"
    event = Calendar.from_ical(answer.data).walk("VEVENT")[0]
    assert str(event["UID"]) == made["uid"]
    assert event.start.isoformat() == MONDAY_8
    assert not [name for name in event if name.startswith("X-TERMIN")]


def test_a_hold_takes_the_time_and_becomes_an_appointment(citizens):
    wish = booking(name=..., email=...)
    held = post(citizens, "holds", wish)
    assert held.status_code == 201
    assert held.json["expires"] == "2026-12-01T12:10:00+01:00"
    token = held.json["token"]
    assert citizens.browser().get(f"/api/v1/appointments/{token}").json["status"] == "hold"
    person = {"name": "Erika Mustermann", "email": "erika@example.org"}
    made = post(citizens, f"holds/{token}/confirm", person)
    assert made.status_code == 201
    assert made.json["uid"] == held.json["uid"]
    assert made.json["status"] == "confirmed"
    assert post(citizens, f"holds/{token}/confirm", person).json == made.json
    other = post(citizens, f"holds/{token}/confirm", {**person, "name": "Max Muster"})
    assert (other.status_code, other.json["code"]) == (422, "idempotency-key-reused")


@pytest.mark.parametrize("group", [1, 2])
def test_a_late_repeat_never_books_again_what_was_cancelled(citizens, group):
    """Else a retry that was stuck in a queue undoes the citizen's cancellation."""
    wish = booking(group=group)
    first = post(citizens, "appointments", wish, Idempotency_Key="k1").json
    assert citizens.browser().delete(f"/api/v1/appointments/{first['token']}").status_code == 204
    for _ in range(2):
        again = post(citizens, "appointments", wish, Idempotency_Key="k1")
        assert (again.status_code, again.json["code"]) == (409, "booking-ended")
    assert MONDAY_8 in starts(citizens, "service=reisepass:2&service=beglaubigung", "2026-12-07")
    assert post(citizens, "appointments", wish, Idempotency_Key="k2").status_code == 201


def test_a_repeat_after_the_office_cancelled_is_told_so(citizens):
    first = post(citizens, "appointments", booking(), Idempotency_Key="k1").json
    lead = citizens.calendar.client("lead")
    zone = citizens.town.offices[0].zone
    stored = lead.read("buergerbuero", first["uid"], zone)
    lead.book(replace(stored.appointment, cancelled=True), now=citizens.clock.now, etag=stored.etag)
    again = post(citizens, "appointments", booking(), Idempotency_Key="k1")
    assert (again.status_code, again.json["code"]) == (409, "booking-ended")


def test_a_repeat_of_what_was_never_confirmed_is_told_so(town, directory, tmp_path):
    protection = Protection(activation=Activation.ALWAYS)
    with world(town, directory, tmp_path, protection=protection) as made:
        first = post(made, "appointments", booking(), Idempotency_Key="k1")
        assert first.json["status"] == "awaiting-activation"
        assert post(made, "appointments", booking(), Idempotency_Key="k1").json["uid"] == first.json["uid"]
        made.clock.advance(hours=3)
        again = post(made, "appointments", booking(), Idempotency_Key="k1")
        assert (again.status_code, again.json["code"]) == (409, "booking-ended")


def test_a_hold_that_ran_out_is_kept_anew_under_its_key(citizens):
    wish = booking(name=..., email=...)
    first = post(citizens, "holds", wish, Idempotency_Key="1").json
    citizens.clock.advance(minutes=11)
    again = post(citizens, "holds", wish, Idempotency_Key="1")
    assert again.status_code == 201
    assert again.json["expires"] > first["expires"]


@pytest.mark.parametrize("path", ["appointments", "holds", "waiting", f"appointments/{'a' * 42}/move"])
@pytest.mark.parametrize("called", ["text/plain", "multipart/form-data", "text/json"])
def test_what_is_not_called_json_is_not_read_as_json(shared, path, called):
    answer = shared.browser().post(f"/api/v1/{path}", data=json.dumps(booking()), content_type=called)
    assert (answer.status_code, answer.mimetype) == (415, "application/problem+json")
    assert answer.headers["Accept"] == "application/json"


def test_links_for_the_citizen_are_in_the_language_she_booked_in(citizens):
    made = book(citizens, language="en")
    assert made["manage_url"] == f"https://termin.example/en/termin/{made['token']}"
    assert made["ics_url"] == f"https://termin.example/en/termin/{made['token']}/termin.ics"
    again = citizens.browser().get(f"/api/v1/appointments/{made['token']}", headers={"Accept-Language": "de"})
    assert again.json["manage_url"] == made["manage_url"]


@pytest.mark.parametrize("path", ["appointments", "holds", "waiting", f"appointments/{'a' * 42}/move"])
@pytest.mark.parametrize("text", ["office=buergerbuero&start=now", '{"office":', ""])
def test_a_form_is_told_that_json_is_wanted(shared, path, text):
    answer = shared.browser().post(
        f"/api/v1/{path}", data=text, content_type="application/x-www-form-urlencoded"
    )
    assert (answer.status_code, answer.headers["Accept"]) == (415, "application/json")


@pytest.mark.parametrize("called", ["application/x-www-form-urlencoded", None])
@pytest.mark.parametrize("origin", ["https://elsewhere.example", "null", "https://termin.example.evil"])
def test_a_page_of_another_site_books_nothing_in_its_visitors_names(shared, called, origin):
    """Without this, browsers would send it with the visitors' own networks and ask nobody (no CORS preflight)."""
    answer = shared.browser().post(
        "/api/v1/appointments", data=json.dumps(booking()), content_type=called, headers={"Origin": origin}
    )
    assert answer.status_code == 415


@pytest.mark.parametrize(
    "called",
    ["application/json; charset=utf-8", "APPLICATION/JSON", "application/x-www-form-urlencoded", None],
)
@pytest.mark.parametrize("origin", [{}, {"Origin": "https://termin.example"}])
def test_json_may_say_its_charset_or_be_called_what_curl_calls_it(citizens, called, origin):
    answer = citizens.browser().post(
        "/api/v1/appointments", data=json.dumps(booking()), content_type=called, headers=origin
    )
    assert answer.status_code == 201


@pytest.mark.parametrize(
    "text",
    ['{"office": "buergerbuero", "office": "buergerbuero"}', '{"services": [{"id": "a", "id": "b"}]}'],
)
def test_a_name_that_comes_twice_is_refused(shared, text):
    answer = shared.browser().post("/api/v1/appointments", data=text, content_type="application/json")
    assert (answer.status_code, fields(answer)) == (422, {"body"})


def test_a_hold_with_the_same_key_is_the_same_hold(citizens):
    wish = booking(name=..., email=...)
    first = post(citizens, "holds", wish, Idempotency_Key="1")
    citizens.clock.advance(minutes=2)
    again = post(citizens, "holds", wish, Idempotency_Key="1")
    assert again.json == first.json
    for change in ({"start": MONDAY_9}, {"group": 2}):
        other = post(citizens, "holds", {**wish, **change}, Idempotency_Key="1")
        assert other.json["code"] == "idempotency-key-reused"
    partner = post(citizens, "holds", wish, Idempotency_Key="1", Authorization=f"Bearer {API_KEY}")
    assert partner.json["uid"] != first.json["uid"]


def test_a_hold_that_has_run_out_is_gone(citizens):
    token = post(citizens, "holds", booking(name=..., email=...)).json["token"]
    citizens.clock.advance(minutes=10, seconds=1)
    answer = post(citizens, f"holds/{token}/confirm", {"name": "Erika", "email": "erika@example.org"})
    assert answer.status_code == 404


def test_a_hold_can_be_given_back(citizens):
    token = post(citizens, "holds", booking(name=..., email=...)).json["token"]
    assert citizens.browser().delete(f"/api/v1/holds/{token}").status_code == 204
    assert citizens.browser().delete(f"/api/v1/holds/{token}").status_code == 404


def test_an_appointment_is_no_hold_to_give_back(citizens):
    made = book(citizens)
    assert citizens.browser().delete(f"/api/v1/holds/{made['token']}").status_code == 404
    assert citizens.browser().get(f"/api/v1/appointments/{made['token']}").status_code == 200


def test_a_token_is_needed_and_the_uid_is_none(citizens):
    made = book(citizens)
    for token in (made["uid"].partition("@")[0], made["token"][:-1] + "a", "x", "%00", "a" * 500):
        assert citizens.browser().get(f"/api/v1/appointments/{token}").status_code == 404


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": ...}, "name"),
        ({"name": "1234"}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"name": 5}, "name"),
        ({"email": "nobody"}, "email"),
        ({"email": "a@b.example\r\nBcc: c@d.example"}, "email"),
        ({"phone": "call me"}, "phone"),
        ({"remarks": "x" * 501}, "remarks"),
        ({"reminder": "yes"}, "reminder"),
        ({"language": "xx"}, "language"),
        ({"needs": ["cake"]}, "needs"),
        ({"needs": "wheelchair"}, "needs"),
        ({"start": "2026-12-07T08:00:00"}, "start"),
        ({"start": "2026-12-07T08:00:00+01:00\0"}, "start"),
        ({"start": "2026-W50-1T08:00:00+01:00"}, "start"),
        ({"start": "2026-12-07T08:00:00+01:00 "}, "start"),
        ({"start": "٢٠٢٦-12-07T08:00:00+01:00"}, "start"),
        ({"start": "2026-12-07T08:07:00+01:00"}, "start"),
        ({"start": "2026-11-30T08:00:00+01:00"}, "start"),
        ({"start": "2027-12-06T08:00:00+01:00"}, "start"),
        ({"start": ...}, "start"),
        ({"start": 7}, "start"),
        ({"office": "nowhere"}, "office"),
        ({"office": ...}, "office"),
        ({"office": ""}, "office"),
        ({"services": []}, "services"),
        ({"services": ...}, "services"),
        ({"services": "reisepass"}, "services"),
        ({"services": [{"id": "magic"}]}, "services"),
        ({"services": [{"id": "reisepass", "persons": 99}]}, "services"),
        ({"services": [{"id": "reisepass", "persons": 0}]}, "services"),
        ({"services": [{"id": "reisepass"}, {"id": "reisepass"}]}, "services"),
        ({"services": [{"id": "reisepass", "persons": True}]}, "services[0].persons"),
        ({"services": [7]}, "services[0]"),
    ],
)
def test_a_mistake_is_named_with_its_field(shared, change, field):
    answer = post(shared, "appointments", booking(**change))
    assert answer.status_code == 422
    assert field in fields(answer)
    assert all(error["message"] for error in answer.json["errors"])


def test_all_mistakes_come_at_once(shared):
    answer = post(shared, "appointments", {"services": [], "start": "x"})
    assert fields(answer) == {"office", "services", "start", "name", "email"}


@pytest.mark.parametrize(
    "query",
    [
        "service=magic",
        "service=reisepass:x",
        "service=reisepass:99",
        "",
        "service=reisepass&office=nowhere",
        "service=reisepass&from=tomorrow",
        "service=reisepass&from=2026-W50-1",
        "service=reisepass&from=2026-12-31&to=2026-12-01",
    ],
)
def test_a_question_for_offers_that_makes_no_sense(shared, query):
    assert shared.browser().get(f"/api/v1/offers?{query}").status_code == 422


def test_an_unknown_partner_is_refused(shared):
    for header in ("Bearer wrong", "Bearer", "Basic Og==", "nonsense", "Bearer ä"):
        answer = shared.browser().get("/api/v1/services", headers={"Authorization": header})
        assert answer.status_code == 401, header
        assert answer.mimetype == "application/problem+json"
        assert answer.headers["WWW-Authenticate"] == 'Bearer realm="termin", error="invalid_token"'
        assert answer.json["detail"] == "Diesen Schlüssel kennen wir nicht."
    ok = shared.browser().get("/api/v1/services", headers={"Authorization": f"Bearer {API_KEY}"})
    assert ok.status_code == 200


def test_while_the_calendar_is_away_it_says_so(calendarless):
    for answer in (
        calendarless.get("/api/v1/offers?service=reisepass"),
        calendarless.post("/api/v1/appointments", json=booking()),
        calendarless.post("/api/v1/holds", json=booking()),
    ):
        assert answer.status_code == 503
        assert answer.headers["Retry-After"]
        assert answer.json["code"] == "calendar-unavailable"
    assert calendarless.get("/api/v1/services").status_code == 200
    assert calendarless.get("/healthz").status_code == 200
    assert calendarless.get("/readyz").status_code == 503


def test_unknown_addresses_and_methods_are_problems_too(shared):
    assert shared.browser().get("/api/v1/nothing").json["status"] == 404
    answer = shared.browser().put("/api/v1/appointments")
    assert answer.json["status"] == 405
    assert "POST" in answer.headers["Allow"]
    assert post(shared, "appointments", {"name": "x" * 70_000}).status_code == 413
