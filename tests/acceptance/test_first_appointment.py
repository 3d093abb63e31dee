"""The whole way on real parts: `termin serve --demo` as a new user starts it, the JSON API, a CalDAV client, and the mails that leave.

One town serves all tests of this module, as it would; each test books days of its own.
"""

from __future__ import annotations

import email
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.policy import default
from itertools import count
from typing import TYPE_CHECKING, Any

import caldav
import pytest
import requests
from icalendar import Calendar

from tests.config.test_serve import start  # noqa: F401 - a fixture
from tests.config.test_supervisor import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from email.message import EmailMessage

    from tests.config.test_serve import Serving

WAIT_SECONDS = 40
ALL = "meldebescheinigung"


@dataclass
class Town:
    serving: Serving
    keys: Iterator[int] = field(default_factory=count)
    clients: list[caldav.DAVClient] = field(default_factory=list)

    @property
    def api(self) -> str:
        return f"http://127.0.0.1:{self.serving.site}/api/v1"

    def ask(
        self, method: str, path: str, body: dict[str, Any] | None = None, **headers: str
    ) -> requests.Response:
        headers = {"Authorization": "Bearer demo", **headers}
        return requests.request(method, f"{self.api}/{path}", json=body, headers=headers, timeout=20)

    def days(self, service: str = ALL) -> list[dict[str, Any]]:
        first = datetime.now().astimezone().date() + timedelta(days=7)
        query = f"offers?office=buergerbuero&service={service}&from={first}&to={first + timedelta(days=70)}"
        return self.ask("GET", query).json()["days"]

    def book(self, at: str, service: str = ALL, **person: Any) -> requests.Response:
        number = next(self.keys)
        body = {
            "office": "buergerbuero",
            "services": [{"id": service, "persons": 1}],
            "start": at,
            "name": "Erika Muster",
            "email": f"erika{number}@example.org",
            **person,
        }
        return self.ask("POST", "appointments", body, **{"Idempotency-Key": f"key-{number}"})

    def calendar(self, account: str, path: str = "") -> caldav.Calendar:
        url = f"http://127.0.0.1:{self.serving.dav}"
        client = caldav.DAVClient(url, username=account, password="demo")
        self.clients.append(client)
        return client.calendar(url=f"{url}/{path or account + '/calendar'}/")

    def holders(self, uid: str) -> list[str]:
        found = []
        for clerk in ("clerk1", "clerk2", "clerk3", "clerk4"):
            url = f"http://127.0.0.1:{self.serving.dav}/{clerk}/calendar/{uid}.ics"
            if requests.get(url, auth=(clerk, "demo"), timeout=20).status_code == 200:
                found.append(clerk)
        return found

    def event(self, clerk: str, uid: str) -> caldav.Event:
        return self.calendar(clerk).event_by_uid(uid)

    def mails(self, uid: str) -> list[EmailMessage]:
        """The mails about an appointment, in the order of its revisions."""
        found = []
        for file in (self.serving.data / "mail").glob("new/*"):
            message = email.message_from_bytes(file.read_bytes(), policy=default)
            if invitation(message) is not None and str(invited(message)["UID"]) == uid:
                found.append(message)
        return sorted(found, key=lambda message: int(invited(message)["SEQUENCE"]))

    def wait_for_mails(self, uid: str, number: int) -> list[EmailMessage]:
        wait_until(lambda: len(self.mails(uid)) >= number, WAIT_SECONDS)
        return self.mails(uid)


def invitation(message: EmailMessage) -> EmailMessage | None:
    return next((part for part in message.walk() if part.get_content_type() == "text/calendar"), None)


def invited(message: EmailMessage) -> Any:
    part = invitation(message)
    assert part is not None
    return Calendar.from_ical(part.get_content()).walk("VEVENT")[0]


def method(message: EmailMessage) -> str:
    part = invitation(message)
    assert part is not None
    return str(part.get_param("method"))


@pytest.fixture(scope="module")
def town(start: Callable[..., Serving]) -> Iterator[Town]:  # noqa: F811 - the fixture that was imported
    serving = start()
    serving.wait_until_ready()
    made = Town(serving)
    yield made
    for client in made.clients:
        client.close()


@pytest.fixture
def day(town: Town) -> dict[str, Any]:
    """A day that no other test uses."""
    unused = [day for day in town.days() if day["date"] not in USED]
    USED.add(unused[0]["date"])
    return unused[0]


USED: set[str] = set()


def test_only_mondays_and_wednesdays_are_offered(town):
    moments = [datetime.fromisoformat(at) for day in town.days() for at in day["starts"]]
    assert {moment.weekday() for moment in moments} == {0, 2}
    assert all(8 <= moment.hour < (16 if moment.weekday() == 0 else 12) for moment in moments)


def test_a_booking_lies_with_one_clerk_and_in_the_office_view_and_is_confirmed(town, day):
    booked = town.book(day["starts"][0], "reisepass")
    assert booked.status_code == 201, booked.text
    uid = booked.json()["uid"]
    assert len(town.holders(uid)) == 1
    seen = town.calendar("lead", "buergerbuero/appointments").event_by_uid(uid)
    assert seen.icalendar_component.start == datetime.fromisoformat(day["starts"][0])
    (mail,) = town.wait_for_mails(uid, 1)
    assert mail.get_content_type() == "multipart/mixed"
    kinds = [part.get_content_type() for part in mail.walk() if not part.is_multipart()]
    assert kinds[:3] == ["text/plain", "text/html", "text/calendar"]
    attachments = [part for part in mail.walk() if part.get_content_disposition() == "attachment"]
    assert [part.get_filename().endswith(".ics") for part in attachments] == [True]
    assert method(mail) == "REQUEST"
    assert invited(mail)["SEQUENCE"] == 0
    assert booked.json()["manage_url"] in mail.get_body(("plain",)).get_content()


def test_she_moves_it_and_cancels_it_from_her_link(town, day):
    before = day["starts"]
    booked = town.book(before[0]).json()
    town.wait_for_mails(booked["uid"], 1)
    moved = town.ask("POST", f"appointments/{booked['token']}/move", {"start": before[4]})
    assert moved.status_code == 200, moved.text
    first, second = town.wait_for_mails(booked["uid"], 2)
    assert invited(first)["UID"] == invited(second)["UID"]
    assert (method(second), invited(second)["SEQUENCE"]) == ("REQUEST", 1)
    assert invited(second)["DTSTART"].dt == datetime.fromisoformat(before[4])
    assert town.ask("DELETE", f"appointments/{booked['token']}").status_code in {200, 204}
    cancelled = town.wait_for_mails(booked["uid"], 3)[-1]
    assert (method(cancelled), str(invited(cancelled)["STATUS"])) == ("CANCEL", "CANCELLED")
    assert town.holders(booked["uid"]) == []
    wait_until(
        lambda: before == next(d["starts"] for d in town.days() if d["date"] == day["date"]), WAIT_SECONDS
    )


def test_a_clerk_drags_it_and_the_citizen_hears_of_it(town, day):
    booked = town.book(day["starts"][0]).json()
    town.wait_for_mails(booked["uid"], 1)
    (clerk,) = town.holders(booked["uid"])
    event = town.event(clerk, booked["uid"])
    to = datetime.fromisoformat(day["starts"][6])
    with event.edit_icalendar_component() as component:
        length = component.end - component.start
        component["DTSTART"].dt, component["DTEND"].dt = to, to + length
    event.save()
    update = town.wait_for_mails(booked["uid"], 2)[-1]
    assert (method(update), invited(update)["SEQUENCE"]) == ("REQUEST", 1)
    assert invited(update)["DTSTART"].dt == to
    seen = town.ask("GET", f"appointments/{booked['token']}").json()
    assert datetime.fromisoformat(seen["start"]) == to


def test_the_hotline_draws_an_event_into_the_office_calendar(town, day):
    office = town.calendar("lead", "buergerbuero/appointments")
    at = datetime.fromisoformat(day["starts"][0])
    uid = f"drawn-{day['date']}"
    office.save_event(
        dtstart=at, dtend=at + timedelta(minutes=30), summary="Telefonisch: Herr Schmidt", uid=uid
    )
    assert len(town.holders(uid)) == 1
    url = f"http://127.0.0.1:{town.serving.dav}/buergerbuero/appointments/no-{uid}.ics"
    night = Calendar.from_ical(office.event_by_uid(uid).data)
    event = night.walk("VEVENT")[0]
    event["UID"] = f"no-{uid}"
    event["DTSTART"].dt = at.replace(hour=20)
    event["DTEND"].dt = at.replace(hour=21)
    answer = requests.put(url, data=night.to_ical(), auth=("lead", "demo"), timeout=20)
    assert answer.status_code == 403
    assert "outside-opening-hours" in answer.text


def test_of_two_who_want_the_last_place_one_gets_it(town, day):
    places = 0
    with ThreadPoolExecutor(2) as pool:
        while True:
            answers = list(pool.map(town.book, [day["starts"][0]] * 2))
            codes = sorted(answer.status_code for answer in answers)
            places += codes.count(201)
            if codes != [201, 201]:
                break
    assert set(codes) <= {201, 409}
    # All four clerks may do this, and they are no more.
    assert 1 <= places <= 4
    problem = next(answer for answer in answers if answer.status_code == 409)
    assert problem.headers["Content-Type"].startswith("application/problem+json")
    assert "slot-taken" in problem.text


def test_the_same_key_again_gives_the_same_answer(town, day):
    body = {
        "office": "buergerbuero",
        "services": [{"id": ALL, "persons": 1}],
        "start": day["starts"][0],
        "name": "Erika Muster",
        "email": "again@example.org",
    }
    first = town.ask("POST", "appointments", body, **{"Idempotency-Key": f"again-{day['date']}"})
    second = town.ask("POST", "appointments", body, **{"Idempotency-Key": f"again-{day['date']}"})
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json() == second.json()


def test_a_hold_is_confirmed(town, day):
    held = town.ask(
        "POST",
        "holds",
        {"office": "buergerbuero", "services": [{"id": ALL, "persons": 1}], "start": day["starts"][0]},
        **{"Idempotency-Key": f"hold-{day['date']}"},
    )
    assert held.status_code == 201, held.text
    person = {"name": "Erika Muster", "email": "hold@example.org"}
    confirmed = town.ask("POST", f"holds/{held.json()['token']}/confirm", person)
    assert confirmed.status_code == 201, confirmed.text
    (mail,) = town.wait_for_mails(confirmed.json()["uid"], 1)
    assert invited(mail)["SEQUENCE"] == 0


def test_an_absence_leads_to_a_take_over_that_the_citizen_need_not_know(town, day):
    booked = town.book(day["starts"][0]).json()
    town.wait_for_mails(booked["uid"], 1)
    (ill,) = town.holders(booked["uid"])
    date = datetime.fromisoformat(day["date"]).date()
    town.calendar(ill).save_event(
        dtstart=date, dtend=date + timedelta(days=1), summary="krank", uid=f"ill-{date}"
    )
    wait_until(lambda: town.holders(booked["uid"]) not in ([ill], []), WAIT_SECONDS)
    assert len(town.mails(booked["uid"])) == 1
    later = town.ask("GET", f"appointments/{booked['token']}").json()
    assert later["start"] == booked["start"]


def test_the_api_is_described(town):
    described = town.ask("GET", "openapi.json").json()
    assert described["openapi"].startswith("3.")
    assert {"/offers", "/appointments"} <= {path.replace("/api/v1", "") for path in described["paths"]}
    assert json.dumps(described)
